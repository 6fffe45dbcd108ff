/** What a call comes to: its texts' lengths, its batches, its memory. */

import { EmbedderError } from '../../common/errors.js'
import type { Outputs, Precision } from '../../common/types.js'
import { LOOK_AHEAD } from '../scheduler/job.js'
import { sum } from './rates.js'

/** Bytes of a component. */
const BYTES: Record<Precision, number> = { float32: 4, float16: 2, int8: 1, binary: 1 / 8 }
/** What an embedding takes beside its numbers. */
export const OBJECT_BYTES = 700
/** Batches with the engine at a time, whose raw results exist beside the finished ones. */
const IN_FLIGHT = 2

/** Tokens of all texts that are not refused, and of one of each: identical ones are computed once. */
export function lengthsOf(
  texts: readonly unknown[],
  counted: readonly (number | EmbedderError)[],
  { maxTokens, truncate }: { maxTokens: number; truncate: 'error' | 'end' },
): { all: number[]; distinct: number[] } {
  const known = counted.flatMap((count, i) =>
    count instanceof EmbedderError || (count > maxTokens && truncate === 'error')
      ? []
      : [[texts[i], Math.min(count, maxTokens)] as const],
  )
  return { all: known.map(([, length]) => length), distinct: [...new Map(known).values()] }
}

/** The batches that the scheduler makes of one call's texts; a text beyond the budget is one alone. */
export function packed(
  lengths: readonly number[],
  { batchTokens, maxTexts }: { batchTokens: number; maxTexts: number },
): number[][] {
  const batches: number[][] = []
  const waiting: number[] = []
  for (let next = 0; next < lengths.length || waiting.length > 0; ) {
    const batch: number[] = []
    for (let room = Number.POSITIVE_INFINITY; batch.length < maxTexts; ) {
      while (waiting.length < LOOK_AHEAD && next < lengths.length) {
        waiting.push(lengths[next++] as number)
      }
      const fits = waiting.findIndex((length) => length <= room)
      if (fits < 0) break
      const [length] = waiting.splice(fits, 1) as [number]
      room = (batch.length === 0 ? batchTokens : room) - length
      batch.push(length)
    }
    batches.push(batch)
  }
  return batches
}

/** Bytes of the results of texts of such lengths, of which none leaves early, and of raw ones. */
export function resultBytes(
  lengths: readonly number[],
  largestBatch: number,
  call: {
    outputs: Required<Outputs>
    precision: Precision
    dimensions: number
    dim: number
    colbertDim: number
  },
): number {
  const { outputs, precision, dimensions, dim, colbertDim } = call
  const tokens = sum(lengths)
  const bytes = BYTES[precision]
  const dense = outputs.dense ? dimensions * bytes : 0
  let results = lengths.length * (OBJECT_BYTES + dense) + tokens * 4
  if (outputs.sparse) results += tokens * 8
  if (outputs.colbert) results += tokens * Math.min(dimensions, colbertDim) * bytes
  const raw =
    4 * (outputs.colbert ? colbertDim * largestBatch : dim * Math.min(128, lengths.length))
  return results + IN_FLIGHT * raw
}
