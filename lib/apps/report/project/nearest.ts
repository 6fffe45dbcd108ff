/** Exact nearest neighbours among points of a few dozen dimensions. */

import { matmulTransposed } from '../../../scoring/simd.js'
import type { Matrix } from '../../../scoring/types.js'

export interface Neighbours {
  k: number
  /** `k` per query, nearest first; of equal distances the lower index. */
  indices: Uint32Array
  /** Euclidean. */
  distances: Float32Array
}

/** Queries compared with all points at a time: bounds the scratch space. */
const TILE = 128

/**
 * The `k` points nearest to each query.
 *
 * @param k at most the number of points, less one with `self`
 * @param self the queries are the points, and a point is no neighbour of its own
 */
export function nearest(points: Matrix, queries: Matrix, k: number, self = false): Neighbours {
  const { rows: n, cols } = points
  const pointSquares = squares(points)
  const querySquares = self ? pointSquares : squares(queries)
  const indices = new Uint32Array(queries.rows * k)
  const distances = new Float32Array(queries.rows * k)
  const tile = new Float32Array(TILE * n)
  const best = new Float64Array(k)
  for (let from = 0; from < queries.rows; from += TILE) {
    const m = Math.min(TILE, queries.rows - from)
    const part = queries.data.subarray(from * cols, (from + m) * cols)
    matmulTransposed(part, points.data, tile, m, n, cols)
    for (let r = 0; r < m; r++) {
      const query = from + r
      const found = indices.subarray(query * k, (query + 1) * k)
      const row = tile.subarray(r * n, (r + 1) * n)
      select(row, pointSquares, self ? query : -1, found, best)
      for (let i = 0; i < k; i++) {
        const squared = (querySquares[query] as number) + (best[i] as number)
        distances[query * k + i] = Math.sqrt(Math.max(0, squared))
      }
    }
  }
  return { k, indices, distances }
}

/** Keeps the lowest `|p|^2 - 2 p.q`, sorted, by insertion: few candidates pass the worst one kept. */
function select(
  products: Float32Array,
  pointSquares: Float64Array,
  excluded: number,
  found: Uint32Array,
  best: Float64Array,
): void {
  const k = best.length
  best.fill(Number.POSITIVE_INFINITY)
  let worst = Number.POSITIVE_INFINITY
  for (let j = 0; j < products.length; j++) {
    const distance = (pointSquares[j] as number) - 2 * (products[j] as number)
    if (distance >= worst || j === excluded) continue
    let at = k - 1
    while (at > 0 && (best[at - 1] as number) > distance) {
      best[at] = best[at - 1] as number
      found[at] = found[at - 1] as number
      at--
    }
    best[at] = distance
    found[at] = j
    worst = best[k - 1] as number
  }
}

function squares({ data, rows, cols }: Matrix): Float64Array {
  const out = new Float64Array(rows)
  for (let i = 0; i < rows; i++) {
    let sum = 0
    for (let t = i * cols; t < (i + 1) * cols; t++) sum += (data[t] as number) ** 2
    out[i] = sum
  }
  return out
}

/** Of each row, the share of its neighbours that are the same in both. */
export function sharedNeighbours(a: Neighbours, b: Neighbours): Float32Array {
  const k = a.k
  const rows = k === 0 ? 0 : a.indices.length / k
  const shares = new Float32Array(rows)
  for (let row = 0; row < rows; row++) {
    const mine = a.indices.subarray(row * k, (row + 1) * k)
    const other = b.indices.subarray(row * k, (row + 1) * k)
    shares[row] = mine.filter((index) => other.includes(index)).length / k
  }
  return shares
}
