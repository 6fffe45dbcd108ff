/** Re-ranking through the real frameworks: what they give is what `rerank` gives, for both kinds of ranker. */
import { ContextualCompressionRetriever } from '@langchain/classic/retrievers/contextual_compression'
import { MemoryVectorStore } from '@langchain/classic/vectorstores/memory'
import { Document } from '@langchain/core/documents'
import { embed, rerank } from 'ai'
import { embed as embed6, rerank as rerank6 } from 'ai6'
import {
  Document as LlamaDocument,
  RetrieverQueryEngine,
  Settings,
  VectorStoreIndex,
} from 'llamaindex'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { Reranker } from '../../../lib/embedder/reranker.js'
import { embeddingModel, rerankingModel } from '../../../lib/integrations/frameworks/ai-sdk.js'
import {
  BgeM3DocumentCompressor,
  BgeM3Embeddings,
} from '../../../lib/integrations/frameworks/langchain.js'
import {
  llamaIndexEmbedding,
  llamaIndexPostprocessor,
} from '../../../lib/integrations/frameworks/llamaindex.js'
import type { DocumentRanker } from '../../../lib/integrations/frameworks/rerank.js'
import { standinPath, tinyPath } from '../../helpers/standins.js'
import { paragraphs } from '../../helpers/texts.js'

let embedder: Embedder
let reranker: Reranker
beforeAll(async () => {
  embedder = await Embedder.load({ model: await tinyPath(), cache: false })
  const model = await standinPath({ size: 'tiny', arch: 'bge-reranker', vocabSize: 8000 })
  reranker = await Reranker.load({ model })
})
afterAll(async () => {
  await embedder.dispose()
  await reranker.dispose()
})

// short enough for every framework to leave them whole
const documents = paragraphs('en')
  .slice(0, 12)
  .map(({ text }) => text.slice(0, 300).trim())
const query = 'Who won the game, and where was it played?'

interface Place {
  index: number
  score: number
}

const kinds: [string, () => { ranker: DocumentRanker; expected: () => Promise<Place[]> }][] = [
  [
    'a Reranker',
    () => ({
      ranker: reranker,
      expected: async () =>
        (await reranker.rerank(query, documents)).map(({ index, relevance }) => ({
          index,
          score: relevance,
        })),
    }),
  ],
  ['an Embedder', () => ({ ranker: embedder, expected: () => embedder.rerank(query, documents) })],
]

describe.each(kinds)('%s', (_name, kind) => {
  it.each([
    ['ai 7', rerank, embed],
    ['ai 6', rerank6, embed6],
  ] as const)('re-ranks for %s, and nobody warns', async (_version, call, embedCall) => {
    const { ranker, expected } = kind()
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => {})
    const told = vi.spyOn(console, 'info').mockImplementation(() => {})
    try {
      const { ranking } = await (call as typeof rerank)({
        model: rerankingModel(ranker),
        documents,
        query,
        topN: 5,
      })
      const places = ranking.map(({ originalIndex, score }) => ({ index: originalIndex, score }))
      expect(places).toEqual((await expected()).slice(0, 5))
      expect(ranking.map(({ document }) => document)).toEqual(
        places.map(({ index }) => documents[index]),
      )
      await (embedCall as typeof embed)({ model: embeddingModel(embedder), value: 'a' })
      expect([warned.mock.calls, told.mock.calls]).toEqual([[], []])
    } finally {
      warned.mockRestore()
      told.mockRestore()
    }
  })

  it('compresses what a LangChain retriever found', async () => {
    const { ranker, expected } = kind()
    const store = await MemoryVectorStore.fromDocuments(
      documents.map((pageContent, i) => new Document({ pageContent, metadata: { i }, id: `${i}` })),
      new BgeM3Embeddings(embedder),
    )
    const retriever = new ContextualCompressionRetriever({
      baseRetriever: store.asRetriever({ k: documents.length }),
      baseCompressor: new BgeM3DocumentCompressor(ranker, { topN: 4 }),
    })
    const found = await retriever.invoke(query)
    expect(
      found.map(({ metadata }) => ({ index: metadata.i, score: metadata.relevanceScore })),
    ).toEqual((await expected()).slice(0, 4))
    expect(found[0]).toBeInstanceOf(Document)
    // those that are kept in the store are as they were
    for (const { metadata } of await store.similaritySearch(query, 12)) {
      expect(metadata).not.toHaveProperty('relevanceScore')
    }
  })

  it('postprocesses the nodes of a LlamaIndex query engine', async () => {
    const { ranker, expected } = kind()
    Settings.embedModel = await llamaIndexEmbedding(embedder)
    const index = await VectorStoreIndex.fromDocuments(
      documents.map((text, i) => new LlamaDocument({ text, id_: `${i}` })),
    )
    const engine = new RetrieverQueryEngine(
      index.asRetriever({ similarityTopK: documents.length }),
      // nothing is synthesized
      {} as never,
      [llamaIndexPostprocessor(ranker, { topN: 4 })],
    )
    const nodes = await engine.retrieve(query)
    const places = nodes.map(({ node, score }) => ({
      index: documents.indexOf((node as unknown as { text: string }).text),
      score,
    }))
    expect(places).toEqual((await expected()).slice(0, 4))
  })

  it('gives nothing of nothing, hands on errors, and stops on an abort', async () => {
    const { ranker } = kind()
    const model = rerankingModel(ranker)
    const ask = (values: string[], abortSignal?: AbortSignal) =>
      model.doRerank({ query, documents: { type: 'text', values }, abortSignal })
    expect(await ask([])).toEqual({ ranking: [], warnings: [] })
    expect(await new BgeM3DocumentCompressor(ranker).compressDocuments([], query)).toEqual([])
    await expect(ask(['fine', 'word '.repeat(9000)])).rejects.toMatchObject({ code: 'BATCH' })
    await expect(ask(documents, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
    await expect(llamaIndexPostprocessor(ranker).postprocessNodes([])).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })

  it('takes objects as their JSON', async () => {
    const { ranker } = kind()
    const objects = documents.slice(0, 3).map((text) => ({ text, n: 1 }))
    const { ranking } = await rerank({ model: rerankingModel(ranker), documents: objects, query })
    const plain = await ranker.rerank(
      query,
      objects.map((object) => JSON.stringify(object)),
    )
    expect(ranking.map(({ originalIndex }) => originalIndex)).toEqual(
      plain.map(({ index }) => index),
    )
  })
})

it('refuses what cannot re-rank, and options that there are not', async () => {
  expect(() => rerankingModel({} as never)).toThrow(/Reranker\.load or Embedder\.load/)
  expect(() => new BgeM3DocumentCompressor(reranker, { topK: 3 } as never)).toThrow(/topN/)
  const wrong = new BgeM3DocumentCompressor(reranker, { by: 'dense' } as never)
  await expect(
    wrong.compressDocuments([new Document({ pageContent: 'a' })], 'b'),
  ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
})
