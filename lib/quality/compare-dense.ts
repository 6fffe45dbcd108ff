/** Dense vectors: pairs, neighbours and clusters on matrices of unit rows. */

import { InvalidInputError } from '../common/errors.js'
import { similarityMatrix } from '../scoring/matrix.js'
import { matmulTransposed } from '../scoring/simd.js'
import { topKScores } from '../scoring/topk.js'
import type { Matrix } from '../scoring/types.js'
import { compareClusters } from './clusters.js'
import { driftOf } from './drift.js'
import { lengthOf, type Rows, takeRows, unitRows } from './rows.js'
import { sampleIndices, samplePairs } from './sample.js'
import { mean, pearson, spearman } from './stats.js'
import type { CompareOptions, OutputComparison } from './types.js'

/** Two copies of so many rows of 1,024 take 160 MB. */
const MAX_ROWS = 20_000
/** Queries whose similarities to all rows are held at a time. */
const BLOCK = 32

/** @returns `undefined` when fewer than two items compare */
export function compareDense(
  a: Rows,
  b: Rows,
  options: CompareOptions,
  notes: string[],
): OutputComparison | undefined {
  const { maxPairs = 100_000, maxItems = 300, seed = 0, ids, clusters } = options
  const usable = usableRows(a, b)
  if (usable.length < a.count) {
    notes.push(`${a.count - usable.length} items are left out: zero or not finite in a set.`)
  }
  const picks = sampleIndices(usable.length, MAX_ROWS, seed)
  const kept = Uint32Array.from(picks, (pick) => usable[pick] as number)
  if (kept.length < usable.length) {
    notes.push(`Dense vectors are compared on a sample of ${kept.length} (seed ${seed}).`)
  }
  const first = kept[0]
  if (first === undefined || kept.length < 2) return undefined
  const left = unitRows(a, kept, a.row(first).length)
  const right = unitRows(b, kept, b.row(first).length)
  const chosen = sampleIndices(kept.length, maxItems, seed)
  const [pointsA, pointsB] = [takeRows(left, chosen), takeRows(right, chosen)]
  return {
    items: kept.length,
    preservation: preservation(left, right, maxPairs, seed),
    overlap: overlap(left, right, options),
    drift:
      left.cols === right.cols
        ? driftOf(distances(left, right), (item) => kept[item] as number, ids)
        : null,
    clusters: compareClusters(
      pointsA,
      similarityMatrix(pointsA),
      similarityMatrix(pointsB),
      clusters,
      seed,
    ),
  }
}

/** @throws InvalidInputError when a set's vectors differ in length */
function usableRows(a: Rows, b: Rows): number[] {
  const usable: number[] = []
  const widths = new Map<Rows, number>()
  for (let i = 0; i < a.count; i++) {
    let isUsable = true
    for (const rows of [a, b]) {
      const row = rows.row(i)
      const width = widths.get(rows) ?? row.length
      widths.set(rows, width)
      if (row.length !== width) {
        throw new InvalidInputError(
          `Vector ${i} has ${row.length} dimensions, others of its set ${width}.`,
        )
      }
      const length = lengthOf(row)
      isUsable &&= Number.isFinite(length) && length > 0
    }
    if (isUsable) usable.push(i)
  }
  return usable
}

function preservation(
  left: Matrix,
  right: Matrix,
  maxPairs: number,
  seed: number,
): OutputComparison['preservation'] {
  const { a, b, sampled } = samplePairs(left.rows, maxPairs, seed)
  const inA = pairCosines(left, a, b)
  const inB = pairCosines(right, a, b)
  return { ...agreementOf(inA, inB), pairs: a.length, sampled }
}

/** Correlations and differences of the similarities of the same pairs. */
export function agreementOf(inA: Float64Array, inB: Float64Array) {
  const differences = inA.map((value, i) => Math.abs(value - (inB[i] as number)))
  return {
    spearman: spearman(inA, inB),
    pearson: pearson(inA, inB),
    meanDifference: mean(differences),
    maxDifference: differences.reduce((most, value) => Math.max(most, value), 0),
  }
}

function pairCosines({ data, cols }: Matrix, a: Uint32Array, b: Uint32Array): Float64Array {
  const cosines = new Float64Array(a.length)
  for (let i = 0; i < a.length; i++) {
    const p = (a[i] as number) * cols
    const q = (b[i] as number) * cols
    let sum = 0
    for (let t = 0; t < cols; t++) sum += (data[p + t] as number) * (data[q + t] as number)
    cosines[i] = sum
  }
  return cosines
}

/** 1 - cosine of each row to itself, as half the squared distance: exact where it is small. */
function distances(left: Matrix, right: Matrix): Float64Array {
  const { rows, cols } = left
  return Float64Array.from({ length: rows }, (_, i) => {
    let squares = 0
    for (let t = i * cols; t < (i + 1) * cols; t++) {
      squares += ((left.data[t] as number) - (right.data[t] as number)) ** 2
    }
    return squares / 2
  })
}

function overlap(
  left: Matrix,
  right: Matrix,
  { k = 10, maxQueries = 100, seed = 0 }: CompareOptions,
): OutputComparison['overlap'] {
  const n = left.rows
  const nearest = Math.min(k, n - 1)
  const queries = sampleIndices(n, maxQueries, seed)
  const shares: number[] = []
  for (let at = 0; at < queries.length; at += BLOCK) {
    const block = queries.subarray(at, at + BLOCK)
    const inA = neighbours(left, block, nearest)
    const inB = neighbours(right, block, nearest)
    inA.forEach((list, i) => {
      shares.push(sharedPart(list, inB[i] as number[]))
    })
  }
  return overlapOf(shares, nearest, queries.length < n)
}

export function sharedPart(a: readonly number[], b: readonly number[]): number {
  const others = new Set(b)
  return a.filter((index) => others.has(index)).length / Math.max(1, a.length)
}

export function overlapOf(
  shares: readonly number[],
  k: number,
  sampled: boolean,
): OutputComparison['overlap'] {
  const min = shares.reduce((least, share) => Math.min(least, share), 1)
  return { k, mean: mean(shares), min, queries: shares.length, sampled }
}

function neighbours(matrix: Matrix, queries: Uint32Array, k: number): number[][] {
  const { data, rows, cols } = matrix
  const block = takeRows(matrix, queries)
  const scores = new Float32Array(block.rows * rows)
  matmulTransposed(block.data, data, scores, block.rows, rows, cols)
  return Array.from(queries, (query, i) => {
    const row = scores.subarray(i * rows, (i + 1) * rows)
    row[query] = Number.NaN // its own neighbour it is not
    return topKScores(row, k).map(({ index }) => index)
  })
}
