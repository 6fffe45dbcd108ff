/** Every endpoint against everything that a client can get wrong. */
import http from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { standinPath } from '../../helpers/standins.js'
import { until } from '../../helpers/until.js'
import { type TestServer, testServer, withOverrides } from './helper.js'

interface Endpoint {
  path: string
  /** A body that works. */
  body: Record<string, unknown>
  required: string[]
  /** Bodies with a member of the wrong type. */
  wrong: Record<string, unknown>[]
  style: 'openai' | 'tei'
  /** What becomes of a member it does not know. */
  extra: number
  /** The texts that a unicode test puts in. */
  withText: (text: string) => Record<string, unknown>
}

const inputs = { required: ['inputs'], withText: (text: string) => ({ inputs: [text, text] }) }

const POSTS: Endpoint[] = [
  {
    path: '/v1/embeddings',
    body: { input: 'x' },
    required: ['input'],
    wrong: [
      { input: 1 },
      { input: null },
      { input: {} },
      { input: [] },
      { input: [[]] },
      { input: ['a', 1] },
      { input: [1.5] },
      { input: [-1] },
      { input: [1, 'a'] },
      { input: [[1], ''] },
      { input: 'x', truncate: 'yes' },
      { input: 'x', dimensions: 0 },
      { input: 'x', dimensions: '8' },
      { input: 'x', encoding_format: 'hex' },
      { input: 'x', model: 7 },
      { input: 'x', user: {} },
    ],
    style: 'openai',
    extra: 200,
    withText: (text) => ({ input: [text, text] }),
  },
  {
    path: '/embed',
    body: { inputs: 'x' },
    wrong: [
      { inputs: 1 },
      { inputs: [1.5] },
      { inputs: 'x', truncate: 'yes' },
      { inputs: 'x', truncation_direction: 'left' },
      { inputs: 'x', prompt_name: 7 },
      { inputs: 'x', normalize: 1 },
    ],
    style: 'tei',
    extra: 200,
    ...inputs,
  },
  {
    path: '/embed_sparse',
    body: { inputs: 'x' },
    wrong: [{ inputs: {} }, { inputs: 'x', truncate: 1 }],
    style: 'tei',
    extra: 200,
    ...inputs,
  },
  {
    path: '/rerank',
    body: { query: 'x', texts: ['y'] },
    required: ['query', 'texts'],
    wrong: [
      { query: ['x'], texts: ['y'] },
      { query: 'x', texts: 'y' },
      { query: 'x', texts: [1] },
      { query: 'x', documents: [{}] },
      { query: 'x', documents: ['y'], top_n: 0 },
    ],
    style: 'tei',
    extra: 200,
    withText: (text) => ({ query: text, texts: [text] }),
  },
  {
    path: '/v1/rerank',
    body: { query: 'x', documents: ['y'] },
    required: ['query'],
    wrong: [{ query: 'x', documents: 'y' }, { query: 'x', documents: [] }, { query: 'x' }],
    style: 'openai',
    extra: 200,
    withText: (text) => ({ query: text, documents: [{ text }] }),
  },
  {
    path: '/v1/tokenize',
    body: { inputs: 'x' },
    wrong: [{ inputs: 1 }, { inputs: [] }],
    style: 'openai',
    extra: 400,
    ...inputs,
  },
  {
    path: '/tokenize',
    body: { inputs: 'x' },
    wrong: [{ inputs: 1 }, { inputs: 'x', add_special_tokens: 'no' }],
    style: 'tei',
    extra: 200,
    ...inputs,
  },
  {
    path: '/v1/embed_all',
    body: { inputs: 'x' },
    wrong: [
      { inputs: 1 },
      { inputs: [] },
      { inputs: 'x', outputs: ['dense'] },
      { inputs: 'x', outputs: { dense: 1 } },
      { inputs: 'x', outputs: { other: true } },
      { inputs: 'x', dimensions: 1.5 },
      { inputs: 'x', encoding: 'hex' },
      { inputs: 'x', tokens: 'yes' },
    ],
    style: 'openai',
    extra: 400,
    ...inputs,
  },
  {
    path: '/similarity',
    body: { query: 'x', passages: ['y'] },
    required: ['query', 'passages'],
    wrong: [
      { query: 1, passages: ['y'] },
      { query: 'x', passages: [] },
      { query: 'x', passages: 'y' },
      { query: 'x', passages: ['y'], weights: [1, 1] },
      { query: 'x', passages: ['y'], weights: [1, 1, -1] },
      { query: 'x', passages: ['y'], alignment: 'yes' },
    ],
    style: 'openai',
    extra: 400,
    withText: (text) => ({ query: text, passages: [text], tokens: true }),
  },
]

