import { Document, Settings, VectorStoreIndex } from 'llamaindex'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { llamaIndexEmbedding } from '../../../lib/integrations/frameworks/llamaindex.js'
import { tinyPath } from '../../helpers/standins.js'
import { paragraphs } from '../../helpers/texts.js'

let embedder: Embedder
beforeAll(async () => {
  embedder = await Embedder.load({ model: await tinyPath(), cache: false })
})
afterAll(() => embedder.dispose())

it('retrieves through an index what plain embeddings find', async () => {
  Settings.embedModel = await llamaIndexEmbedding(embedder)
  // short enough for LlamaIndex to leave them whole
  const texts = paragraphs('en')
    .slice(0, 20)
    .map(({ text }) => text.slice(0, 300))
  const documents = texts.map((text, i) => new Document({ text, id_: `${i}` }))
  const index = await VectorStoreIndex.fromDocuments(documents)
  const query = paragraphs('en')[25]?.text.slice(0, 200) as string
  const nodes = await index.asRetriever({ similarityTopK: 3 }).retrieve({ query })

  // what LlamaIndex embeds of a node is its text with its metadata, of which there is none
  const found = nodes.map(({ node, score }) => ({
    text: (node as unknown as { text: string }).text,
    score,
  }))
  const results = await embedder.embed([query, ...texts])
  const [asked, ...rest] = results.map(({ dense }) => dense as Float32Array)
  const expected = rest
    .map((vector, i) => ({
      text: texts[i],
      score: vector.reduce((sum, v, k) => sum + v * (asked?.[k] ?? 0), 0),
    }))
    .sort((a, b) => b.score - a.score)
    .slice(0, 3)
  expect(found.map(({ text }) => text)).toEqual(expected.map(({ text }) => text))
  found.forEach(({ score }, k) => {
    expect(score).toBeCloseTo(expected[k]?.score as number, 5)
  })
})

it('embeds batches whole, and leaves long texts to the embedder', async () => {
  const model = await llamaIndexEmbedding(embedder)
  const texts = Array.from({ length: 300 }, (_, i) => `text ${i}`)
  const vectors = await model.getTextEmbeddingsBatch(texts)
  const plain = await embedder.embed(texts)
  expect(vectors).toEqual(plain.map(({ dense }) => Array.from(dense as Float32Array)))
  await expect(model.getTextEmbeddingsBatch(['word '.repeat(9000)])).rejects.toMatchObject({
    code: 'BATCH',
  })
  const cutting = await llamaIndexEmbedding(embedder, { truncate: 'end', maxTokens: 32 })
  expect(await cutting.getTextEmbedding('word '.repeat(9000))).toHaveLength(64)
})
