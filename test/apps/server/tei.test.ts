/** The contract of text-embeddings-inference 1.8: its documented answers, and Hugging Face's own client. */
import { InferenceClient } from '@huggingface/inference'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Embedding } from '../../../lib/common/types.js'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { colbertScore, dot, hybridScore, lexicalScore } from '../../../lib/exports/scoring.js'
import { standinPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'
import { type Answer, type TestServer, testServer } from './helper.js'

let embedder: Embedder
let served: TestServer
beforeAll(async () => {
  embedder = await Embedder.load({ model: await standinPath({ size: 'tiny' }) })
  served = await testServer({ embedder })
})
afterAll(async () => {
  await served.close()
  await embedder.dispose()
})

const ALL = { dense: true, sparse: true, colbert: true }

/** With every output there. */
type Full = Required<Omit<Embedding, 'fallback'>>
const embedAll = async (texts: readonly string[]): Promise<Full[]> =>
  (await embedder.embed(texts, { outputs: ALL })) as unknown as Full[]

describe('/embed', () => {
  it('gives a list of vectors for one text and for several', async () => {
    const texts = mixedTexts(4)
    const direct = await embedder.embed(texts)
    const many = await served.post('/embed', { inputs: texts })
    expect(many.status).toBe(200)
    expect(many.json.map((row: number[]) => Float32Array.from(row))).toEqual(
      direct.map(({ dense }) => dense),
    )
    const one = await served.post('/embed', { inputs: texts[0] })
    expect(one.json).toEqual([many.json[0]])
  })

  it('normalises unless told not to', async () => {
    const { json } = await served.post('/embed', { inputs: 'x', normalize: false })
    const raw = await embedder.embed('x', { normalize: false })
    expect(Float32Array.from(json[0])).toEqual(raw.dense)
    expect(dot(json[0], json[0])).not.toBeCloseTo(1, 3)
  })

  it('cuts a text that is too long only if asked to', async () => {
    const inputs = 'word '.repeat(9000)
    const refused = await served.post('/embed', { inputs })
    expect(refused.status).toBe(413)
    expect(refused.json).toEqual({
      error: expect.stringContaining('8192'),
      error_type: 'Validation',
    })
    const cut = await served.post('/embed', { inputs, truncate: true })
    expect(cut.status).toBe(200)
    const direct = await embedder.embed(inputs, { truncate: 'end' })
    expect(Float32Array.from(cut.json[0])).toEqual(direct.dense)
  })

  it('streams NDJSON: a line a text, in order, failures among them', async () => {
    const texts = [...mixedTexts(70), 'word '.repeat(9000), 'last']
    const { text, headers } = await served.post(
      '/embed',
      { inputs: texts },
      { accept: 'application/x-ndjson' },
    )
    expect(headers.get('content-type')).toContain('application/x-ndjson')
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines).toHaveLength(72)
    const direct = await embedder.embed(texts, { onError: 'collect' })
    lines.forEach((line, i) => {
      if (i === 70)
        expect(line).toMatchObject({ index: 70, error: { code: 'context_length_exceeded' } })
      else expect(Float32Array.from(line)).toEqual((direct[i] as Embedding).dense)
    })
  })
})