const GETS = ['/v1/models', '/v1/models/any', '/info', '/health', '/ready', '/stats', '/metrics']
const PUBLIC = ['/health', '/ready']

let embedder: Embedder
let served: TestServer
let slow: TestServer
let cancelled = 0
let begun = 0
beforeAll(async () => {
  embedder = await Embedder.load({ model: await standinPath({ size: 'tiny' }) })
  served = await testServer({ embedder, apiKey: ['right'], bodyLimit: 20_000 })
  // embeds only when it is cancelled
  const stuck = (_texts: unknown, { signal }: { signal?: AbortSignal } = {}) => {
    begun++
    return new Promise<never>((_resolve, reject) => {
      signal?.addEventListener('abort', () => {
        cancelled++
        reject(signal.reason)
      })
    })
  }
  const first = { isDone: false }
  slow = await testServer({
    embedder: withOverrides(embedder, {
      // the reference texts are embedded at the start
      embed: ((texts: string[], options: object) => {
        if (first.isDone) return stuck(texts, options)
        first.isDone = true
        return embedder.embed(texts, options)
      }) as typeof embedder.embed,
      tokenize: ((text: string) =>
        begun < 0 ? embedder.tokenize(text) : stuck(text, {})) as typeof embedder.tokenize,
    }),
  })
})
afterAll(async () => {
  await Promise.all([served.close(), slow.close()])
  await embedder.dispose()
})

const key = { authorization: 'Bearer right' }
const json = { 'content-type': 'application/json' }

function expectError(
  answer: { status: number; json: Record<string, unknown> },
  style: 'openai' | 'tei',
) {
  if (style === 'tei') {
    expect(Object.keys(answer.json)).toEqual(['error', 'error_type'])
    expect(answer.json.error).toMatch(/\S.*\.$/)
    return
  }
  expect(Object.keys(answer.json)).toEqual(['error'])
  expect(answer.json.error).toEqual({
    message: expect.stringMatching(/\S.*\.$/),
    type: expect.any(String),
    param:
      answer.json.error && expect.toSatisfy((param) => param === null || typeof param === 'string'),
    code: expect.any(String),
  })
}

