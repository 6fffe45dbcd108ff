/** From what the engine or the cache gave to what a call asked for. */

import { InferenceError } from '../common/errors.js'
import type { Embedding, Precision, Timings } from '../common/types.js'
import { finishColbert, finishDense } from '../outputs/embedding.js'
import type { CallOptions } from './call-options.js'

/** What the engine or the cache gave for one text: raw, in arrays that may be changed. */
export interface RawOutputs {
  tokenCount: number
  truncated: boolean
  /** The pooled state, dim floats, not normalised. */
  pooled?: Float32Array
  sparse?: { indices: Uint32Array; values: Float32Array }
  /** (tokenCount - 1) x dim, rows of length 1. */
  colbert?: Float32Array
}

/** Throws `InferenceError` when the vector is not finite: damaged weights, never a result. */
export function checkFinite(pooled: Float32Array): void {
  if (pooled.every(Number.isFinite)) return
  throw new InferenceError(
    'The model gave numbers that are not finite; its file may be damaged (bge-m3 model verify).',
  )
}

export function embeddingOf(
  raw: RawOutputs,
  call: CallOptions,
  about: { cached: boolean; timings: Timings },
): Embedding<Precision> {
  const embedding: Embedding<Precision> = {
    tokenCount: raw.tokenCount,
    truncated: raw.truncated,
    ...about,
  }
  if (call.outputs.dense && raw.pooled) embedding.dense = finishDense(raw.pooled, call)
  if (call.outputs.sparse && raw.sparse) embedding.sparse = raw.sparse
  if (call.outputs.colbert && raw.colbert) {
    embedding.colbert = finishColbert(raw.colbert, call.dim, call)
  }
  return embedding
}