describe('what else its clients send', () => {
  it('token ids, alone or beside texts', async () => {
    const ids = Array.from((await embedder.tokenize('Hallo Welt')).ids)
    const direct = (await embedder.embed('Hallo Welt')).dense
    const rows = async (inputs: unknown) =>
      (await served.post('/embed', { inputs })).json.map((row: number[]) => Float32Array.from(row))
    expect(await rows(ids)).toEqual([direct])
    expect(await rows([ids, 'Hallo Welt'])).toEqual([direct, direct])
  })

  it('the same to /, /invocations and its OpenAI path, and looks at /ping', async () => {
    const { json } = await served.post('/embed', { inputs: 'x' })
    expect((await served.post('/', { inputs: 'x' })).json).toEqual(json)
    expect((await served.post('/invocations', { inputs: 'x' })).json).toEqual(json)
    expect((await served.post('/embeddings', { input: 'x' })).json.data[0].embedding).toEqual(
      json[0],
    )
    expect((await served.get('/ping')).status).toBe(200)
    expect((await served.get('/api-doc/openapi.json')).json.openapi).toMatch(/^3\./)
    const predicted = await served.post('/predict', { inputs: 'x' })
    expect(predicted).toMatchObject({ status: 424, json: { error_type: 'Backend' } })
  })

  it('options that would change the result are honoured or refused', async () => {
    const right = { inputs: 'x', truncation_direction: 'right', prompt_name: null }
    expect((await served.post('/embed', right)).status).toBe(200)
    for (const more of [{ truncation_direction: 'left' }, { prompt_name: 'none' }]) {
      const { status, json } = await served.post('/embed', { inputs: 'x', ...more })
      expect([status, json.error_type]).toEqual([422, 'Validation'])
    }
  })

  it('an empty text, which is 400', async () => {
    for (const inputs of ['', ['a', '']]) {
      expect(await served.post('/embed', { inputs })).toMatchObject({
        status: 400,
        json: { error_type: 'Empty' },
      })
    }
  })

  it('and reads headers with counts and milliseconds', async () => {
    const { headers } = await served.post('/embed', { inputs: ['a😀', 'bcd'] })
    expect(headers.get('x-compute-characters')).toBe('5')
    const tokens = await embedder.countTokens(['a😀', 'bcd'])
    expect(headers.get('x-compute-tokens')).toBe(String(tokens.reduce((a, b) => a + b)))
    for (const name of [
      'compute-time',
      'total-time',
      'tokenization-time',
      'queue-time',
      'inference-time',
    ])
      expect(headers.get(`x-${name}`)).toMatch(/^\d+$/)
  })

  it('a source sentence to /similarity, for cosines', async () => {
    const sentences = mixedTexts(3)
    const { json } = await served.post('/similarity', {
      inputs: { source_sentence: 'x', sentences },
      parameters: { truncate: true },
    })
    const [source, ...others] = await embedAll(['x', ...sentences])
    expect(json).toEqual(others.map(({ dense }) => dot((source as Full).dense, dense)))
    const empty = await served.post('/similarity', {
      inputs: { source_sentence: '', sentences },
    })
    expect(empty).toMatchObject({ status: 400, json: { error_type: 'Empty' } })
    const wrong = await served.post('/similarity', { inputs: { sentences } })
    expect(wrong).toMatchObject({ status: 422, json: { error_type: 'Validation' } })
  })
})

describe('@huggingface/inference', () => {
  it('embeds and compares, given the base URL', async () => {
    const client = new InferenceClient(undefined, { endpointUrl: served.url })
    const vector = await client.featureExtraction({ inputs: 'Hallo Welt' })
    const { dense } = await embedder.embed('Hallo Welt')
    expect(vector.map((row) => Float32Array.from(row as number[]))).toEqual([dense])
  })
})

describe('/embed as bytes', () => {
  it('has the same vectors, in float32 or float16', async () => {
    const inputs = mixedTexts(5)
    const direct = await embedder.embed(inputs)
    const half = await embedder.embed(inputs, { precision: 'float16' })
    const bytes = async (accept: string) => {
      const response = await fetch(`${served.url}/embed`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept },
        body: JSON.stringify({ inputs }),
      })
      return { type: response.headers.get('content-type'), bytes: await response.arrayBuffer() }
    }
    const single = await bytes('application/octet-stream')
    expect(single.type).toBe('application/octet-stream; precision=float32; rows=5; cols=64')
    direct.forEach(({ dense }, i) => {
      expect(new Float32Array(single.bytes, i * 256, 64)).toEqual(dense)
    })
    const short = await bytes('application/octet-stream; precision=float16')
    half.forEach(({ dense }, i) => {
      expect(new Uint16Array(short.bytes, i * 128, 64)).toEqual(new Uint16Array(dense.buffer))
    })
    expect((await bytes('application/octet-stream; precision=int9')).type).toContain('json')
    expect((await bytes('text/html, */*')).type).toContain('json')
  })
})

