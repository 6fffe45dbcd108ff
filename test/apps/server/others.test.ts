/** Clients of Ollama and llama-server, and the rerank forms of Jina and Cohere. */
import { Ollama } from 'ollama'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
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

const dense = async (text: string, options = {}) =>
  (await embedder.embed(text, options)).dense as Float32Array
const floats = (rows: number[][]) => rows.map((row) => Float32Array.from(row))

describe("Ollama's own client", () => {
  const client = () => new Ollama({ host: served.url })

  it('embeds texts, cut where they are too long', async () => {
    const long = 'word '.repeat(9000)
    const { embeddings, prompt_eval_count, total_duration, model } = await client().embed({
      model: 'bge-m3',
      input: ['Hallo', long],
    })
    expect(floats(embeddings)).toEqual([
      await dense('Hallo'),
      await dense(long, { truncate: 'end' }),
    ])
    expect(prompt_eval_count).toBeGreaterThan(8192)
    expect(total_duration).toBeGreaterThan(0)
    expect(model).toBe(embedder.info.name)
    const one = await client().embed({ model: 'bge-m3', input: 'Hallo', dimensions: 16 })
    expect(floats(one.embeddings)).toEqual([await dense('Hallo', { dimensions: 16 })])
    await expect(client().embed({ model: 'bge-m3', input: long, truncate: false })).rejects.toThrow(
      'maximum context length is 8192',
    )
  })

  it('embeds a prompt, as it did before', async () => {
    const { embedding } = await client().embeddings({ model: 'any', prompt: 'Hallo' })
    expect(Float32Array.from(embedding)).toEqual(await dense('Hallo'))
  })

  it('lists and shows the model', async () => {
    const { models } = await client().list()
    expect(models).toMatchObject([{ name: embedder.info.name, details: { format: 'gguf' } }])
    const shown = await client().show({ model: 'any' })
    expect(shown.capabilities).toEqual(['embedding'])
    expect(shown.model_info).toMatchObject({
      'general.architecture': embedder.info.architecture,
      [`${embedder.info.architecture}.embedding_length`]: 64,
    })
    expect((await client().version()).version).toMatch(/^\d+\.\d+\.\d+$/)
  })
})

describe('llama-server', () => {
  it('tokenizes and detokenizes', async () => {
    const content = 'Hello wörld'
    const ids = Array.from((await embedder.tokenize(content)).ids)
    expect((await served.post('/tokenize', { content })).json).toEqual({
      tokens: ids.slice(1, -1),
    })
    const all = await served.post('/tokenize', { content, add_special: true, with_pieces: true })
    expect(all.json.tokens.map(({ id }: { id: number }) => id)).toEqual(ids)
    expect(all.json.tokens[1].piece).toBe('▁Hello')
    expect((await served.post('/detokenize', { tokens: ids })).json).toEqual({ content })
  })
})

describe('our own /v1/tokenize', () => {
  it('has pieces, and places in UTF-16 units', async () => {
    const text = 'a 😀 word'
    const { json } = await served.post('/v1/tokenize', { inputs: [text] })
    expect(json.model).toBe(embedder.info.name)
    for (const { start, end, text: piece } of json.tokens[0]) {
      if (start !== undefined) expect(text.slice(start, end)).toBe(piece.trim())
    }
    expect(json.tokens[0].at(-2).end).toBe(text.length)
  })
})

describe('rerank by documents', () => {
  const query = 'Which river flows through Warsaw?'
  const documents = [...mixedTexts(5), query]

  it('orders as TEI does, the best of them if asked for', async () => {
    const tei = await served.post('/rerank', { query, texts: documents, raw_scores: true })
    const expected = tei.json.map(({ index, score }: { index: number; score: number }) => ({
      index,
      relevance_score: score,
    }))
    for (const path of ['/rerank', '/v1/rerank', '/v2/rerank', '/reranking', '/v1/reranking']) {
      const { json, status } = await served.post(path, { model: 'any', query, documents })
      expect(status).toBe(200)
      expect(json.results).toEqual(expected)
      expect(json.usage.total_tokens).toBeGreaterThan(20)
    }
    const body = {
      query,
      documents: documents.map((text) => ({ text })),
      top_n: 2,
      return_documents: true,
    }
    const { json } = await served.post('/v1/rerank', body)
    expect(json.results).toHaveLength(2)
    expect(json.results[0]).toMatchObject({ index: 5, document: { text: query } })
    const cohere = await served.post('/v2/rerank', { query, documents, max_tokens_per_doc: 9 })
    expect(cohere.json.meta.api_version).toEqual({ version: '2' })
    expect(cohere.json.warnings).toHaveLength(1)
  })

  it('needs documents, and names one that is too long', async () => {
    const none = await served.post('/v1/rerank', { query })
    expect(none.json.error).toMatchObject({ code: 'missing_field' })
    const long = await served.post('/v1/rerank', { query, documents: ['a', 'word '.repeat(9000)] })
    expect(long.status).toBe(400)
    expect(long.json.error).toMatchObject({ param: 'documents[1]' })
  })
})
