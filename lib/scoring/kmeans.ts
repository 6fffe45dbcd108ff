/** Clustering: Lloyd's algorithm from k-means++ starts. */

import { InvalidInputError } from '../common/errors.js'
import { checkNumeric, refuseUnknown, shown } from '../common/given.js'
import { rowNorms, toMatrix } from './matrix.js'
import { seededRandom } from './random.js'
import { matmulTransposed } from './simd.js'
import type { Matrix, VectorSet } from './types.js'

/** Options of `kMeans`. */
export interface KMeansOptions {
  /** `cosine` clusters directions (spherical k-means): vectors and centroids get unit length. */
  metric?: 'euclidean' | 'cosine'
  /** The same seed, vectors and options give the same clusters on one machine. Default 0. */
  seed?: number
  /** Rounds of assignment at the most. Default 100. */
  maxIterations?: number
  /** Runs from different starts, of which the one with the least inertia is kept. Default 1. */
  restarts?: number
}

/** What `kMeans` found. */
export interface Clusters {
  /** Row-major, one row a cluster. */
  centroids: Matrix
  /** Cluster of each vector. */
  assignments: Uint32Array
  /** Vectors in each cluster; none is empty. */
  sizes: Uint32Array
  /** Sum of squared Euclidean distances to the own centroid (of unit vectors, for `cosine`). */
  inertia: number
  /** Rounds of assignment that ran. */
  iterations: number
  /** Whether the last round moved no vector. */
  converged: boolean
}

// Vectors compared with all centroids at a time: bounds the scratch space.
const TILE = 256

/**
 * Splits vectors into `k` clusters.
 *
 * Starts are drawn by k-means++ (Arthur and Vassilvitskii, 2007). A cluster that loses its last vector
 * takes over the one farthest from its centroid. Ties go to the lower index.
 *
 * @throws InvalidInputError for NaN or infinite components, unequal lengths, or `k` outside 1 to the
 * number of vectors.
 */
export function kMeans(vectors: VectorSet, k: number, options: KMeansOptions = {}): Clusters {
  refuseUnknown(options, ['metric', 'seed', 'maxIterations', 'restarts'], 'kMeans')
  const { metric = 'euclidean', seed = 0, maxIterations = 100, restarts = 1 } = options
  checkNumeric({ seed })
  if (metric !== 'euclidean' && metric !== 'cosine') {
    throw new InvalidInputError(`metric must be euclidean or cosine, not ${shown(metric)}.`)
  }
  for (const [name, value] of Object.entries({ maxIterations, restarts })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new InvalidInputError(`${name} must be a whole number from 1, not ${shown(value)}.`)
    }
  }
  const spherical = metric === 'cosine'
  const points = finiteMatrix(vectors, spherical)
  if (!Number.isInteger(k) || k < 1 || k > points.rows) {
    throw new InvalidInputError(
      `k must be a whole number from 1 to the ${points.rows} vectors, not ${shown(k)}.`,
    )
  }
  const random = seededRandom(seed)
  let best: Clusters | undefined
  for (let run = 0; run < restarts; run++) {
    const clusters = lloyd(points, plusPlus(points, k, random), spherical, maxIterations)
    if (best === undefined || clusters.inertia < best.inertia) best = clusters
  }
  return best as Clusters
}

/** Draws `k` rows, each with a probability by its squared distance to the nearest drawn before. */
function plusPlus(points: Matrix, k: number, random: () => number): Matrix {
  const { data, rows, cols } = points
  const centroids = new Float32Array(k * cols)
  const nearest = new Float64Array(rows).fill(Number.POSITIVE_INFINITY)
  const drawn = new Uint8Array(rows)
  let next = Math.floor(random() * rows)
  for (let c = 0; ; c++) {
    drawn[next] = 1
    centroids.set(data.subarray(next * cols, (next + 1) * cols), c * cols)
    if (c + 1 === k) break
    let total = 0
    for (let i = 0; i < rows; i++) {
      const distance = squaredDistance(data, i * cols, centroids, c * cols, cols)
      nearest[i] = Math.min(nearest[i] as number, distance)
      total += nearest[i] as number
    }
    next = draw(nearest, total * random(), drawn)
  }
  return { data: centroids, rows: k, cols }
}

/** The row where the running sum passes `target`; with only duplicates left, the first not drawn. */
function draw(weights: Float64Array, target: number, drawn: Uint8Array): number {
  let sum = 0
  let last = -1
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] === 0) continue
    sum += weights[i] as number
    last = i
    if (sum > target) return i
  }
  return last >= 0 ? last : drawn.indexOf(0)
}