describe('/embed_all', () => {
  const rowsOf = ({ data, rows, cols }: { data: Float32Array; rows: number; cols: number }) =>
    Array.from({ length: rows }, (_, i) => data.subarray(i * cols, (i + 1) * cols))
  const floats = (json: number[][][]) =>
    json.map((rows) => rows.map((row) => Float32Array.from(row)))

  it('gives the state of every token, special ones included, of texts and ids', async () => {
    const texts = mixedTexts(3)
    const direct = await embedder.tokenStates(texts)
    const { json, headers } = await served.post('/embed_all', { inputs: texts })
    expect(floats(json)).toEqual(direct.map(({ states }) => rowsOf(states)))
    expect(json.map((rows: unknown[]) => rows.length)).toEqual(await embedder.countTokens(texts))
    expect(headers.get('x-compute-tokens')).toMatch(/^\d+$/)
    const ids = Array.from((await embedder.tokenize(texts[1] as string)).ids)
    const mixed = await served.post('/embed_all', { inputs: [ids, texts[0]] })
    expect(mixed.json).toEqual([json[1], json[0]])
    expect((await served.post('/embed_all', { inputs: texts[0] })).json).toEqual([json[0]])
  })

  it('cuts, and takes a prompt, as asked', async () => {
    const inputs = 'word '.repeat(9000)
    expect(await served.post('/embed_all', { inputs })).toMatchObject({
      status: 413,
      json: { error_type: 'Validation' },
    })
    const body = {
      inputs: 'x',
      truncate: null,
      truncation_direction: 'Right',
      prompt_name: 'query',
    }
    const { json } = await served.post('/embed_all', body)
    const [direct] = await embedder.tokenStates(['x'], { prompt: 'query' })
    expect(floats(json)[0]).toEqual(rowsOf((direct as NonNullable<typeof direct>).states))
    for (const more of [{ truncation_direction: 'left' }, { prompt_name: 'none' }]) {
      expect(await served.post('/embed_all', { inputs: 'x', ...more })).toMatchObject({
        status: 422,
      })
    }
    expect(await served.post('/embed_all', { inputs: ['a', ''] })).toMatchObject({
      status: 400,
      json: { error_type: 'Empty' },
    })
  })

  it('keeps to its memory, and has our own form for our own members', async () => {
    const small = await testServer({ embedder, requestMemory: 1_000_000 })
    const { status } = await small.post('/embed_all', { inputs: 'word '.repeat(6000) })
    await small.close()
    expect(status).toBe(413)
    const ours = await served.post('/v1/embed_all', { inputs: ['a'], encoding: 'base64' })
    const same = await served.post('/embed_all', { inputs: ['a'], encoding: 'base64' })
    expect({ ...same.json.embeddings[0], cached: true }).toEqual({
      ...ours.json.embeddings[0],
      cached: true,
    })
    expect(await served.post('/embed_all', { inputs: [1, 2], tokens: true })).toMatchObject({
      status: 400,
      json: { error: { code: 'invalid_value', param: 'inputs' } },
    })
  })
})

describe('/embed_sparse', () => {
  it('gives index and value, ids ascending', async () => {
    const texts = mixedTexts(3)
    const { json } = await served.post('/embed_sparse', { inputs: texts })
    const direct = await embedder.embed(texts, { outputs: { sparse: true } })
    direct.forEach(({ sparse }, i) => {
      expect(json[i].map(({ index }: { index: number }) => index)).toEqual(
        Array.from(sparse?.indices ?? []),
      )
      expect(Float32Array.from(json[i], ({ value }) => value)).toEqual(sparse?.values)
    })
    const empty = await served.post('/embed_sparse', { inputs: '' })
    expect(empty).toMatchObject({ status: 400, json: { error_type: 'Empty' } })
  })
})

describe('/rerank', () => {
  const query = 'Which river flows through Warsaw?'
  const texts = [...mixedTexts(5), query]
  const ranks = async (by: 'colbert' | 'hybrid' | 'dense' | 'sparse') => {
    const other = await testServer({ embedder, rerank: by })
    const { json } = await other.post('/rerank', { query, texts, raw_scores: true })
    await other.close()
    return json as { index: number; score: number }[]
  }

  it('orders by ColBERT, with probabilities unless raw scores are asked for', async () => {
    const [asked, ...passages] = (await embedAll([query, ...texts])) as [Full, ...Full[]]
    const expected = passages
      .map(({ colbert }, index) => ({ index, score: colbertScore(asked.colbert, colbert) }))
      .sort((a, b) => b.score - a.score)
    const raw = await served.post('/rerank', { query, texts, raw_scores: true })
    expect(raw.json).toEqual(expected)
    expect(raw.json[0].index).toBe(5)
    const { json } = await served.post('/rerank', { query, texts, return_text: true })
    expect(json.map(({ index }: { index: number }) => index)).toEqual(
      expected.map(({ index }) => index),
    )
    expect(json[0].text).toBe(query)
    expect(json[0].score).toBeCloseTo(1 / (1 + Math.exp(-(expected[0]?.score as number))), 12)
  })

  it('scores as configured', async () => {
    const [q, p] = (await embedAll([query, texts[0] as string])) as [Full, Full]
    const scoreOf = (list: { index: number; score: number }[]) =>
      list.find(({ index }) => index === 0)?.score
    expect(scoreOf(await ranks('dense'))).toBe(dot(q.dense, p.dense))
    expect(scoreOf(await ranks('sparse'))).toBe(lexicalScore(q.sparse, p.sparse))
    expect(scoreOf(await ranks('hybrid'))).toBe(hybridScore(q, p))
  })

  it('names the text that is wrong', async () => {
    const long = 'word '.repeat(9000)
    const first = await served.post('/rerank', { query: long, texts: ['a'] })
    expect(first.json.error).toMatch(/^The query has 9002 tokens/)
    const second = await served.post('/rerank', { query: 'a', texts: ['a', long] })
    expect(second.json.error).toMatch(/^The text at index 1 has/)
    expect(
      (await served.post('/rerank', { query: long, texts: ['a'], truncate: true })).status,
    ).toBe(200)
  })

  it('needs texts', async () => {
    const { status, json } = await served.post('/rerank', { query, texts: [] })
    expect({ status, json }).toEqual({
      status: 400,
      json: { error: "'texts' must not be empty.", error_type: 'Empty' },
    })
  })
})

