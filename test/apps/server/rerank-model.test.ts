/** A cross-encoder behind the server, held to the logits of FlagReranker and CrossEncoder: see test/fixtures/rerank. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder, Reranker } from '../../../lib/index.js'
import { type GoldenPair, golden, rerankerPath } from '../../helpers/rerank-checkpoint.js'
import { tinyPath } from '../../helpers/standins.js'
import { type TestServer, testServer } from './helper.js'

/** Of float32 weights, as test/embedder/rerank/golden.test.ts has it. */
const DIGITS = 4

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x))

describe.each(['xlmr', 'bert'] as const)('a cross-encoder of %s', (family) => {
  let embedder: Embedder
  let served: TestServer
  let pairs: GoldenPair[]
  beforeAll(async () => {
    embedder = await Embedder.load({ model: await tinyPath() })
    const rerankModel = await rerankerPath(`${family}-tiny`)
    served = await testServer({ embedder, rerankModel })
    // what both rules of cutting leave whole
    const all = (await golden(family)).developers
    pairs = all.filter(({ ids, tiny, ce }) => ids.length < 512 && tiny.score === tiny.ce && !ce.ids)
    expect(pairs.length).toBeGreaterThan(9)
  })
  afterAll(async () => {
    await served.close()
    await embedder.dispose()
  })

  it("answers TEI's /rerank with the sigmoids of the logits, or the logits", async () => {
    for (const { query, document, tiny } of pairs) {
      const raw = await served.post('/rerank', { query, texts: [document], raw_scores: true })
      expect(raw.json).toEqual([{ index: 0, score: expect.closeTo(tiny.score, DIGITS) }])
      const { json } = await served.post('/rerank', { query, texts: [document], return_text: true })
      expect(json[0].score).toBe(sigmoid(raw.json[0].score))
      expect(json[0].text).toBe(document)
    }
  })

  it('puts texts in order, each with the bits that it has alone', async () => {
    const { query } = pairs[0] as GoldenPair
    const texts = pairs.map(({ document }) => document)
    const { json } = await served.post('/rerank', { query, texts, raw_scores: true })
    const scores = json.map(({ score }: { score: number }) => score)
    expect(scores).toEqual([...scores].sort((a, b) => b - a))
    expect(new Set(json.map(({ index }: { index: number }) => index)).size).toBe(texts.length)
    const { index, score } = json[1]
    const alone = await served.post('/rerank', { query, texts: [texts[index]], raw_scores: true })
    expect(alone.json[0].score).toBe(score)
  })

  it('answers Jina and Cohere with relevance, llama-server with logits', async () => {
    const { query } = pairs[1] as GoldenPair
    const documents = pairs.map(({ document }) => document)
    const raw = await served.post('/rerank', { query, texts: documents, raw_scores: true })
    const logits = raw.json.map(({ index, score }: { index: number; score: number }) => ({
      index,
      relevance_score: score,
    }))
    const relevance = logits.map(({ index, relevance_score: score }: (typeof logits)[0]) => ({
      index,
      relevance_score: sigmoid(score),
    }))
    for (const path of ['/rerank', '/v1/rerank', '/v2/rerank']) {
      const { json } = await served.post(path, { query, documents, model: 'any' })
      expect(json.results).toEqual(relevance)
      expect(json.model).toBe(`${family}-tiny`)
      const asked = await served.post(path, { query, documents, raw_scores: true, top_n: 2 })
      expect(asked.json.results).toEqual(logits.slice(0, 2))
    }
    for (const path of ['/reranking', '/v1/reranking']) {
      const { json } = await served.post(path, { query, documents })
      expect(json.results).toEqual(logits)
    }
    const usage = (await served.post('/v1/rerank', { query, documents: documents.slice(0, 1) }))
      .json
    const [first] = pairs.filter((pair) => pair.query === query && pair.document === documents[0])
    if (first) expect(usage.usage.total_tokens).toBe(first.ids.length)
  })

  it("counts the tokens that Hugging Face's tokenizer makes", async () => {
    for (const { query, document, ids } of pairs) {
      const { json } = await served.post('/v1/rerank', { query, documents: [document] })
      expect(json.usage.total_tokens).toBe(ids.length)
    }
  })

  it("answers TEI's /predict for a pair, a text and a batch of both", async () => {
    for (const { query, document, tiny } of pairs) {
      const { json } = await served.post('/predict', {
        inputs: [query, document],
        raw_scores: true,
      })
      expect(json).toEqual([{ score: expect.closeTo(tiny.score, DIGITS), label: 'LABEL_0' }])
    }
    const { query, document } = pairs[2] as GoldenPair
    const inputs = [[query, document], [document], [query, document]]
    const batch = (await served.post('/predict', { inputs, raw_scores: true })).json
    expect(batch).toHaveLength(3)
    expect(batch[2]).toEqual(batch[0])
    const alone = await served.post('/predict', { inputs: document, raw_scores: true })
    expect(alone.json).toEqual(batch[1])
    expect(alone.json).not.toEqual(batch[0])
    expect((await served.post('/predict', { inputs: [document], raw_scores: true })).json).toEqual(
      alone.json,
    )
    const { json } = await served.post('/predict', { inputs: document })
    expect(json[0].score).toBe(sigmoid(alone.json[0].score))
  })

  it('refuses what is too long and what is no input, and cuts where it is asked to', async () => {
    const long = 'word '.repeat(9000)
    const tei = await served.post('/rerank', { query: 'a', texts: ['b', long] })
    expect(tei.status).toBe(413)
    expect(tei.json).toMatchObject({ error_type: 'Validation' })
    expect(tei.json.error).toContain('Send "truncate": true')
    const jina = await served.post('/v1/rerank', { query: 'a', documents: ['b', long] })
    expect(jina.json.error).toMatchObject({
      code: 'context_length_exceeded',
      param: 'documents[1]',
    })
    const query = await served.post('/v1/rerank', { query: long, documents: ['b'] })
    expect(query.json.error).toMatchObject({ code: 'context_length_exceeded', param: 'query' })
    for (const body of [
      { query: 'a', texts: ['b', long] },
      { query: long, texts: ['b'] },
    ]) {
      const { status } = await served.post('/rerank', { ...body, truncate: true })
      expect(status).toBe(200)
    }
    const predict = await served.post('/predict', { inputs: [['a', 'b'], [long]] })
    expect([predict.status, predict.json.error_type]).toEqual([413, 'Validation'])
    expect((await served.post('/predict', { inputs: [[long]], truncate: true })).status).toBe(200)
    for (const inputs of [[], [[]], ['a', 'b', 'c'], [['a', 'b', 'c']], 3, [['a'], 'b'], null]) {
      const { status } = await served.post('/predict', { inputs })
      expect([inputs, status]).toEqual([inputs, 422])
    }
    const lone = await served.call('POST', '/predict', { body: '{"inputs":[["a","\\ud800"]]}' })
    expect(lone.status).toBe(422)
  })

  it('is told of by /info, /v1/models, /stats and /metrics', async () => {
    const info = (await served.get('/info')).json
    expect(info.model_type.embedding).toBeDefined()
    expect(info.reranker).toMatchObject({
      model_id: `${family}-tiny`,
      model_type: { reranker: { id2label: { 0: 'LABEL_0' } } },
    })
    const { data } = (await served.get('/v1/models')).json
    expect(data.map(({ id }: { id: string }) => id)).toEqual([embedder.info.name, `${family}-tiny`])
    const before = (await served.get('/stats')).json
    await served.post('/rerank', { query: 'a', texts: ['b', 'c', 'd'] })
    const after = (await served.get('/stats')).json
    expect(after.reranker.pairs - before.reranker.pairs).toBe(3)
    expect(after.memory.weights).toBeGreaterThan(embedder.stats().memory.weights)
    const metrics = (await served.get('/metrics')).text
    expect(metrics).toMatch(
      new RegExp(`^bge_m3_reranker_pairs_total ${after.reranker.pairs}$`, 'm'),
    )
  })
})

