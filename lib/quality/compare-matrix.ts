/** Sparse and ColBERT outputs: compared through all similarities of a sample of texts. */

import { checkNumeric } from '../common/given.js'
import { colbertScore } from '../scoring/colbert.js'
import { lexicalScore } from '../scoring/sparse.js'
import { topKScores } from '../scoring/topk.js'
import type { Matrix, MultiVector, SparseVector } from '../scoring/types.js'
import { compareClusters } from './clusters.js'
import { agreementOf, overlapOf, sharedPart } from './compare-dense.js'
import { colbertDrift, driftOf, sparseDrift } from './drift.js'
import { sampleIndices } from './sample.js'
import { mean } from './stats.js'
import type { CompareOptions, OutputComparison } from './types.js'

/** Multiplications that the scores of a set of multi-vectors may take: seconds without SIMD. */
const COLBERT_BUDGET = 1e10
const LEAST_ITEMS = 10

export function compareSparse(
  a: readonly SparseVector[],
  b: readonly SparseVector[],
  options: CompareOptions,
  notes: string[],
): OutputComparison | undefined {
  const drift = (i: number) => sparseDrift(a[i] as SparseVector, b[i] as SparseVector)
  const score = (set: readonly SparseVector[]) => (i: number, j: number) =>
    lexicalScore(set[i] as SparseVector, set[j] as SparseVector)
  const { maxItems = 300 } = options
  return compareScores('Sparse', a.length, maxItems, [score(a), score(b)], drift, options, notes)
}

export function compareColbert(
  a: readonly MultiVector[],
  b: readonly MultiVector[],
  options: CompareOptions,
  notes: string[],
): OutputComparison | undefined {
  const drift = (i: number) => colbertDrift(a[i] as MultiVector, b[i] as MultiVector)
  const score = (set: readonly MultiVector[]) => (i: number, j: number) =>
    colbertScore(set[i] as MultiVector, set[j] as MultiVector)
  for (const { rows, cols } of a) checkNumeric({ rows, cols })
  const rows = mean(a.map((item) => item.rows))
  const affordable = Math.sqrt(COLBERT_BUDGET / (rows * rows * (a[0]?.cols ?? 1)))
  const items = Math.max(LEAST_ITEMS, Math.floor(affordable))
  const most = Math.min(options.maxItems ?? 300, items)
  return compareScores('ColBERT', a.length, most, [score(a), score(b)], drift, options, notes)
}

type Score = (query: number, passage: number) => number

function compareScores(
  name: string,
  count: number,
  maxItems: number,
  [scoreA, scoreB]: readonly [Score, Score],
  drift: (item: number) => number,
  options: CompareOptions,
  notes: string[],
): OutputComparison | undefined {
  if (count < 2) return undefined
  const { k = 10, seed = 0, ids, clusters } = options
  const picks = sampleIndices(count, maxItems, seed)
  const n = picks.length
  if (n < count) notes.push(`${name} is compared on a sample of ${n} texts (seed ${seed}).`)
  const a = matrixOf(picks, scoreA)
  const b = matrixOf(picks, scoreB)
  const upper = Array.from({ length: n }, (_, i) => i).flatMap((i) =>
    Array.from({ length: n - i - 1 }, (_, j) => i * n + i + 1 + j),
  )
  const valuesOf = (matrix: Matrix) => Float64Array.from(upper, (at) => matrix.data[at] as number)
  const nearest = Math.min(k, n - 1)
  const shares = Array.from({ length: n }, (_, i) =>
    sharedPart(neighbours(a, i, nearest), neighbours(b, i, nearest)),
  )
  const drifts = Array.from({ length: count }, (_, i) => i)
    .map((item) => ({ item, drift: drift(item) }))
    .filter(({ drift }) => Number.isFinite(drift))
  if (drifts.length < count) {
    notes.push(`${name}: ${count - drifts.length} texts have no common rows to measure a drift.`)
  }
  const [profileA, profileB] = [normalized(a), normalized(b)]
  return {
    items: n,
    preservation: {
      ...agreementOf(valuesOf(a), valuesOf(b)),
      pairs: upper.length,
      sampled: n < count,
    },
    overlap: overlapOf(shares, nearest, n < count),
    drift: driftOf(
      drifts.map(({ drift }) => drift),
      (at) => (drifts[at] as { item: number }).item,
      ids,
    ),
    clusters: compareClusters(profileA, profileA, profileB, clusters, seed),
  }
}

function matrixOf(picks: Uint32Array, score: Score): Matrix {
  const n = picks.length
  const data = new Float32Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) data[i * n + j] = score(picks[i] as number, picks[j] as number)
  }
  return { data, rows: n, cols: n }
}

/** Symmetric, and 1 with itself: s_ij / sqrt(s_ii s_jj), the cosine where the score is a product. */
function normalized({ data, rows: n }: Matrix): Matrix {
  const scale = Float64Array.from({ length: n }, (_, i) => {
    const self = data[i * n + i] as number
    return self > 0 ? 1 / Math.sqrt(self) : 0
  })
  const out = new Float32Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const both = ((data[i * n + j] as number) + (data[j * n + i] as number)) / 2
      out[i * n + j] = i === j ? 1 : both * (scale[i] as number) * (scale[j] as number)
    }
  }
  return { data: out, rows: n, cols: n }
}

function neighbours({ data, cols }: Matrix, item: number, k: number): number[] {
  const row = data.slice(item * cols, (item + 1) * cols)
  row[item] = Number.NaN
  return topKScores(row, k).map(({ index }) => index)
}
