/** `--compress`: the same answers in fewer bytes, for clients that ask. */
import http from 'node:http'
import zlib from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { standinPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'
import { until } from '../../helpers/until.js'
import { type TestServer, testServer } from './helper.js'

let embedder: Embedder
let served: TestServer
let plain: TestServer
beforeAll(async () => {
  embedder = await Embedder.load({ model: await standinPath({ size: 'tiny' }) })
  served = await testServer({ embedder, compress: true })
  plain = await testServer({ embedder })
})
afterAll(async () => {
  await served.close()
  await plain.close()
  await embedder.dispose()
})

interface Raw {
  status: number | undefined
  headers: http.IncomingHttpHeaders
  bytes: Buffer
}

/** Node's own fetch would undo it. */
function post(url: string, body: object, headers: http.OutgoingHttpHeaders): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
    })
    request.on('error', reject).on('response', async (response) => {
      const bytes = Buffer.concat(await response.toArray())
      resolve({ status: response.statusCode, headers: response.headers, bytes })
    })
    request.end(JSON.stringify(body))
  })
}

const inputs = mixedTexts(40)

const ways: [name: string, decode: (bytes: Buffer) => Buffer][] = [
  ['gzip', (bytes) => zlib.gunzipSync(bytes)],
  // from Node 22.15 on
  ...('zstdDecompressSync' in zlib
    ? [
        ['zstd', zlib.zstdDecompressSync as (bytes: Buffer) => Buffer] satisfies [
          string,
          (bytes: Buffer) => Buffer,
        ],
      ]
    : []),
]

describe('serve --compress', () => {
  it.each(ways)('gives the same answers in %s, small and in pieces', async (encoding, decode) => {
    for (const [path, body] of [
      ['/embed', { inputs }],
      ['/v1/embeddings', { model: 'x', input: inputs, encoding_format: 'base64' }],
      ['/v1/embed_all', { inputs, outputs: { colbert: true } }],
      ['/embed_all', { inputs }],
      ['/v1/tokenize', { inputs }],
    ] as const) {
      const same = await post(plain.url + path, body, { 'accept-encoding': encoding })
      expect(same.headers).not.toHaveProperty('content-encoding')
      const answer = await post(served.url + path, body, { 'accept-encoding': encoding })
      expect(answer.headers).toMatchObject({
        'content-encoding': encoding,
        vary: 'accept-encoding',
      })
      expect(answer.bytes.length).toBeLessThan(0.8 * same.bytes.length)
      const cachedOrNot = (bytes: Buffer) =>
        String(bytes).replaceAll('"cached":false', '"cached":true')
      expect(cachedOrNot(decode(answer.bytes))).toBe(cachedOrNot(same.bytes))
    }
  })

  it.each([
    ['nothing', {}],
    ['identity', { 'accept-encoding': 'identity' }],
    ['what it has not', { 'accept-encoding': 'br, deflate' }],
    ['no gzip', { 'accept-encoding': 'gzip;q=0, zstd;q=0' }],
  ])('is left out for who asks for %s', async (_, headers) => {
    const answer = await post(`${served.url}/embed`, { inputs }, headers)
    expect(answer.status).toBe(200)
    expect(answer.headers).not.toHaveProperty('content-encoding')
    // a cache on the way must not give it to who asks for gzip, nor the other way round
    expect(answer.headers.vary).toBe('accept-encoding')
    expect(JSON.parse(String(answer.bytes))).toHaveLength(40)
  })

  it('leaves small answers, errors among them, lines and vectors as bytes as they are', async () => {
    const ask = (body: object, headers = {}) =>
      post(`${served.url}/embed`, body, { 'accept-encoding': 'gzip, zstd', ...headers })
    for (const answer of [
      await ask({ inputs: '' }),
      await ask({ inputs }, { accept: 'application/x-ndjson' }),
      await ask({ inputs }, { accept: 'application/octet-stream' }),
    ]) {
      expect(answer.headers).not.toHaveProperty('content-encoding')
    }
  })

  it('still takes no compressed bodies', async () => {
    const body = zlib.gzipSync(JSON.stringify({ inputs: 'x' }))
    const { status } = await served.call('POST', '/embed', {
      body,
      headers: { 'content-encoding': 'gzip' },
    })
    expect(status).toBe(415)
  })

  it('gives the place back of a client that hangs up in the middle', async () => {
    const large = { inputs: Array(60).fill('word '.repeat(500)) }
    await new Promise<void>((resolve) => {
      const request = http.request(`${served.url}/embed_all`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'accept-encoding': 'gzip' },
      })
      request.on('response', (response) => {
        expect(response.headers['content-encoding']).toBe('gzip')
        response.once('data', () => {
          request.destroy()
          resolve()
        })
      })
      request.on('error', () => {})
      request.end(JSON.stringify(large))
    })
    await until(async () => (await served.get('/stats')).json.queue.running === 0)
    expect(served.log()).not.toContain('"level":50')
  })
})