describe('limits are those of the embedder', () => {
  it('items, tokens, places and time', async () => {
    const embedder = await Embedder.load({ model: await tinyPath() })
    const reranker = await Reranker.load({ model: await rerankerPath('xlmr-tiny') })
    const options = { embedder, reranker, maxItems: 3, maxRequestTokens: 1000 }
    const served = await testServer(options)
    try {
      const texts = ['a', 'b', 'c', 'd']
      const many = await served.post('/rerank', { query: 'q', texts })
      expect([many.status, many.json.error_type]).toEqual([413, 'Validation'])
      // the query is read with each document
      const query = 'word '.repeat(400)
      const tokens = await served.post('/v1/rerank', { query, documents: ['a', 'b', 'c'] })
      expect(tokens.json.error).toMatchObject({ code: 'too_many_tokens', param: 'documents' })
      expect((await served.post('/v1/rerank', { query, documents: ['a', 'b'] })).status).toBe(200)
    } finally {
      await served.close()
    }
    const hasty = await testServer({ embedder, reranker, requestTimeout: 1 })
    try {
      const late = await hasty.post('/rerank', {
        query: 'q',
        texts: Array(40).fill('word '.repeat(400)),
      })
      expect(late.status).toBe(504)
      expect(hasty.server.context.gate.readings.places).toBe(0)
    } finally {
      await hasty.close()
    }
    // it stays its owner's
    expect(await reranker.rerank('a', ['b'])).toHaveLength(1)
    await Promise.all([embedder.dispose(), reranker.dispose()])
  })

  it('a model that is no re-ranker ends the start, and what is no Reranker is refused', async () => {
    const embedder = await Embedder.load({ model: await tinyPath() })
    try {
      const rerankModel = await tinyPath()
      await expect(testServer({ embedder, rerankModel })).rejects.toThrow('is no re-ranker')
      const reranker = { rerank: 1 } as never
      await expect(testServer({ embedder, reranker })).rejects.toThrow('what Reranker.load gives')
    } finally {
      await embedder.dispose()
    }
  })
})
