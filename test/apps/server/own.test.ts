/** Our own endpoints: all three outputs, tokens, scores, alignment. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Embedding, EmbedOptions } from '../../../lib/common/types.js'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { colbertScore, computeScore, cosine } from '../../../lib/exports/scoring.js'
import type { WireEmbedding, WireSimilarityResponse } from '../../../lib/exports/server.js'
import { standinPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'
import { type TestServer, testServer } from './helper.js'

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
type FullWire = Required<WireEmbedding>
type FullSimilarity = Omit<Required<WireSimilarityResponse>, 'passages'> & {
  passages: Required<WireSimilarityResponse['passages'][number]>[]
}
const embedAll = async (texts: readonly string[], options: EmbedOptions = {}): Promise<Full[]> =>
  (await embedder.embed(texts, { outputs: ALL, ...options })) as unknown as Full[]
const f32 = (values: number[]) => Float32Array.from(values)

describe('/v1/embed_all', () => {
  it('gives what the embedder gives, bit by bit', async () => {
    const texts = [...mixedTexts(6), '']
    const { json } = await served.post('/v1/embed_all', { inputs: texts })
    const direct = await embedAll(texts)
    expect(json).toMatchObject({ dimensions: 64, model: embedder.info.name })
    expect(json.usage.tokens).toBe(direct.reduce((sum, { tokenCount }) => sum + tokenCount, 0))
    direct.forEach(({ dense, sparse, colbert, tokenCount }, i) => {
      const wire = json.embeddings[i] as FullWire
      expect(wire).toMatchObject({ index: i, tokenCount, truncated: false })
      expect(f32(wire.dense)).toEqual(dense)
      expect(wire.sparse.map(({ index }) => index)).toEqual(Array.from(sparse.indices))
      expect(f32(wire.sparse.map(({ weight }) => weight))).toEqual(sparse.values)
      expect(wire.colbert).toHaveLength(tokenCount - 1)
      expect(f32(wire.colbert.flat())).toEqual(colbert.data)
      expect(wire.tokens).toBeUndefined()
    })
  })

  it('gives base64 where asked', async () => {
    const { json } = await served.post('/v1/embed_all', { inputs: 'a b c', encoding: 'base64' })
    const [direct] = (await embedAll(['a b c'])) as [Full]
    const read = (text: string) =>
      new Float32Array(new Uint8Array(Buffer.from(text, 'base64')).buffer)
    const [wire] = json.embeddings
    expect(read(wire.dense)).toEqual(direct.dense)
    expect(read(wire.colbert.data)).toEqual(direct.colbert.data)
    expect(wire.colbert).toMatchObject({ rows: direct.colbert.rows, cols: 64 })
  })

  it('says which tokens there are and where they stand', async () => {
    const text = 'Die Hauptstadt von Polen'
    const { json } = await served.post('/v1/embed_all', {
      inputs: text,
      outputs: { sparse: true },
      tokens: true,
    })
    const [wire] = json.embeddings as [FullWire]
    expect(Object.keys(wire)).toEqual([
      'index',
      'sparse',
      'tokens',
      'tokenCount',
      'truncated',
      'cached',
    ])
    expect(wire.tokens).toHaveLength(wire.tokenCount)
    expect(
      wire.tokens
        .map((token) => token.text)
        .join('')
        .trim(),
    ).toBe(text)
    for (const token of wire.tokens) {
      if (token.special) continue
      expect(text.slice(token.start, token.end)).toBe(token.text.trim())
    }
    const pieces = new Set(wire.tokens.map(({ piece }) => piece))
    for (const { token } of wire.sparse) expect(pieces).toContain(token)
  })

  it('cuts, shortens and leaves at length as asked', async () => {
    const inputs = 'word '.repeat(9000)
    const { json } = await served.post('/v1/embed_all', {
      inputs,
      truncate: true,
      outputs: { dense: true },
      dimensions: 8,
      normalize: false,
      tokens: true,
    })
    const [wire] = json.embeddings
    expect(wire).toMatchObject({ tokenCount: 8192, truncated: true })
    expect(wire.tokens).toHaveLength(8192)
    const direct = await embedder.embed(inputs, {
      truncate: 'end',
      dimensions: 8,
      normalize: false,
    })
    expect(f32(wire.dense)).toEqual(direct.dense)
  })

  it('names the member that holds a text that is wrong', async () => {
    const { json } = await served.post('/v1/embed_all', { inputs: ['a', 'word '.repeat(9000)] })
    expect(json.error).toMatchObject({
      param: 'inputs',
      message: expect.stringContaining('index 1'),
    })
  })

  it('streams large answers in pieces, and NDJSON line by line', async () => {
    // 6,000 ColBERT rows of 64: some 4 MB of JSON
    const texts = Array.from({ length: 12 }, (_, i) => `${i} ${'some word '.repeat(250)}`)
    const [whole, lines] = await Promise.all([
      served.post('/v1/embed_all', { inputs: texts, outputs: { colbert: true } }),
      served.post(
        '/v1/embed_all',
        { inputs: texts, outputs: { colbert: true } },
        { accept: 'application/x-ndjson' },
      ),
    ])
    expect(whole.headers.get('content-length')).toBeNull()
    expect(whole.text.length).toBeGreaterThan(2_000_000)
    expect(
      lines.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(whole.json.embeddings)
    const direct = await embedAll(texts, { outputs: { colbert: true } })
    direct.forEach(({ colbert }, i) => {
      expect(f32(whole.json.embeddings[i].colbert.flat())).toEqual(colbert.data)
    })
  })
})

describe('/similarity', () => {
  const query = 'the capital of Poland'
  const passages = ['Warsaw is the capital of Poland.', ...mixedTexts(3), query]

  it("gives FlagEmbedding's five scores", async () => {
    const { json } = await served.post('/similarity', { query, passages, weights: [0.4, 0.2, 0.4] })
    const [q, ...ps] = (await embedAll([query, ...passages])) as [Embedding, ...Embedding[]]
    expect(json.passages.map(({ scores }: { scores: object }) => scores)).toEqual(
      ps.map((p) => computeScore(q, p, { weights: [0.4, 0.2, 0.4] })),
    )
    expect(json.passages[4].scores).toMatchObject({
      dense: expect.closeTo(1, 5),
      colbert: expect.closeTo(1, 5),
    })
    expect(Object.keys(json.query)).toEqual(['tokenCount', 'truncated'])
  })

  it('aligns tokens: their mean is the ColBERT score', async () => {
    const asked = { query, passages, alignment: true, tokens: true, matrix: true }
    const json = (await served.post('/similarity', asked)).json as FullSimilarity
    const [first, ...rest] = (await embedAll([query, ...passages])) as [Full, ...Full[]]
    expect(json.query.tokens).toHaveLength(json.query.tokenCount)
    expect(json.passages).toHaveLength(rest.length)
    for (const [i, { alignment, tokens, scores, sparse, tokenCount }] of json.passages.entries()) {
      const passage = rest[i] as Full
      expect(tokens).toHaveLength(tokenCount)
      expect(alignment).toHaveLength(json.query.tokenCount - 1)
      expect(sparse.map(({ index }) => index)).toEqual(Array.from(passage.sparse.indices))
      const mean = alignment.reduce((sum, { similarity }) => sum + similarity, 0) / alignment.length
      expect(mean).toBeCloseTo(scores.colbert as number, 5)
      expect(scores.colbert).toBe(colbertScore(first.colbert, passage.colbert))
      for (const match of alignment) {
        const row = ({ colbert }: Full, token: number) =>
          colbert.data.subarray((token - 1) * 64, token * 64)
        const similarities = Array.from({ length: tokenCount - 1 }, (_, j) =>
          cosine(row(first, match.query), row(passage, j + 1)),
        )
        expect(match.similarity).toBeCloseTo(Math.max(...similarities), 4)
        expect(similarities[match.passage - 1]).toBeCloseTo(match.similarity, 4)
      }
    }
    // a text answers itself token by token
    for (const match of json.passages.at(-1)?.alignment ?? []) {
      expect(match.similarity).toBeCloseTo(1, 4)
    }
    expect(json.matrix).toHaveLength(6)
    const all = [first, ...rest]
    for (const [i, row] of json.matrix.entries()) {
      for (const [j, value] of row.entries()) {
        expect(value).toBeCloseTo(cosine((all[i] as Full).dense, (all[j] as Full).dense), 5)
      }
    }
  })

  it('refuses weights that say nothing', async () => {
    const { status, json } = await served.post('/similarity', {
      query,
      passages,
      weights: [0, 0, 0],
    })
    expect(status).toBe(400)
    expect(json.error.message).toContain('weights')
  })
})

describe('operation', () => {
  it('tells how it is', async () => {
    expect((await served.get('/health')).json).toEqual({ status: 'ok' })
    expect((await served.get('/ready')).json).toEqual({ status: 'ready' })
    const inputs = Array.from({ length: 11 }, (_, i) => `text ${i}`)
    expect((await served.post('/embed', { inputs })).status).toBe(200)
    const { json } = await served.get('/stats')
    expect(json).toMatchObject({
      state: 'ready',
      model: { dimensions: 64, outputs: ALL },
      queue: { running: 0, waiting: 0, concurrency: 64, capacity: 512 },
    })
    expect(json.totals.texts).toBeGreaterThan(10)
    expect(json.throughput.textsPerSecond).toBeGreaterThan(0)
    expect(json.memory.rss).toBeGreaterThan(1e7)
    expect(json.latency.p99Ms).toBeGreaterThanOrEqual(json.latency.p50Ms)
  })

  it('describes itself: every endpoint is in the OpenAPI document', async () => {
    const { json } = await served.get('/openapi.json')
    expect(json.openapi).toMatch(/^3\./)
    expect(Object.keys(json.paths).sort()).toEqual(
      [
        '/api/embed',
        '/api/embeddings',
        '/api/show',
        '/api/tags',
        '/api/version',
        '/decode',
        '/detokenize',
        '/embed',
        '/embed_all',
        '/v1/embed_all',
        '/embed_sparse',
        '/health',
        '/info',
        '/metrics',
        '/predict',
        '/ready',
        '/rerank',
        '/similarity',
        '/stats',
        '/tokenize',
        '/v1/embeddings',
        '/v1/models',
        '/v1/models/{model}',
        '/v1/rerank',
        '/v1/tokenize',
        '/v2/rerank',
      ].sort(),
    )
    const docs = await served.get('/docs/')
    expect(docs.status).toBe(200)
    expect(docs.text).toContain('swagger-ui')
    // the page loads nothing from elsewhere
    for (const [, target] of docs.text.matchAll(/(?:src|href)="([^"]+)"/g))
      expect(target).toMatch(/^[./]/)
    const script = await served.get('/docs/static/swagger-initializer.js')
    expect(script.text).toContain('"validatorUrl":null')
  })
})