describe('/tokenize', () => {
  it('gives ids, what stands in the text, and its place in bytes', async () => {
    const text = 'Hello wörld 😀 end'
    const { json } = await served.post('/tokenize', { inputs: text })
    expect(json).toHaveLength(1)
    const tokens = json[0] as {
      id: number
      text: string
      special: boolean
      start: number | null
      stop: number | null
    }[]
    expect(tokens.map(({ id }) => id)).toEqual(Array.from((await embedder.tokenize(text)).ids))
    expect(tokens[0]).toEqual({ id: 0, text: '<s>', special: true, start: null, stop: null })
    expect(tokens.at(-1)).toMatchObject({ text: '</s>', special: true })
    const bytes = Buffer.from(text)
    for (const { text: piece, special, start, stop } of tokens) {
      if (special || start === null || stop === null) continue
      expect(bytes.subarray(start, stop).toString()).toBe(piece)
    }
    expect(tokens.filter(({ start }) => start !== null).length).toBeGreaterThan(3)
  })

  // the values of TEI's own test, core/src/tokenization.rs (BAAI/bge-m3)
  it('passes the test that TEI has for bge-m3', async () => {
    const inputs = '这是一个文本向量化的测试句子'
    const { json } = await served.post('/tokenize', { inputs, add_special_tokens: false })
    const wanted = [
      [6, '这', 0, 3],
      [100013, '这是一个', 0, 12],
      [189061, '文本', 12, 18],
      [2110, '向', 18, 21],
      [3272, '量', 21, 24],
      [41904, '化的', 24, 30],
      [49125, '测试', 30, 36],
      [27683, '句', 36, 39],
      [1344, '子', 39, 42],
    ]
    const found = json[0].map((token: Record<string, unknown>) => [
      token.id,
      token.text,
      token.start,
      token.stop,
    ])
    expect(found).toEqual(wanted)
  })

  it('leaves the special ones out', async () => {
    const { json } = await served.post('/tokenize', {
      inputs: ['a', ''],
      add_special_tokens: false,
    })
    expect(json.map((tokens: object[]) => tokens.length)).toEqual([1, 0])
  })
})

describe('/decode', () => {
  it('gives texts back, special tokens only if asked to', async () => {
    const texts = ['Hello wörld', 'a second text']
    const ids = await Promise.all(
      texts.map(async (text) => Array.from((await embedder.tokenize(text)).ids)),
    )
    expect((await served.post('/decode', { ids })).json).toEqual(texts)
    expect((await served.post('/decode', { ids: ids[0] })).json).toEqual([texts[0]])
    const all = await served.post('/decode', { ids: ids[0], skip_special_tokens: false })
    expect(all.json).toEqual([`<s> ${texts[0]}</s>`])
    expect((await served.post('/decode', { ids: [300_000] })).status).toBe(422)
  })
})

describe('/info', () => {
  it('has the members that clients read', async () => {
    const { json } = await served.get('/info')
    expect(json).toMatchObject({
      model_id: embedder.info.name,
      model_sha: embedder.info.fingerprint,
      model_type: { embedding: { pooling: 'cls' } },
      max_input_length: 8192,
      max_client_batch_size: 2048,
      auto_truncate: false,
    })
  })
})

describe('errors', () => {
  it("have TEI's body and statuses", async () => {
    const bodyOf = ({ status, json }: Answer) => ({ status, ...json })
    expect(bodyOf(await served.post('/embed', { inputs: [] }))).toMatchObject({
      status: 400,
      error_type: 'Empty',
    })
    expect(bodyOf(await served.post('/embed', { inputs: 5 }))).toMatchObject({
      status: 422,
      error_type: 'Validation',
    })
    expect(bodyOf(await served.post('/embed', {}))).toMatchObject({
      status: 422,
      error_type: 'Validation',
    })
    expect(
      bodyOf(await served.post('/embed', { inputs: new Array(2049).fill('a') })),
    ).toMatchObject({
      status: 413,
      error_type: 'Validation',
    })
  })
})
