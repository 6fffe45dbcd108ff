/** Many vectors at once. */

import { InvalidInputError } from '../common/errors.js'
import { checkNumeric, checkObject, refuseUnknown } from '../common/given.js'
import { isTyped } from '../common/realms.js'
import { components } from './components.js'
import { clampCosine, dotNumbers, isDistance, metricFunction } from './dense.js'
import { type DenseInput, denseOf } from './outputs-of.js'
import { matmulTransposed } from './simd.js'
import { MAX_ENTRIES, type Matrix, type Metric, type Vector, type VectorSet } from './types.js'

// Rows of the left side handled at a time: bounds the scratch space, and lets a symmetric matrix skip
// the half below the diagonal.
const TILE = 64

/**
 * All scores between two sets, or within one: entry `[i * cols + j]` is the score of `a[i]` and `b[j]`.
 * Components are taken as float32. Within one set the matrix is exactly symmetric.
 *
 * @throws InvalidInputError when lengths differ, or the result would be too large.
 */
export function similarityMatrix(
  a: VectorSet,
  b: VectorSet = a,
  options: { metric?: Metric } = {},
): Matrix {
  refuseUnknown(options, ['metric'], 'similarityMatrix')
  const metric = options.metric ?? 'cosine'
  const score = metricFunction(metric)
  const left = toMatrix(a)
  const right = b === a ? left : toMatrix(b)
  if (left.rows > 0 && right.rows > 0 && left.cols !== right.cols) {
    throw new InvalidInputError(
      `Vectors of ${left.cols} and ${right.cols} dimensions do not compare.`,
    )
  }
  if (left.rows * right.rows > MAX_ENTRIES) {
    throw new InvalidInputError(
      `A matrix of ${left.rows} x ${right.rows} scores is too large: compare in parts.`,
    )
  }
  const out = { data: new Float32Array(left.rows * right.rows), rows: left.rows, cols: right.rows }
  if (isDistance(metric)) distances(left, right, out, score)
  else products(left, right, out, metric === 'cosine')
  if (left === right) mirror(out)
  return out
}

/**
 * The score of `query` with every vector of a set, in order: the batch form of `cosine`, `dot`,
 * `euclidean` and `manhattan`, in float64.
 */
export function similarities(
  query: DenseInput,
  vectors: VectorSet,
  options: { metric?: Metric } = {},
): Float64Array {
  refuseUnknown(options, ['metric'], 'similarities')
  const score = metricFunction(options.metric ?? 'cosine')
  // Unpacked once, not once a vector. Packed bits have a faster way of their own.
  const vector = denseOf(query)
  const left = isTyped(vector, 'Uint16Array') ? components(vector) : vector
  if (!isMatrix(vectors)) return Float64Array.from(vectors, (vector) => score(left, vector))
  const { data, rows, cols } = toMatrix(vectors)
  const out = new Float64Array(rows)
  for (let i = 0; i < rows; i++) out[i] = score(left, data.subarray(i * cols, (i + 1) * cols))
  return out
}

/**
 * A set as row-major float32, without a copy when it is one already.
 *
 * @throws InvalidInputError when the vectors differ in length.
 */
export function toMatrix(vectors: VectorSet): Matrix {
  if (isMatrix(vectors)) {
    const { data, rows, cols } = vectors
    checkNumeric({ rows, cols })
    if (!isTyped(data, 'Float32Array') || data.length !== rows * cols) {
      throw new InvalidInputError(`${data?.length} values are not ${rows} rows of ${cols}.`)
    }
    return { data, rows, cols }
  }
  const rows = vectors.length
  const first = vectors[0]
  if (first === undefined) return { data: new Float32Array(0), rows: 0, cols: 0 }
  const cols = components(first).length
  const data = new Float32Array(rows * cols)
  for (let i = 0; i < rows; i++) {
    const row = components(vectors[i] as DenseInput)
    if (row.length !== cols) {
      throw new InvalidInputError(`Vector ${i} has ${row.length} dimensions, the first ${cols}.`)
    }
    data.set(row, i * cols)
  }
  return { data, rows, cols }
}

/** @throws InvalidInputError for what is no set of vectors at all */
export function isMatrix(
  vectors: VectorSet,
): vectors is Extract<VectorSet, { readonly rows: number }> {
  if (Array.isArray(vectors)) return false
  checkObject(vectors, 'A set of vectors')
  if ('rows' in vectors) return true
  throw new InvalidInputError('A set of vectors is an array of them, or { data, rows, cols }.')
}

/** Euclidean length of each row. */
export function rowNorms({ data, rows, cols }: Matrix): Float64Array {
  const norms = new Float64Array(rows)
  for (let i = 0; i < rows; i++) {
    const row = data.subarray(i * cols, (i + 1) * cols)
    norms[i] = Math.sqrt(dotNumbers(row, row))
  }
  return norms
}

function products(left: Matrix, right: Matrix, out: Matrix, cosines: boolean): void {
  const k = left.cols
  const n = right.rows
  const scales = cosines ? { row: inverse(left), col: inverse(right) } : undefined
  const tile = new Float32Array(Math.min(TILE, left.rows) * n)
  for (let i = 0; i < left.rows; i += TILE) {
    const m = Math.min(TILE, left.rows - i)
    const from = left === right ? i : 0 // the rest is mirrored
    const width = n - from
    matmulTransposed(
      left.data.subarray(i * k, (i + m) * k),
      right.data.subarray(from * k),
      tile,
      m,
      width,
      k,
    )
    for (let r = 0; r < m; r++) {
      const at = (i + r) * n + from
      if (scales === undefined) {
        out.data.set(tile.subarray(r * width, (r + 1) * width), at)
        continue
      }
      const scale = scales.row[i + r] as number
      for (let c = 0; c < width; c++) {
        const product = tile[r * width + c] as number
        out.data[at + c] = clampCosine(product * scale * (scales.col[from + c] as number))
      }
    }
  }
}

function distances(
  left: Matrix,
  right: Matrix,
  out: Matrix,
  distance: (a: Vector, b: Vector) => number,
): void {
  const k = left.cols
  const rows = Array.from({ length: right.rows }, (_, j) => right.data.subarray(j * k, (j + 1) * k))
  for (let i = 0; i < left.rows; i++) {
    const row = left.data.subarray(i * k, (i + 1) * k)
    for (let j = left === right ? i : 0; j < right.rows; j++) {
      out.data[i * right.rows + j] = distance(row, rows[j] as Float32Array)
    }
  }
}

/** 1 / norm of each row, 0 for a zero row, whose cosines are then 0. */
function inverse(matrix: Matrix): Float64Array {
  return rowNorms(matrix).map((norm) => (norm === 0 ? 0 : 1 / norm))
}

function mirror({ data, rows }: Matrix): void {
  for (let i = 1; i < rows; i++) {
    for (let j = 0; j < i; j++) data[i * rows + j] = data[j * rows + i] as number
  }
}
