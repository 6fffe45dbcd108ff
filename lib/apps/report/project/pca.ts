/** Principal components of a set: the axes of its map, and the space that UMAP and neighbours work in. */

import { principalDirections } from '../../../quality/pca.js'
import { matmulTransposed } from '../../../scoring/simd.js'
import type { Matrix } from '../../../scoring/types.js'

export interface Components {
  /** Coordinates along the components: rows x count. */
  scores: Matrix
  /** Orthonormal directions: count x cols. Of each, the component of largest size is positive. */
  axes: Matrix
  mean: Float32Array
  /** Share of the whole variance that lies along each component. */
  explained: number[]
}

/** Rows that directions are found on, evenly spaced; coordinates and variances are of all rows. */
const MAX_SAMPLE = 4096

/**
 * The first `count` principal components; fewer where there are fewer rows or columns.
 *
 * @param points finite components
 */
export function principalComponents(points: Matrix, count: number): Components {
  const { rows, cols } = points
  if (rows < 2) {
    const none = { data: new Float32Array(0), rows: 0, cols }
    const mean = points.data.slice(0, cols)
    return { scores: { data: none.data, rows, cols: 0 }, axes: none, mean, explained: [] }
  }
  const { mean, directions } = principalDirections(sampled(points), count)
  for (let c = 0; c < directions.rows; c++) {
    point(directions.data.subarray(c * cols, (c + 1) * cols))
  }
  const scores = project(points, { axes: directions, mean })
  return { scores, axes: directions, mean, explained: shares(points, scores, mean) }
}

/** Coordinates along components that are there already: (x - mean) . axis = x . axis - mean . axis. */
export function project(points: Matrix, { axes, mean }: Pick<Components, 'axes' | 'mean'>): Matrix {
  const data = new Float32Array(points.rows * axes.rows)
  matmulTransposed(points.data, axes.data, data, points.rows, axes.rows, points.cols)
  const offsets = new Float32Array(axes.rows)
  matmulTransposed(mean, axes.data, offsets, 1, axes.rows, points.cols)
  for (let i = 0; i < data.length; i++) {
    data[i] = (data[i] as number) - (offsets[i % axes.rows] as number)
  }
  return { data, rows: points.rows, cols: axes.rows }
}

function shares(points: Matrix, scores: Matrix, mean: Float32Array): number[] {
  const { data, rows, cols } = points
  let total = 0
  for (let i = 0; i < rows; i++) {
    for (let t = 0; t < cols; t++) {
      const difference = (data[i * cols + t] as number) - (mean[t] as number)
      total += difference * difference
    }
  }
  return Array.from({ length: scores.cols }, (_, c) => {
    let along = 0
    for (let i = c; i < scores.data.length; i += scores.cols) {
      along += (scores.data[i] as number) ** 2
    }
    return total > 0 ? along / total : 0
  })
}

function sampled(points: Matrix): Matrix {
  const { rows, cols, data } = points
  if (rows <= MAX_SAMPLE) return points
  const sample = new Float32Array(MAX_SAMPLE * cols)
  for (let i = 0; i < MAX_SAMPLE; i++) {
    const row = Math.floor((i * rows) / MAX_SAMPLE)
    sample.set(data.subarray(row * cols, (row + 1) * cols), i * cols)
  }
  return { data: sample, rows: MAX_SAMPLE, cols }
}

/** An axis has no direction of its own: its largest component is made positive. */
function point(axis: Float32Array): void {
  let largest = 0
  for (const value of axis) if (Math.abs(value) > Math.abs(largest)) largest = value
  if (largest < 0) for (let t = 0; t < axis.length; t++) axis[t] = -(axis[t] as number)
}
