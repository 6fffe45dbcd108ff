/**
 * LangChain.js: `bge-m3-node/langchain`. Fits wherever an `EmbeddingsInterface` is asked for (vector
 * stores, retrievers, caches). Needs nothing of LangChain at run time.
 */

import type { EmbeddingsInterface } from '@langchain/core/embeddings'
import type { Embedder } from '../../embedder/embedder.js'
import { type AdapterOptions, checkAdapter, denseVector, denseVectors } from './vectors.js'

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
