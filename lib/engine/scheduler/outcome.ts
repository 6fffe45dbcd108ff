/** What becomes of a text. */
import type { EmbedderError } from '../../common/errors.js'
import type { TextOutputs } from '../../outputs/embedding.js'

/** What one text gave; every array is its own, no view of a batch's. */
export interface TextResult extends TextOutputs {
  pooled: Float32Array
  /** From being submitted to the start of its batch. */
  queueMs: number
  /** Of its batch. */
  computeMs: number
}

export type Outcome = TextResult | { error: EmbedderError }

/** The same result for another waiter, in arrays of its own: callers may change what they get. */
export function copyOf(result: TextResult): TextResult {
  const { pooled, sparse, colbert, states } = result
  return {
    ...result,
    pooled: pooled.slice(),
    ...(sparse && { sparse: { indices: sparse.indices.slice(), values: sparse.values.slice() } }),
    ...(colbert && { colbert: colbert.slice() }),
    ...(states && { states: states.slice() }),
  }
}
