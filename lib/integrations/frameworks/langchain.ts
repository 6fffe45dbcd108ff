/**
 * LangChain.js: `bge-m3-node/langchain`. Fits wherever an `EmbeddingsInterface` is asked for (vector
 * stores, retrievers, caches). Needs nothing of LangChain at run time.
 */

import type { DocumentInterface } from '@langchain/core/documents'
import type { EmbeddingsInterface } from '@langchain/core/embeddings'
import type { BaseDocumentCompressor } from '@langchain/core/retrievers/document_compressors'
import { checkList } from '../../common/given.js'
import type { Embedder } from '../../embedder/embedder.js'
import { checkRanker, type DocumentRanker, type RerankAdapterOptions, rankTexts } from './rerank.js'
import { type AdapterOptions, checkAdapter, denseVector, denseVectors } from './vectors.js'

export type { DocumentRanker, RerankAdapterOptions } from './rerank.js'
export type { AdapterOptions } from './vectors.js'

/** An `EmbeddingsInterface` over an embedder: dense vectors of length 1, as plain arrays. */
export class BgeM3Embeddings implements EmbeddingsInterface {
  readonly #embedder: Embedder
  readonly #options: AdapterOptions

  /** @param embedder stays the caller's: dispose it yourself */
  constructor(embedder: Embedder, options: AdapterOptions = {}) {
    checkAdapter(embedder, options, 'BgeM3Embeddings')
    this.#embedder = embedder
    this.#options = options
  }

  /** A dense vector a text, in input order. @throws BatchError naming each text that could not be embedded */
  async embedDocuments(documents: string[]): Promise<number[][]> {
    return (await denseVectors(this.#embedder, documents, this.#options, { side: 'passage' }))
      .vectors
  }

  /** Goes before documents that are being embedded. With the model's prompt for queries; bge-m3 has none. */
  embedQuery(document: string): Promise<number[]> {
    return denseVector(this.#embedder, document, this.#options, 'query')
  }
}

/**
 * A document compressor, for a `ContextualCompressionRetriever`: documents in the order of a re-ranker, or of
 * an embedder's own outputs. `metadata.relevanceScore` is the relevance, 0 to 1, or the outputs' score.
 */
export class BgeM3DocumentCompressor<Ranker extends DocumentRanker = DocumentRanker>
  implements BaseDocumentCompressor
{
  readonly #ranker: Ranker
  readonly #options: RerankAdapterOptions<Ranker>

  /** @param ranker stays the caller's: dispose it yourself */
  constructor(
    ranker: Ranker,
    options: RerankAdapterOptions<Ranker> = {} as RerankAdapterOptions<Ranker>,
  ) {
    checkRanker(ranker, options, 'BgeM3DocumentCompressor')
    this.#ranker = ranker
    this.#options = options
  }

  /** The same documents, or the best `topN`; those that were passed in stay as they are. */
  async compressDocuments(
    documents: DocumentInterface[],
    query: string,
  ): Promise<DocumentInterface[]> {
    checkList(documents, 'The documents')
    const texts = documents.map((document) => Object(document).pageContent)
    const ranking = await rankTexts(this.#ranker, query, texts, this.#options)
    return ranking.map(({ index, relevance }) => {
      const document = documents[index] as DocumentInterface
      const copy = Object.create(Object.getPrototypeOf(document)) as DocumentInterface
      const metadata = { ...document.metadata, relevanceScore: relevance }
      return Object.assign(copy, document, { metadata })
    })
  }
}
