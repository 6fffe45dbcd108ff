/** What every adapter does: text in, plain arrays out, for frameworks that know nothing of typed ones. */

import type { AbortSignalLike } from '../../common/abort.js'
import type { EmbedOptions } from '../../common/types.js'
import type { Embedder } from '../../embedder/embedder.js'

/** How an adapter embeds. What is not said follows the embedder's own defaults. */
export interface AdapterOptions {
  /** A text over the limit is an error (default), or loses its end. */
  truncate?: 'error' | 'end'
  /** A lower limit than the embedder's own. */
  maxTokens?: number
  /** Cut dense vectors to so many dimensions, then normalise. */
  dimensions?: number
  /** Of documents; a query is always interactive. Default: bulk for documents. */
  priority?: 'interactive' | 'bulk'
  /** Milliseconds, or text such as `30s`, for one call. */
  timeout?: number | string
}

export interface DenseVectors {
  /** In input order. */
  vectors: number[][]
  /** Of all texts, `<s>` and `</s>` included. */
  tokens: number
}

/** Dense vectors of length 1. */
export async function denseVectors(
  embedder: Embedder,
  texts: readonly string[],
  options: AdapterOptions,
  signal?: AbortSignalLike,
): Promise<DenseVectors> {
  const results = await embedder.embed([...texts], callOptions(options, signal))
  return {
    // outputs are dense alone, so there is one
    vectors: results.map(({ dense }) => Array.from(dense as Float32Array)),
    tokens: results.reduce((sum, { tokenCount }) => sum + tokenCount, 0),
  }
}

export async function denseVector(
  embedder: Embedder,
  text: string,
  options: AdapterOptions,
): Promise<number[]> {
  const { dense } = await embedder.embed(text, callOptions({ ...options, priority: 'interactive' }))
  return Array.from(dense as Float32Array)
}

export interface SparseVector {
  /** Ascending token ids. */
  indices: number[]
  values: number[]
}

/** Lexical weights: a text without words has none, so both arrays may be empty. */
export async function sparseVectors(
  embedder: Embedder,
  texts: readonly string[],
  options: AdapterOptions,
): Promise<SparseVector[]> {
  const { dimensions: _, ...rest } = options
  const results = await embedder.embed([...texts], {
    ...callOptions(rest),
    outputs: { dense: false, sparse: true },
  })
  return results.map(({ sparse }) => ({
    indices: Array.from(sparse?.indices ?? []),
    values: Array.from(sparse?.values ?? []),
  }))
}

/** What an adapter's options mean for a call; what is not set is left to the embedder's defaults. */
function callOptions(
  { priority = 'bulk', ...options }: AdapterOptions,
  signal?: AbortSignalLike,
): Omit<EmbedOptions, 'precision' | 'onError' | 'outputs'> {
  return { ...options, priority, ...(signal ? { signal } : {}) }
}
