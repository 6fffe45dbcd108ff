/** How far the outputs of one text are from each other: 0 where they say the same. */

import { components } from '../scoring/components.js'
import { lexicalScore } from '../scoring/sparse.js'
import type { MultiVector, SparseVector, Vector } from '../scoring/types.js'
import { distribution } from './stats.js'
import type { OutputComparison } from './types.js'

const WORST = 20

/**
 * How far items moved, and which ones farthest; `null` when there are none.
 *
 * @param index position of each item in the whole set
 */
export function driftOf(
  drifts: ArrayLike<number>,
  index: (item: number) => number,
  ids: readonly string[] | undefined,
): OutputComparison['drift'] {
  const shape = distribution(drifts)
  if (shape === null) return null
  const order = Uint32Array.from({ length: drifts.length }, (_, i) => i)
  order.sort((a, b) => (drifts[b] as number) - (drifts[a] as number))
  const worst = Array.from(order.subarray(0, WORST), (item) => {
    const at = index(item)
    const id = ids?.[at]
    return { index: at, ...(id === undefined ? {} : { id }), drift: drifts[item] as number }
  })
  return { ...shape, worst }
}

/** 1 - cosine, as half the squared distance of the unit vectors: exact where it is small. */
export function denseDrift(a: Vector, b: Vector): number {
  const [x, y] = [components(a), components(b)]
  if (x.length !== y.length) return Number.NaN
  return rowDrift(x, y, 0, x.length)
}

/** 1 - cosine of the weights. Two texts without any weight say the same. */
export function sparseDrift(a: SparseVector, b: SparseVector): number {
  const squares = lexicalScore(a, a) * lexicalScore(b, b)
  if (squares === 0) return a.indices.length === b.indices.length ? 0 : 1
  return Math.max(0, 1 - lexicalScore(a, b) / Math.sqrt(squares))
}

/** The mean of 1 - cosine over the rows; NaN where the rows are not those of the same tokens. */
export function colbertDrift(a: MultiVector, b: MultiVector): number {
  if (a.rows !== b.rows || a.cols !== b.cols || a.rows === 0) return Number.NaN
  const [x, y] = [components(a.data as Vector), components(b.data as Vector)]
  let sum = 0
  for (let row = 0; row < a.rows; row++) sum += rowDrift(x, y, row * a.cols, (row + 1) * a.cols)
  return sum / a.rows
}

function rowDrift(x: ArrayLike<number>, y: ArrayLike<number>, from: number, to: number): number {
  let xx = 0
  let yy = 0
  for (let t = from; t < to; t++) {
    xx += (x[t] as number) ** 2
    yy += (y[t] as number) ** 2
  }
  if (!(xx > 0 && yy > 0)) return xx === yy ? 0 : xx * yy === 0 ? 1 : Number.NaN
  const [sx, sy] = [1 / Math.sqrt(xx), 1 / Math.sqrt(yy)]
  let squares = 0
  for (let t = from; t < to; t++) squares += ((x[t] as number) * sx - (y[t] as number) * sy) ** 2
  return squares / 2
}
