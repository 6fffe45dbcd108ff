/** Clusters to colour a map by. */

import { kMeans } from '../../../scoring/kmeans.js'
import type { Matrix } from '../../../scoring/types.js'

/** As many as there are colours that can be told apart. */
const MOST = 10

interface MapClusters {
  /** Largest first. */
  sizes: number[]
  /** Of each row, its cluster. */
  labels: Uint8Array
}

/** k-means with k = the square root of half the rows, at most 10. */
export function mapClusters(points: Matrix, seed = 1): MapClusters {
  const k = Math.max(1, Math.min(MOST, Math.round(Math.sqrt(points.rows / 2))))
  const { assignments, sizes } = kMeans(points, k, { seed, maxIterations: 50 })
  const order = Array.from(sizes.keys()).sort(
    (a, b) => (sizes[b] as number) - (sizes[a] as number) || a - b,
  )
  const rank = new Uint8Array(k)
  order.forEach((cluster, i) => {
    rank[cluster] = i
  })
  return {
    sizes: order.map((cluster) => sizes[cluster] as number),
    labels: Uint8Array.from(assignments, (cluster) => rank[cluster] as number),
  }
}
