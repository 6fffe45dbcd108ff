/** Vectors that do not lie where the others lie, or where the reference says. */

import type { Matrix } from '../scoring/types.js'
import { fitSet, LEAST_REFERENCE } from './reference.js'
import { type Rows, unitRows } from './rows.js'
import { fitSubspace, type Subspace, subspaceDistances } from './subspace.js'
import type { Issue, Reference } from './types.js'
import { outlierIssue } from './vector.js'

interface OutlierInput {
  rows: Rows
  /** Rows that can be compared, and those of them that `unit` holds. */
  good: Uint32Array
  sample: Uint32Array
  unit: Matrix
  reference: Reference | undefined
  seed: number
}

interface Outliers {
  method: 'reference' | 'set' | null
  description: string
  rows: number
  found: { index: number; issue: Issue; typical: number }[]
  space: Pick<Subspace, 'directions'> | undefined
  /** Shares of the set's own variance. */
  variance: number[]
}

const BLOCK = 512
/** Principal directions whose variance is told. */
const SHARES = 10
/** Rows that the directions are taken from. */
const FIT_ROWS = 1000

export function findOutliers(input: OutlierInput): Outliers {
  const { good, unit, reference, seed } = input
  if (reference !== undefined) return againstReference(input, reference)
  if (unit.rows < LEAST_REFERENCE) {
    return {
      method: null,
      description: `Outliers need a reference, or at least ${LEAST_REFERENCE} vectors.`,
      rows: 0,
      found: [],
      space: undefined,
      variance: [],
    }
  }
  const fit = fitSet(unit, seed)
  const found: Outliers['found'] = []
  const note = (index: number, distance: number) => {
    if (!(distance > fit.limit)) return
    found.push({ index, issue: setIssue(distance, fit.limit), typical: 1 })
  }
  input.sample.forEach((index, i) => {
    note(index, fit.own[i] as number)
  })
  if (input.sample.length < good.length) {
    const inSample = new Set(input.sample)
    const others = good.filter((index) => !inSample.has(index))
    eachBlock(input.rows, others, unit.cols, (block, indices) => {
      const distances = fit.distances(block)
      indices.forEach((index, i) => {
        note(index, distances[i] as number)
      })
    })
  }
  return {
    method: 'set',
    description:
      `Squared Mahalanobis distance under a Gaussian of ${fit.space.directions.rows} principal directions and one ` +
      'variance for all others (probabilistic PCA), each half of the set measured by the other; over the limit lies ' +
      'what is as far away as a vector that has nothing to do with the set.',
    rows: good.length,
    found,
    space: fit.space,
    variance: shares(fit.space),
  }
}

function againstReference(input: OutlierInput, reference: Reference): Outliers {
  const { rows, good, unit } = input
  const { limits } = reference
  const found: Outliers['found'] = []
  if (good.length > 0 && unit.cols === reference.dimensions) {
    eachBlock(rows, good, unit.cols, (block, indices) => {
      const { within, off } = subspaceDistances(reference, block)
      indices.forEach((index, i) => {
        const [w, o] = [within[i] as number, off[i] as number]
        const excess = Math.max(w / limits.within, o / limits.off)
        if (!(excess > 1)) return
        found.push({ index, issue: outlierIssue(w, o, limits), typical: 1 / excess })
      })
    })
  }
  const enough = unit.rows >= LEAST_REFERENCE
  const space = enough ? fitSubspace(firstRows(unit, FIT_ROWS)) : undefined
  return {
    method: 'reference',
    description:
      `Distances within and off the ${reference.directions.rows} principal directions of ${reference.fitted} reference ` +
      `vectors (Hotelling's T^2 and squared residual); limits above the largest of ${reference.heldOut} held-out ones.`,
    rows: good.length,
    found,
    space,
    variance: space ? shares(space) : [],
  }
}

function setIssue(distance: number, limit: number): Issue {
  return {
    kind: 'outlier',
    severity: 'warning',
    message: `It is not like the rest of the set: its squared distance is ${distance.toPrecision(3)} per dimension, and the limit ${limit.toPrecision(3)}.`,
    value: distance,
    limit,
  }
}

function shares({ variances, total }: { variances: Float64Array; total: number }): number[] {
  return Array.from(variances.subarray(0, SHARES), (value) => (total > 0 ? value / total : 0))
}

/** Rows brought to unit length, some at a time. */
function eachBlock(
  rows: Rows,
  indices: Uint32Array,
  cols: number,
  visit: (block: Matrix, indices: Uint32Array) => void,
): void {
  for (let at = 0; at < indices.length; at += BLOCK) {
    const part = indices.subarray(at, at + BLOCK)
    visit(unitRows(rows, part, cols), part)
  }
}

function firstRows({ data, rows, cols }: Matrix, count: number): Matrix {
  const kept = Math.min(rows, count)
  return { data: data.subarray(0, kept * cols), rows: kept, cols }
}