function lloyd(
  points: Matrix,
  centroids: Matrix,
  spherical: boolean,
  maxIterations: number,
): Clusters {
  const assignments = new Uint32Array(points.rows)
  const sizes = new Uint32Array(centroids.rows)
  const distances = new Float64Array(points.rows)
  const squares = rowNorms(points).map((norm) => norm * norm)
  let iterations = 0
  let converged = false
  while (!converged && iterations < maxIterations) {
    const before = assignments.slice()
    assign(points, squares, centroids, assignments, distances)
    refillEmpty(assignments, distances, sizes)
    // The first round has nothing to compare with but zeros.
    converged = iterations > 0 && assignments.every((cluster, i) => cluster === before[i])
    iterations++
    if (!converged) moveCentroids(points, assignments, sizes, centroids, spherical)
  }
  let inertia = 0
  for (let i = 0; i < points.rows; i++) {
    const at = (assignments[i] as number) * points.cols
    inertia += squaredDistance(points.data, i * points.cols, centroids.data, at, points.cols)
  }
  return { centroids, assignments, sizes, inertia, iterations, converged }
}

/** Each point to its nearest centroid, by |x|^2 - 2 x.c + |c|^2. */
function assign(
  points: Matrix,
  squares: Float64Array,
  centroids: Matrix,
  assignments: Uint32Array,
  distances: Float64Array,
): void {
  const { rows, cols } = points
  const k = centroids.rows
  const centroidSquares = rowNorms(centroids).map((norm) => norm * norm)
  const tile = new Float32Array(Math.min(TILE, rows) * k)
  for (let i = 0; i < rows; i += TILE) {
    const m = Math.min(TILE, rows - i)
    const part = points.data.subarray(i * cols, (i + m) * cols)
    matmulTransposed(part, centroids.data, tile, m, k, cols)
    for (let r = 0; r < m; r++) {
      let nearest = 0
      let least = Number.POSITIVE_INFINITY
      for (let c = 0; c < k; c++) {
        const distance = (centroidSquares[c] as number) - 2 * (tile[r * k + c] as number)
        if (distance < least) {
          least = distance
          nearest = c
        }
      }
      assignments[i + r] = nearest
      distances[i + r] = Math.max(0, (squares[i + r] as number) + least)
    }
  }
}

/** Counts the clusters, and gives each empty one the point that its own centroid fits worst. */
function refillEmpty(assignments: Uint32Array, distances: Float64Array, sizes: Uint32Array): void {
  sizes.fill(0)
  for (const cluster of assignments) sizes[cluster] = (sizes[cluster] as number) + 1
  for (let cluster = 0; cluster < sizes.length; cluster++) {
    if (sizes[cluster] !== 0) continue
    let farthest = -1
    for (let i = 0; i < assignments.length; i++) {
      if ((sizes[assignments[i] as number] as number) < 2) continue
      if (farthest < 0 || (distances[i] as number) > (distances[farthest] as number)) farthest = i
    }
    const from = assignments[farthest] as number
    sizes[from] = (sizes[from] as number) - 1
    sizes[cluster] = 1
    assignments[farthest] = cluster
    distances[farthest] = 0
  }
}

function moveCentroids(
  points: Matrix,
  assignments: Uint32Array,
  sizes: Uint32Array,
  centroids: Matrix,
  spherical: boolean,
): void {
  const { rows, cols } = points
  const sums = new Float64Array(centroids.data.length)
  for (let i = 0; i < rows; i++) {
    const to = (assignments[i] as number) * cols
    const from = i * cols
    for (let t = 0; t < cols; t++) {
      sums[to + t] = (sums[to + t] as number) + (points.data[from + t] as number)
    }
  }
  for (let c = 0; c < centroids.rows; c++) {
    const sum = sums.subarray(c * cols, (c + 1) * cols)
    const scale = spherical ? inverseLength(sum) : 1 / (sizes[c] as number)
    for (let t = 0; t < cols; t++) centroids.data[c * cols + t] = (sum[t] as number) * scale
  }
}

/** A checked copy of unit vectors for `unit`, the vectors themselves otherwise. */
function finiteMatrix(vectors: VectorSet, unit: boolean): Matrix {
  const matrix = toMatrix(vectors)
  const { rows, cols } = matrix
  const bad = matrix.data.findIndex((value) => !Number.isFinite(value))
  if (bad >= 0) {
    throw new InvalidInputError(
      `Vector ${Math.floor(bad / cols)} has a component that is not finite.`,
    )
  }
  if (!unit) return matrix
  const data = matrix.data.slice()
  for (let i = 0; i < rows; i++) {
    const row = data.subarray(i * cols, (i + 1) * cols)
    const scale = inverseLength(row)
    for (let t = 0; t < cols; t++) row[t] = (row[t] as number) * scale
  }
  return { data, rows, cols }
}

function inverseLength(values: Float32Array | Float64Array): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += (values[i] as number) ** 2
  return sum === 0 ? 0 : 1 / Math.sqrt(sum)
}

function squaredDistance(
  a: Float32Array,
  p: number,
  b: Float32Array,
  q: number,
  length: number,
): number {
  let sum = 0
  for (let t = 0; t < length; t++) {
    const difference = (a[p + t] as number) - (b[q + t] as number)
    sum += difference * difference
  }
  return sum
}
