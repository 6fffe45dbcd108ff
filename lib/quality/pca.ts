/** Principal directions of a set, by subspace iteration: a few of a thousand, without a covariance matrix. */

import { seededRandom } from '../scoring/random.js'
import { matmulTransposed } from '../scoring/simd.js'
import type { Matrix } from '../scoring/types.js'

export interface Principal {
  /** Mean row. */
  mean: Float32Array
  /** Row-major, orthonormal, by falling variance. */
  directions: Matrix
  /** Variance (mean square) along each. */
  variances: Float64Array
  /** Variance along all directions of the space together. */
  total: number
}

/** Passes over the data: enough to separate what the gaps of embeddings' spectra separate. */
const ITERATIONS = 6
/** Directions beyond those asked for, which let the last of these converge. */
const OVERSAMPLING = 6

/**
 * The `count` directions along which the rows vary most (Halko, Martinsson and Tropp, 2011, algorithm
 * 4.4 with a Rayleigh-Ritz step at the end). Deterministic.
 *
 * @param rows at least two, finite
 */
export function principalDirections(rows: Matrix, count: number): Principal {
  const { rows: n, cols: d } = rows
  const { mean, centred, transposed, total } = centre(rows)
  const wanted = Math.min(count, d, n - 1)
  const width = Math.min(wanted + OVERSAMPLING, d, n - 1)
  const basis = { data: randomRows(width, d), rows: width, cols: d }
  orthonormalize(basis)
  const scores = new Float32Array(n * width)
  const turned = new Float32Array(n * width)
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    matmulTransposed(centred, basis.data, scores, n, width, d)
    transpose(scores, n, width, turned)
    matmulTransposed(turned, transposed, basis.data, width, d, n)
    orthonormalize(basis)
  }
  matmulTransposed(centred, basis.data, scores, n, width, d)
  transpose(scores, n, width, turned)
  const small = new Float32Array(width * width)
  matmulTransposed(turned, turned, small, width, width, n)
  const { values, vectors } = symmetricEigen(
    Float64Array.from(small, (value) => value / n),
    width,
  )
  const directions = new Float32Array(wanted * d)
  for (let k = 0; k < wanted; k++) {
    for (let from = 0; from < width; from++) {
      const weight = vectors[from * width + k] as number
      for (let t = 0; t < d; t++) {
        directions[k * d + t] =
          (directions[k * d + t] as number) + weight * (basis.data[from * d + t] as number)
      }
    }
  }
  return {
    mean,
    directions: { data: directions, rows: wanted, cols: d },
    variances: values.slice(0, wanted).map((value) => Math.max(0, value)),
    total,
  }
}

function centre({ data, rows, cols }: Matrix) {
  const sums = new Float64Array(cols)
  for (let i = 0; i < rows; i++) {
    for (let t = 0; t < cols; t++) sums[t] = (sums[t] as number) + (data[i * cols + t] as number)
  }
  const mean = Float32Array.from(sums, (sum) => sum / rows)
  const centred = new Float32Array(rows * cols)
  const transposed = new Float32Array(rows * cols)
  let squares = 0
  for (let i = 0; i < rows; i++) {
    for (let t = 0; t < cols; t++) {
      const value = Math.fround((data[i * cols + t] as number) - (mean[t] as number))
      centred[i * cols + t] = value
      transposed[t * rows + i] = value
      squares += value * value
    }
  }
  return { mean, centred, transposed, total: squares / rows }
}

function randomRows(rows: number, cols: number): Float32Array {
  const random = seededRandom(0x5eed)
  return Float32Array.from({ length: rows * cols }, () => random() - 0.5)
}

/** Gram-Schmidt, twice over: once loses orthogonality to rounding. A dependent row becomes zero. */
function orthonormalize({ data, rows, cols }: Matrix): void {
  for (let i = 0; i < rows; i++) {
    const row = data.subarray(i * cols, (i + 1) * cols)
    const before = length(row)
    for (let pass = 0; pass < 2; pass++) {
      for (let j = 0; j < i; j++) {
        const other = data.subarray(j * cols, (j + 1) * cols)
        let dot = 0
        for (let t = 0; t < cols; t++) dot += (row[t] as number) * (other[t] as number)
        for (let t = 0; t < cols; t++) row[t] = (row[t] as number) - dot * (other[t] as number)
      }
    }
    const after = length(row)
    // what is left of a dependent row is rounding, and no direction
    const scale = after > 1e-6 * before ? 1 / after : 0
    for (let t = 0; t < cols; t++) row[t] = (row[t] as number) * scale
  }
}

function length(row: Float32Array): number {
  let sum = 0
  for (let t = 0; t < row.length; t++) sum += (row[t] as number) ** 2
  return Math.sqrt(sum)
}

function transpose(data: Float32Array, rows: number, cols: number, out: Float32Array): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) out[j * rows + i] = data[i * cols + j] as number
  }
}

/**
 * Eigenvalues, falling, and eigenvectors (columns) of a symmetric matrix by cyclic Jacobi rotations
 * (Golub and Van Loan, Matrix Computations, 8.5).
 */
export function symmetricEigen(
  matrix: Float64Array,
  n: number,
): { values: Float64Array; vectors: Float64Array } {
  const a = matrix.slice()
  const v = new Float64Array(n * n)
  for (let i = 0; i < n; i++) v[i * n + i] = 1
  for (let sweep = 0; sweep < 30 && offDiagonal(a, n) > 1e-24 * trace(a, n) ** 2; sweep++) {
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) rotate(a, v, n, p, q)
    }
  }
  const order = Array.from({ length: n }, (_, i) => i).sort(
    (i, j) => (a[j * n + j] as number) - (a[i * n + i] as number),
  )
  const vectors = new Float64Array(n * n)
  order.forEach((from, to) => {
    for (let i = 0; i < n; i++) vectors[i * n + to] = v[i * n + from] as number
  })
  return { values: Float64Array.from(order, (i) => a[i * n + i] as number), vectors }
}

function rotate(a: Float64Array, v: Float64Array, n: number, p: number, q: number): void {
  const apq = a[p * n + q] as number
  if (apq === 0) return
  const theta = ((a[q * n + q] as number) - (a[p * n + p] as number)) / (2 * apq)
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1))
  const c = 1 / Math.sqrt(t * t + 1)
  const s = t * c
  const mix = (m: Float64Array, x: number, y: number) => {
    const mx = m[x] as number
    const my = m[y] as number
    m[x] = c * mx - s * my
    m[y] = s * mx + c * my
  }
  for (let i = 0; i < n; i++) mix(a, i * n + p, i * n + q)
  for (let i = 0; i < n; i++) mix(a, p * n + i, q * n + i)
  for (let i = 0; i < n; i++) mix(v, i * n + p, i * n + q)
}

function offDiagonal(a: Float64Array, n: number): number {
  let sum = 0
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) sum += (a[i * n + j] as number) ** 2
  }
  return sum
}

function trace(a: Float64Array, n: number): number {
  let sum = 0
  for (let i = 0; i < n; i++) sum += a[i * n + i] as number
  return sum
}
