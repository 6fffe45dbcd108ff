/** What the scheduler works on: a text's token ids, and everyone who waits for what they give. */
import type { EmbedderError } from '../errors.js'
import type { Job } from './job.js'

/** What one text gave; every array is its own, no view of a batch's. */
export interface TextResult {
  /** The pooled state, dim floats, not normalised. */
  pooled: Float32Array
  sparse?: { indices: Uint32Array; values: Float32Array }
  /** (tokens - 1) x dim, rows of length 1. */
  colbert?: Float32Array
  /** From being submitted to the start of its batch. */
  queueMs: number
  /** Of its batch. */
  computeMs: number
}

export type Outcome = TextResult | { error: EmbedderError }

export interface Waiter {
  job: Job
  /** The caller's own number for the text. */
  index: number
  /** `performance.now()` when it was submitted. */
  since: number
}

/** Identical texts that are wanted with the same outputs at the same time are one unit. */
export interface Unit {
  readonly key: string
  readonly ids: Int32Array
  /** Sum of `Output` bits. */
  readonly outputs: number
  /** Empty when every caller has left: it is dropped when its turn comes. */
  waiters: Waiter[]
  state: 'waiting' | 'running' | 'done'
  failures: number
}

/** The same result for another waiter, in arrays of its own: callers may change what they get. */
export function copyOf(result: TextResult): TextResult {
  const { pooled, sparse, colbert } = result
  return {
    ...result,
    pooled: pooled.slice(),
    ...(sparse && { sparse: { indices: sparse.indices.slice(), values: sparse.values.slice() } }),
    ...(colbert && { colbert: colbert.slice() }),
  }
}
