/** Vectors that more than one text has, exactly or nearly. */

import { matmulTransposed } from '../scoring/simd.js'
import type { Matrix } from '../scoring/types.js'
import type { Rows } from './rows.js'
import type { Subspace } from './subspace.js'

/** Whether two rows are of one text; `undefined` when nobody knows. */
export type SameText = (a: number, b: number) => boolean | undefined

export interface ExactDuplicate {
  index: number
  /** The first earlier row with this vector and a different text (or any text, if texts are unknown). */
  of: number
}

/**
 * Rows equal to an earlier one component by component (as float32; -0 is 0).
 *
 * @param indices of rows of one length, ascending
 */
export function exactDuplicates(
  rows: Rows,
  indices: ArrayLike<number>,
  cols: number,
  sameText: SameText,
): { duplicates: ExactDuplicate[]; sameText: number } {
  const seen = new Map<number, number[]>()
  const duplicates: ExactDuplicate[] = []
  let ofSameText = 0
  const scratch = new Float32Array(cols)
  const bits = new Uint32Array(scratch.buffer)
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i] as number
    const row = rows.row(index)
    for (let t = 0; t < cols; t++) scratch[t] = (row[t] as number) + 0
    const hash = hashOf(bits)
    const bucket = seen.get(hash)
    if (bucket === undefined) {
      seen.set(hash, [index])
      continue
    }
    const equal = bucket.filter((earlier) => equals(scratch, rows.row(earlier)))
    const different = equal.find((earlier) => sameText(earlier, index) !== true)
    if (different !== undefined) duplicates.push({ index, of: different })
    if (equal.some((earlier) => sameText(earlier, index) === true)) ofSameText++
    // One row of each text stands for all: buckets of a collapsed set stay short.
    else if (
      different === undefined ||
      (bucket.length < 8 && sameText(different, index) === false)
    ) {
      bucket.push(index)
    }
  }
  return { duplicates, sameText: ofSameText }
}

/** FNV-1a over 32-bit words. */
function hashOf(words: Uint32Array): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < words.length; i++) hash = Math.imul(hash ^ (words[i] as number), 0x01000193)
  return hash >>> 0
}

function equals(a: Float32Array, b: ArrayLike<number>): boolean {
  for (let t = 0; t < a.length; t++) if (a[t] !== Math.fround((b[t] as number) + 0)) return false
  return true
}

export interface NearDuplicates {
  count: number
  /** The most similar, most similar first. */
  pairs: { a: number; b: number; cosine: number }[]
  /** Whether all pairs were looked at. */
  complete: boolean
}

/** Multiplications after which the search gives up: a collapsed set is all near-duplicates. */
const BUDGET = 4e9
const LISTED = 100

/**
 * All pairs of unit rows whose cosine is at least `threshold`.
 *
 * Exact, yet quick: a projection on orthonormal directions never lengthens a difference, so pairs whose
 * projections differ by more than `2 - 2 * threshold` (squared) are out, mostly after a few components.
 *
 * @param accepts whether a pair counts; called for pairs over the threshold
 */
export function nearDuplicates(
  unit: Matrix,
  space: Pick<Subspace, 'directions'> | undefined,
  threshold: number,
  accepts: (a: number, b: number) => boolean,
): NearDuplicates {
  const { rows: n, cols: d } = unit
  const farthest = 2 - 2 * threshold + 1e-6 // float32 components
  const { order, projected, width } = project(unit, space)
  const found: NearDuplicates['pairs'] = []
  let count = 0
  let work = 0
  let least = Number.NEGATIVE_INFINITY
  for (let i = 0; i < n; i++) {
    const x = i * width
    for (let j = i + 1; j < n; j++) {
      const y = j * width
      const first = (projected[y] as number) - (projected[x] as number)
      if (first * first > farthest) break // rows are sorted by it
      let distance = first * first
      let t = 1
      while (t < width && distance <= farthest) {
        const difference = (projected[y + t] as number) - (projected[x + t] as number)
        distance += difference * difference
        t++
      }
      work += t
      if (distance > farthest) continue
      const a = order[i] as number
      const b = order[j] as number
      const cosine = dotRows(unit.data, a * d, b * d, d)
      work += d
      if (cosine < threshold || !accepts(a, b)) continue
      count++
      if (cosine <= least) continue
      found.push({ a: Math.min(a, b), b: Math.max(a, b), cosine: Math.min(1, cosine) })
      if (found.length >= 2 * LISTED) least = keepBest(found)
    }
    if (work > BUDGET) return { count, pairs: best(found), complete: false }
  }
  return { count, pairs: best(found), complete: true }
}

/** Rows by their first projection, and the projections in that order. */
function project(unit: Matrix, space: Pick<Subspace, 'directions'> | undefined) {
  const { rows: n, cols: d } = unit
  const width = space?.directions.rows ?? 0
  const order = Uint32Array.from({ length: n }, (_, i) => i)
  if (space === undefined || width === 0) {
    // No directions: the components do the same, only worse.
    const sorted = new Float32Array(n * d)
    order.sort((a, b) => (unit.data[a * d] as number) - (unit.data[b * d] as number))
    order.forEach((from, to) => {
      sorted.set(unit.data.subarray(from * d, (from + 1) * d), to * d)
    })
    return { order, projected: sorted, width: d }
  }
  const scores = productRows(unit, space.directions)
  order.sort((a, b) => (scores[a * width] as number) - (scores[b * width] as number))
  const projected = new Float32Array(n * width)
  order.forEach((from, to) => {
    projected.set(scores.subarray(from * width, (from + 1) * width), to * width)
  })
  return { order, projected, width }
}

function best(found: NearDuplicates['pairs']): NearDuplicates['pairs'] {
  return found.sort((p, q) => q.cosine - p.cosine || p.a - q.a || p.b - q.b).slice(0, LISTED)
}

/** Drops all but the best in place. @returns the cosine a pair has to beat from now on */
function keepBest(found: NearDuplicates['pairs']): number {
  const kept = best(found)
  found.length = 0
  found.push(...kept)
  return (kept.at(-1) as { cosine: number }).cosine
}

function productRows(unit: Matrix, directions: Matrix): Float32Array {
  const out = new Float32Array(unit.rows * directions.rows)
  matmulTransposed(unit.data, directions.data, out, unit.rows, directions.rows, unit.cols)
  return out
}

function dotRows(data: Float32Array, p: number, q: number, length: number): number {
  let sum = 0
  for (let t = 0; t < length; t++) sum += (data[p + t] as number) * (data[q + t] as number)
  return sum
}
