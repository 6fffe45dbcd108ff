import { MemoryVectorStore } from '@langchain/classic/vectorstores/memory'
import { Document } from '@langchain/core/documents'
import type { Embeddings } from '@langchain/core/embeddings'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { BgeM3Embeddings } from '../../../lib/integrations/frameworks/langchain.js'
import { tinyPath } from '../../helpers/standins.js'
import { paragraphs } from '../../helpers/texts.js'

let embedder: Embedder
beforeAll(async () => {
  embedder = await Embedder.load({ model: await tinyPath(), cache: false })
})
afterAll(() => embedder.dispose())

it('finds through a vector store what plain embeddings find', async () => {
  const texts = paragraphs('de')
    .slice(0, 30)
    .map(({ text }) => text)
  const store = new MemoryVectorStore(new BgeM3Embeddings(embedder) as unknown as Embeddings)
  await store.addDocuments(texts.map((text, i) => new Document({ pageContent: text, id: `${i}` })))
  const query = paragraphs('en')[3]?.text as string
  const found = await store.similaritySearchWithScore(query, 5)

  const vectors = await embedder.embed([query, ...texts])
  const [asked, ...rest] = vectors.map(({ dense }) => dense as Float32Array)
  const expected = rest
    .map((vector, i) => ({
      i,
      score: vector.reduce((sum, v, k) => sum + v * (asked?.[k] ?? 0), 0),
    }))
    .sort((a, b) => b.score - a.score)
    .slice(0, 5)
  expect(found.map(([{ id }]) => id)).toEqual(expected.map(({ i }) => `${i}`))
  found.forEach(([, score], k) => {
    expect(score).toBeCloseTo(expected[k]?.score as number, 5)
  })
})

it('gives plain arrays, the same bits as the embedder', async () => {
  const embeddings = new BgeM3Embeddings(embedder, { dimensions: 32 })
  const [document] = await embeddings.embedDocuments(['', 'a text'].slice(1))
  const { dense } = await embedder.embed('a text', { dimensions: 32 })
  expect(Array.isArray(document)).toBe(true)
  expect(document).toEqual(Array.from(dense as Float32Array))
  expect(await embeddings.embedQuery('a text')).toEqual(document)
  expect(await embeddings.embedDocuments([])).toEqual([])
})

it('names the text that is too long, and cuts it when told to', async () => {
  const long = 'word '.repeat(9000)
  const strict = new BgeM3Embeddings(embedder)
  await expect(strict.embedDocuments(['short', long])).rejects.toMatchObject({
    code: 'BATCH',
    failures: [{ index: 1 }],
  })
  await expect(strict.embedQuery(long)).rejects.toMatchObject({ code: 'INPUT_TOO_LONG' })
  const lenient = new BgeM3Embeddings(embedder, { truncate: 'end', maxTokens: 64 })
  expect(await lenient.embedDocuments([long])).toHaveLength(1)
})
