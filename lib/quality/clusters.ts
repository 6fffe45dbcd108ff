/**
 * How well a set falls into clusters. Clusters come from `kMeans`; what is measured here needs nothing
 * but similarities, so it is the same for dense, sparse and ColBERT.
 */

import { InvalidInputError } from '../common/errors.js'
import { checkNumbers, checkNumeric, refuseUnknown } from '../common/given.js'
import { kMeans } from '../scoring/kmeans.js'
import { isMatrix, similarityMatrix } from '../scoring/matrix.js'
import type { Matrix, VectorSet } from '../scoring/types.js'
import { sampleIndices } from './sample.js'
import { mean } from './stats.js'
import type { ClusterComparison } from './types.js'

/** How tight and how far apart clusters are. */
export interface ClusterQuality {
  /** Mean similarity (cosine) of an item to the others of its cluster; -1 to 1. */
  coherence: number
  /** Mean silhouette with distances 1 - cosine (Rousseeuw, 1987); -1 to 1. Alone in a cluster: 0. */
  silhouette: number
  /** Items measured; of more than `maxItems` a seeded sample. */
  items: number
}

/** Every cluster up to the highest takes memory. */
const MOST = 2 ** 20

/**
 * Coherence and silhouette of clusters, such as `kMeans` gives in `assignments`.
 *
 * @throws InvalidInputError when the lists differ in length, or there is nothing in them
 */
export function clusterQuality(
  vectors: VectorSet,
  assignments: ArrayLike<number>,
  options: { maxItems?: number; seed?: number } = {},
): ClusterQuality {
  refuseUnknown(options, ['maxItems', 'seed'], 'clusterQuality')
  const { maxItems = 2000, seed = 0 } = options
  checkNumeric({ maxItems, seed })
  checkNumbers(assignments, 'Assignments')
  if (!Array.from(assignments).every((at) => Number.isInteger(at) && at >= 0 && at < MOST)) {
    throw new InvalidInputError(`Assignments are integers from 0 to ${MOST - 1}.`)
  }
  const count = isMatrix(vectors) ? vectors.rows : vectors.length
  if (count !== assignments.length || count === 0) {
    throw new InvalidInputError(
      `${count} vectors and ${assignments.length} assignments are no clusters.`,
    )
  }
  const picks = sampleIndices(count, maxItems, seed)
  const rows = Array.from(picks, (i) =>
    'rows' in vectors
      ? vectors.data.subarray(i * vectors.cols, (i + 1) * vectors.cols)
      : (vectors[i] as Exclude<(typeof vectors)[number], undefined>),
  )
  const labels = Uint32Array.from(picks, (i) => assignments[i] as number)
  const { own, silhouettes } = measure(similarityMatrix(rows), labels)
  return { coherence: mean(own), silhouette: mean(silhouettes), items: picks.length }
}

interface Measured {
  /** For each item: mean similarity to the others of its cluster (1 when alone). */
  own: Float64Array
  silhouettes: Float64Array
  /** The cluster to whose members (itself left out) it is most similar. */
  nearest: Uint32Array
}

/** @param similarity symmetric, 1 with itself */
function measure(similarity: Matrix, labels: Uint32Array): Measured {
  const n = labels.length
  const k = labels.reduce((most, label) => Math.max(most, label + 1), 1)
  const sizes = new Float64Array(k)
  for (const label of labels) sizes[label] = (sizes[label] as number) + 1
  const own = new Float64Array(n)
  const silhouettes = new Float64Array(n)
  const nearest = new Uint32Array(n)
  const sums = new Float64Array(k)
  for (let i = 0; i < n; i++) {
    sums.fill(0)
    for (let j = 0; j < n; j++) {
      if (j === i) continue
      const label = labels[j] as number
      sums[label] = (sums[label] as number) + (similarity.data[i * n + j] as number)
    }
    const mine = labels[i] as number
    let best = Number.NEGATIVE_INFINITY
    let other = Number.NEGATIVE_INFINITY
    for (let c = 0; c < k; c++) {
      const members = (sizes[c] as number) - (c === mine ? 1 : 0)
      if (members === 0) continue
      const average = (sums[c] as number) / members
      if (average > best) {
        best = average
        nearest[i] = c
      }
      if (c !== mine) other = Math.max(other, average)
    }
    const alone = sizes[mine] === 1
    own[i] = alone ? 1 : (sums[mine] as number) / ((sizes[mine] as number) - 1)
    const [a, b] = [1 - (own[i] as number), 1 - other]
    const longest = Math.max(a, b)
    silhouettes[i] = alone || !Number.isFinite(b) || longest === 0 ? 0 : (b - a) / longest
  }
  return { own, silhouettes, nearest }
}

/**
 * Whether the clusters of set A are clusters in set B too.
 *
 * @param points what A is clustered by: its vectors, or its rows of similarities
 * @param a similarities within A, symmetric, 1 with itself
 * @param b the same of B
 */
export function compareClusters(
  points: Matrix,
  a: Matrix,
  b: Matrix,
  clusters: number | undefined,
  seed: number,
): ClusterComparison | null {
  const n = a.rows
  if (n < 4) return null
  const usual = Math.max(2, Math.min(20, Math.round(Math.sqrt(n / 2))))
  const k = Math.min(clusters ?? usual, n)
  const { assignments } = kMeans(points, k, { metric: 'cosine', seed, restarts: 3 })
  const inA = measure(a, assignments)
  const inB = measure(b, assignments)
  const coherence = { a: mean(inA.own), b: mean(inB.own) }
  const same = inA.nearest.reduce((sum, c, i) => sum + (c === inB.nearest[i] ? 1 : 0), 0)
  const change = Math.abs(coherence.b - coherence.a)
  return {
    k,
    items: n,
    coherence,
    retained: coherence.a === 0 ? 0 : Math.max(0, 1 - change / Math.abs(coherence.a)),
    agreement: same / n,
    silhouette: { a: mean(inA.silhouettes), b: mean(inB.silhouettes) },
  }
}
