/** What every adapter does: text in, plain arrays out, for frameworks that know nothing of typed ones. */

import type { AbortSignalLike } from '../../common/abort.js'
import { checkEmbedder, checkList, namesOf, refuseUnknown } from '../../common/given.js'
import type { Embedding, EmbedOptions } from '../../common/types.js'
import type { Embedder } from '../../embedder/embedder.js'
import { COMPARABLE, fallbackError } from '../store.js'

/** How an adapter embeds. */
export interface AdapterOptions {
  /** A text over the limit is an error (default), or loses its end. */
  truncate?: 'error' | 'end'
  /** A lower limit than the embedder's own. */
  maxTokens?: number
  /** Cut dense vectors to so many dimensions, then normalise. */
  dimensions?: number
  /** Priority of documents; a query is always interactive. Default: bulk for documents. */
  priority?: 'interactive' | 'bulk'
  /** Milliseconds, or text such as `30s`, for one call. */
  timeout?: number | string
}

export interface DenseVectors {
  /** In input order. */
  vectors: number[][]
  /** Tokens of all texts, `<s>` and `</s>` included. */
  tokens: number
}

const NAMES = namesOf<AdapterOptions>({
  truncate: 1,
  maxTokens: 1,
  dimensions: 1,
  priority: 1,
  timeout: 1,
})

/** @throws InvalidInputError for what is no embedder, and for an option that no adapter has */
export function checkAdapter(embedder: unknown, options: AdapterOptions, of: string): void {
  checkEmbedder(embedder, 'embed')
  refuseUnknown(options, NAMES, of)
}

/** Which side of retrieval a text is on: models that tell them apart have a prompt for each. */
export type Side = 'query' | 'passage'

/** Dense vectors of length 1. */
export async function denseVectors(
  embedder: Embedder,
  texts: readonly string[],
  options: AdapterOptions,
  { side, signal }: { side: Side | undefined; signal?: AbortSignalLike | undefined },
): Promise<DenseVectors> {
  const results = await embedAll(embedder, texts, {
    ...callOptions(options, signal),
    outputs: DENSE,
    prompt: side,
  })
  return {
    vectors: results.map(({ dense }) => Array.from(dense as Float32Array)),
    tokens: results.reduce((sum, { tokenCount }) => sum + tokenCount, 0),
  }
}

export async function denseVector(
  embedder: Embedder,
  text: string,
  options: AdapterOptions,
  side: Side,
): Promise<number[]> {
  const asked = callOptions({ ...options, priority: 'interactive' })
  const embedding = await embedder.embed(text, { ...asked, outputs: DENSE, prompt: side })
  const foreign = fallbackError(embedding)
  if (foreign) throw foreign
  return Array.from(embedding.dense as Float32Array)
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
  side: Side,
): Promise<SparseVector[]> {
  const { dimensions: _, ...rest } = options
  const outputs = { dense: false, sparse: true }
  const results = await embedAll(embedder, texts, { ...callOptions(rest), outputs, prompt: side })
  return results.map(({ sparse }) => ({
    indices: Array.from(sparse?.indices ?? []),
    values: Array.from(sparse?.values ?? []),
  }))
}

const DENSE = { dense: true }

/** @throws BatchError naming each text that failed, InferenceError for one that the fallback embedded */
async function embedAll(
  embedder: Embedder,
  texts: readonly string[],
  options: CallOptions,
): Promise<Embedding[]> {
  checkList(texts, 'The texts')
  // a framework's own class of arrays, say
  const results = await embedder.embed([...texts], options)
  results.forEach((result, index) => {
    const foreign = fallbackError(result, index)
    if (foreign) throw foreign
  })
  return results
}

type CallOptions = EmbedOptions & typeof COMPARABLE & { onError: 'throw' }

/** What an adapter's options mean for a call: all that a vector depends on is said. */
function callOptions(
  { priority = 'bulk', truncate = 'error', ...options }: AdapterOptions,
  signal?: AbortSignalLike,
): CallOptions {
  const asked = { ...options, ...COMPARABLE, priority, truncate, onError: 'throw' } as const
  return signal === undefined ? asked : { ...asked, signal }
}
