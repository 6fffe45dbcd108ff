/** Access to the rows of a set, whatever it is held in, and unit copies of the good ones. */

import { InvalidInputError } from '../common/errors.js'
import { isTyped } from '../common/realms.js'
import { components, type Numbers } from '../scoring/components.js'
import { dotNumbers } from '../scoring/dense.js'
import type { Matrix, Vector } from '../scoring/types.js'
import type { Vectors } from './types.js'

export interface Rows {
  readonly count: number
  /** As it was given. */
  vector(index: number): Vector
  /** Its components; halves and bits are unpacked at each call. */
  row(index: number): Numbers
}

/** @throws InvalidInputError when it is no set of vectors */
export function rowsOf(vectors: Vectors): Rows {
  if (typeof vectors !== 'object' || vectors === null) {
    throw new InvalidInputError('A set of vectors is an array of them.')
  }
  if ('rows' in vectors) {
    const { data, rows, cols } = vectors
    if (!isTyped(data, 'Float32Array') || data.length !== rows * cols) {
      throw new InvalidInputError(`${data?.length} values are not ${rows} rows of ${cols}.`)
    }
    const row = (index: number) => data.subarray(index * cols, (index + 1) * cols)
    return { count: rows, vector: row, row }
  }
  if (!Array.isArray(vectors)) throw new InvalidInputError('A set of vectors is an array of them.')
  const vector = (index: number) => vectors[index] as Vector
  return { count: vectors.length, vector, row: (index) => components(vector(index)) }
}

/** The Euclidean length; NaN or infinite when a component is, or when the sum overflows. */
export function lengthOf(row: Numbers): number {
  return Math.sqrt(dotNumbers(row, row))
}

/**
 * The rows at `indices`, each brought to unit length, as one matrix.
 *
 * @param indices of rows of `cols` finite components that are not all zero
 */
export function unitRows(rows: Rows, indices: ArrayLike<number>, cols: number): Matrix {
  const data = new Float32Array(indices.length * cols)
  for (let i = 0; i < indices.length; i++) {
    const row = rows.row(indices[i] as number)
    const scale = 1 / lengthOf(row)
    for (let t = 0; t < cols; t++) data[i * cols + t] = (row[t] as number) * scale
  }
  return { data, rows: indices.length, cols }
}

/** The rows at `indices` of a matrix. */
export function takeRows(matrix: Matrix, indices: ArrayLike<number>): Matrix {
  const { cols } = matrix
  const data = new Float32Array(indices.length * cols)
  for (let i = 0; i < indices.length; i++) {
    const from = (indices[i] as number) * cols
    data.set(matrix.data.subarray(from, from + cols), i * cols)
  }
  return { data, rows: indices.length, cols }
}
