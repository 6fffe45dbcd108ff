/**
 * How far a vector lies from where a set's vectors lie: a Gaussian with a few principal directions and
 * one variance for all others (probabilistic PCA: Tipping and Bishop, 1999). Its two distances are
 * those of statistical process control (Jackson and Mudholkar, 1979): Hotelling's T^2 within the
 * principal directions, and the squared residual off them (Q), here in units of its variance.
 */

import { dotNumbers } from '../scoring/dense.js'
import { matmulTransposed } from '../scoring/simd.js'
import type { Matrix } from '../scoring/types.js'
import { principalDirections } from './pca.js'

export interface Subspace {
  mean: Float32Array
  directions: Matrix
  variances: Float64Array
  noise: number
}

export interface Distances {
  within: Float64Array
  off: Float64Array
  /** Both together: the squared Mahalanobis distance, per dimension. */
  total: Float64Array
}

/** Directions at the most; more would fit what is particular to the sample. */
const MAX_DIRECTIONS = 48
/** Vectors per direction that a direction needs to be more than chance. */
const ROWS_PER_DIRECTION = 5
/** Keeps the variances of a set without spread (duplicates only) above zero. */
const LEAST_VARIANCE = 1e-9

/** @param rows of unit length, at least 10 */
export function fitSubspace(rows: Matrix): Subspace & { total: number } {
  const count = Math.min(
    MAX_DIRECTIONS,
    Math.floor(rows.rows / ROWS_PER_DIRECTION),
    Math.floor(rows.cols * 0.75),
  )
  const { mean, directions, variances, total } = principalDirections(rows, Math.max(1, count))
  const explained = variances.reduce((sum, value) => sum + value, 0)
  const others = Math.max(1, rows.cols - directions.rows)
  const noise = Math.max(LEAST_VARIANCE, (total - explained) / others)
  // sampling makes the last directions look flatter than the rest, never below it
  return { mean, directions, variances: variances.map((v) => Math.max(v, noise)), noise, total }
}

/** Both distances of each row, about 1 per dimension for vectors like those that were fitted. */
export function subspaceDistances(space: Subspace, rows: Matrix): Distances {
  const { directions, variances, noise } = space
  const k = directions.rows
  const d = directions.cols
  const axes = new Float32Array((k + 1) * d)
  axes.set(directions.data)
  axes.set(space.mean, k * d)
  const offsets = projectMean(space)
  const meanSquare = dotNumbers(space.mean, space.mean)
  const products = new Float32Array(rows.rows * (k + 1))
  matmulTransposed(rows.data, axes, products, rows.rows, k + 1, d)
  const within = new Float64Array(rows.rows)
  const off = new Float64Array(rows.rows)
  const total = new Float64Array(rows.rows)
  for (let i = 0; i < rows.rows; i++) {
    const row = rows.data.subarray(i * d, (i + 1) * d)
    const at = i * (k + 1)
    let inside = 0
    let square = 0
    for (let j = 0; j < k; j++) {
      const z = (products[at + j] as number) - (offsets[j] as number)
      inside += z * z
      square += (z * z) / (variances[j] as number)
    }
    // |x - mean|^2, from products that are there
    const all = dotNumbers(row, row) - 2 * (products[at + k] as number) + meanSquare
    const rest = Math.max(0, all - inside) / noise
    within[i] = square / k
    off[i] = rest / Math.max(1, d - k)
    total[i] = (square + rest) / d
  }
  return { within, off, total }
}

/**
 * The total distance of a unit vector that has nothing to do with the set: mean and standard deviation
 * over all directions, each component taken as normal with variance 1 / d.
 */
export function unrelatedTotal(space: Subspace): { mean: number; sd: number } {
  const { variances, noise, directions } = space
  const d = directions.cols
  const others = d - directions.rows
  const offsets = projectMean(space)
  let inside = 0
  let mean = 0
  let variance = 0
  for (let j = 0; j < variances.length; j++) {
    const offset = (offsets[j] as number) ** 2
    inside += offset
    mean += (1 / d + offset) / (variances[j] as number)
    variance += 2 / (d * (variances[j] as number)) ** 2
  }
  const rest = Math.max(0, dotNumbers(space.mean, space.mean) - inside)
  mean += (others / d + rest) / noise
  variance += (2 * others) / (d * noise) ** 2
  return { mean: mean / d, sd: Math.sqrt(variance) / d }
}

/** What of the mean lies along each direction. */
function projectMean({ mean, directions }: Subspace): Float64Array {
  const { data, rows, cols } = directions
  return Float64Array.from({ length: rows }, (_, j) =>
    dotNumbers(mean, data.subarray(j * cols, (j + 1) * cols)),
  )
}