describe.each(POSTS)('POST $path', ({ path, body, required, wrong, style, extra, withText }) => {
  const post = (content: unknown, headers: Record<string, string> = key) =>
    served.post(path, content, headers)
  const refusal = style === 'tei' ? 422 : 400

  it('works', async () => {
    expect((await post(body)).status).toBe(200)
  })

  it.each(['GET', 'PUT', 'PATCH', 'DELETE'])('takes no %s', async (method) => {
    const answer = await served.call(method, path, { headers: key })
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')).toBe('POST')
    expectError(answer, style)
  })

  it('refuses members of the wrong type, and names them', async () => {
    for (const content of wrong) {
      const answer = await post(content)
      expect(answer.status, JSON.stringify(content)).toBe(refusal)
      expectError(answer, style)
      expect(answer.text, JSON.stringify(content)).toMatch(/'\w+.*'|a field that/)
    }
    for (const content of [[], 'x', 1, null, true]) {
      const answer = await post(content)
      expect(answer.status).toBe(refusal)
      expectError(answer, style)
    }
  })

  it('refuses a body that lacks a member, and names it', async () => {
    for (const name of required) {
      const { [name]: _, ...rest } = body
      const answer = await post(rest)
      expect(answer.status).toBe(refusal)
      expectError(answer, style)
      expect(answer.text).toContain(`'${name}' is required`)
    }
  })

  it(`answers a member it does not know with ${extra}`, async () => {
    const answer = await post({ ...body, colour: 'blue' })
    expect(answer.status).toBe(extra)
    expect(answer.text).not.toContain('colour')
  })

  it('refuses what is no JSON', async () => {
    for (const content of [
      '',
      '{',
      '{"inputs": "x"',
      'x',
      '{"a": 1}{"b": 2}',
      '\u0000',
      '{"__proto__": {"a": 1}}',
    ]) {
      const answer = await served.call('POST', path, {
        body: content,
        headers: { ...key, ...json },
      })
      expect([400, refusal], content).toContain(answer.status)
      expectError(answer, style)
      if (content.length > 3) expect(answer.text).not.toContain(content)
    }
    const form = await served.call('POST', path, {
      body: 'input=x',
      headers: { ...key, 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect(form.status).toBe(415)
    expectError(form, style)
    const plain = await served.call('POST', path, {
      body: JSON.stringify(body),
      headers: { ...key, 'content-type': 'text/plain' },
    })
    expect(plain.status).toBe(415)
  })

  it('refuses bytes that are no UTF-8, and does not guess what they were', async () => {
    const send = (bytes: Uint8Array, headers = {}) =>
      served.call('POST', path, { body: bytes, headers: { ...key, ...json, ...headers } })
    const written = JSON.stringify(withText('Straße'))
    const latin = await send(Buffer.from(written, 'latin1'))
    expect([400, refusal]).toContain(latin.status)
    expectError(latin, style)
    const offset = written.indexOf('ß')
    expect(latin.text).toContain(`The body is not valid UTF-8 (line 1, byte offset ${offset})`)
    expect([400, refusal]).toContain((await send(Buffer.from(written, 'utf16le'))).status)
    for (const headers of [{}, { 'content-encoding': 'gzip' }]) {
      const packed = await send(gzipSync(written), headers)
      expect(packed.status).toBe(415)
      expectError(packed, style)
    }
    expect((await send(Buffer.from(written), { 'content-encoding': 'br' })).status).toBe(415)
    expect((await send(Buffer.from(`\ufeff${written}`))).status).toBe(200)
  })

  it('refuses a huge body', async () => {
    const answer = await post(withText('x'.repeat(30_000)))
    expect(answer.status).toBe(413)
    expectError(answer, style)
    // without a length in front, too
    const status = await new Promise((resolve, reject) => {
      const request = http.request(
        served.url + path,
        { method: 'POST', headers: { ...key, ...json } },
        (response) => {
          resolve(response.statusCode)
          response.resume()
        },
      )
      request.on('error', reject)
      request.write(`{"x": "${'y'.repeat(30_000)}`)
      request.end('"}')
    })
    expect(status).toBe(413)
  })

  it('refuses a wrong key and none', async () => {
    for (const headers of [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: 'Basic right' },
      { 'x-api-key': 'righ' },
      { authorization: 'Bearer right right' },
    ]) {
      const answer = await post(body, headers as Record<string, string>)
      expect(answer.status).toBe(401)
      expect(answer.headers.get('www-authenticate')).toBe('Bearer')
      expectError(answer, style)
    }
    expect((await post(body, { 'x-api-key': 'right' })).status).toBe(200)
  })

  it('takes all of Unicode', async () => {
    for (const text of [
      '日本語のテキスト',
      'نص عربي',
      '👩‍👩‍👧‍👦 🏳️‍🌈',
      'e\u0301\u200b\u0000\ufeff',
      '\u{10ffff}',
      'ﷺ'.repeat(50),
      ' ',
      '"\\\n\t',
    ]) {
      expect((await post(withText(text))).status, JSON.stringify(text)).toBe(200)
    }
    const lone = await served.call('POST', path, {
      body: JSON.stringify(withText('x')).replaceAll('x', '\\ud800'),
      headers: { ...key, ...json },
    })
    expect(lone.status).toBe(refusal)
    expectError(lone, style)
  })

  it('stops working for a client that hangs up', async () => {
    const before = { begun, cancelled, places: slow.server.context.gate.readings.places }
    expect(before.places).toBe(0)
    const controller = new AbortController()
    const call = slow.call('POST', path, {
      body: JSON.stringify(body),
      headers: json,
      signal: controller.signal,
    })
    call.catch(() => {})
    await until(() => begun > before.begun)
    expect(slow.server.context.gate.readings.places).toBe(1)
    controller.abort()
    await expect(call).rejects.toThrow()
    if (!path.endsWith('/tokenize')) await until(() => cancelled > before.cancelled)
    await until(() => slow.server.context.gate.readings.places === 0)
    expect(slow.server.context.gate.readings).toMatchObject({ running: 0, answerBytes: 0 })
  })
})

describe.each(GETS)('GET %s', (path) => {
  it('works, with a key unless it is public', async () => {
    expect((await served.get(path, key)).status).toBe(200)
    expect((await served.get(path)).status).toBe(PUBLIC.includes(path) ? 200 : 401)
  })

  it.each(['POST', 'PUT', 'DELETE'])('takes no %s', async (method) => {
    const answer = await served.call(method, path, { headers: key, body: '{}' })
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')).toBe('GET, HEAD')
  })

  it('answers HEAD without a body', async () => {
    const answer = await served.call('HEAD', path, { headers: key })
    expect({ status: answer.status, text: answer.text }).toEqual({ status: 200, text: '' })
  })
})

describe('what is not there', () => {
  it('is 404, with a key or without', async () => {
    for (const path of ['/nothing', '/v1', '/embed/x', '/%ff', '/..%2f..%2fetc/passwd']) {
      const answer = await served.get(path, key)
      expect([400, 404], path).toContain(answer.status)
      expectError(answer, 'openai')
      expect(answer.text).not.toContain('nothing')
    }
  })
})
