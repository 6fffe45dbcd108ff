/** What the time of a batch depends on, and how texts are put into batches. */

/** Bit of `Output.colbert` in `outputs`; the contract with native/addon says so too. */
const COLBERT = 4

/**
 * Features of a batch. Its time is a sum: a fixed part (a graph is built, threads wake), the layers'
 * products per token, attention per pair of tokens of a text, and the ColBERT head per token where
 * that is asked for.
 */
export type Features = readonly [
  one: 1,
  tokens: number,
  /** Sum over texts of the tokens squared. */
  squares: number,
  colbertTokens: number,
]

export const FEATURES = 4

export function featuresOf(lengths: ArrayLike<number>, outputs: number): Features {
  let tokens = 0
  let squares = 0
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i] as number
    tokens += length
    squares += length * length
  }
  return [1, tokens, squares, outputs & COLBERT ? tokens : 0]
}

export interface PackingOptions {
  /** Token budget of a batch; a longer text is a batch of its own. */
  batchTokens: number
  /** Texts in a batch at the most. Default: the engine's own limit. */
  maxTexts?: number
}

/** The engine's own limit on texts in one micro-batch. */
const MAX_TEXTS = 128
/** How many waiting texts the scheduler looks through for one that still fits (see job.ts). */
const LOOK_AHEAD = 32

/** The batches that the scheduler makes of one call's texts: their features, one after the other. */
export function* packedBatches(
  lengths: ArrayLike<number>,
  { batchTokens, maxTexts = MAX_TEXTS }: PackingOptions,
  outputs: number,
): Generator<Features> {
  const taken = new Uint8Array(lengths.length)
  for (let head = 0; head < lengths.length; ) {
    const batch: number[] = []
    let room = Number.POSITIVE_INFINITY
    for (let i = head, looked = 0; i < lengths.length && looked < LOOK_AHEAD && room > 0; i++) {
      if (taken[i]) continue
      const length = lengths[i] as number
      if (length > room) {
        looked++
        continue
      }
      // the first text is taken whatever its length
      room = (batch.length === 0 ? batchTokens : room) - length
      taken[i] = 1
      batch.push(length)
      if (batch.length >= maxTexts) break
    }
    while (taken[head]) head++
    yield featuresOf(batch, outputs)
  }
}
