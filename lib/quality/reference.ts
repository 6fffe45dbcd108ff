/** What clean vectors look like, learnt from a set of them. */

import { InvalidInputError } from '../common/errors.js'
import { refuseUnknown } from '../common/given.js'
import type { Numbers } from '../scoring/components.js'
import { seededRandom } from '../scoring/random.js'
import type { Matrix } from '../scoring/types.js'
import { lengthOf, rowsOf, takeRows, unitRows } from './rows.js'
import { quantile } from './stats.js'
import { fitSubspace, type Subspace, subspaceDistances, unrelatedTotal } from './subspace.js'
import type { Reference, Vectors } from './types.js'

/** Below it, limits would say nothing. */
export const LEAST_REFERENCE = 50
/** Vectors that the Gaussian is fitted to, and that the limits are found on, at the most. */
const MOST = 2000
/** The limit lies above all held-out vectors, by this part of their spread above the median. */
const MARGIN = 0.2
/** The largest of a few is no limit: more on top, the fewer they are. */
const MARGIN_OF_ONE = 20

/**
 * Learns from clean vectors what the vectors of a model look like, so that others are recognized:
 * another model's, shuffled dimensions, damage. Half of them (of at most 4,000, seeded) are fitted, the
 * other half set the limits, so a fresh vector like these passes both with a chance of about
 * 1 - 2 / (half + 1).
 *
 * They should be like what will be checked: the same languages, lengths and subjects. A few hundred do.
 *
 * @throws InvalidInputError for fewer than 50, unequal lengths, or a vector that is zero or not finite
 */
export function createReference(vectors: Vectors, options: { seed?: number } = {}): Reference {
  refuseUnknown(options, ['seed'], 'createReference')
  const rows = rowsOf(vectors)
  if (rows.count < LEAST_REFERENCE) {
    throw new InvalidInputError(
      `A reference takes at least ${LEAST_REFERENCE} vectors, not ${rows.count}.`,
    )
  }
  const dimensions = rows.row(0).length
  const norms = Float64Array.from({ length: rows.count }, (_, i) => {
    const row = rows.row(i)
    const norm = lengthOf(row)
    if (row.length !== dimensions || !Number.isFinite(norm) || norm === 0) {
      throw new InvalidInputError(
        `Vector ${i} of the reference is zero, not finite, or not of ${dimensions} dimensions.`,
      )
    }
    return norm
  })
  const order = shuffled(rows.count, options.seed ?? 0)
  const half = Math.min(MOST, Math.floor(rows.count / 2))
  const fitted = unitRows(rows, order.subarray(0, half), dimensions)
  const heldOut = unitRows(rows, order.subarray(half, 2 * half), dimensions)
  const { total: _, ...space } = fitSubspace(fitted)
  const distances = subspaceDistances(space, heldOut)
  return {
    dimensions,
    fitted: half,
    heldOut: heldOut.rows,
    norm: normRange(norms),
    ...space,
    limits: { within: limitOf(distances.within), off: limitOf(distances.off) },
  }
}

/** Both distances of one vector, brought to unit length. */
export function referenceDistances(
  reference: Reference,
  row: Numbers,
): { within: number; off: number } {
  const { dimensions } = reference
  const scale = 1 / lengthOf(row)
  const data = Float32Array.from({ length: dimensions }, (_, t) => (row[t] as number) * scale)
  const distances = subspaceDistances(reference, { data, rows: 1, cols: dimensions })
  return { within: distances.within[0] as number, off: distances.off[0] as number }
}

function limitOf(distances: Float64Array): number {
  const sorted = distances.slice().sort()
  const largest = quantile(sorted, 1)
  const margin = MARGIN + MARGIN_OF_ONE / distances.length
  // 1 is what fitted vectors have on the average: a set without spread is no reason to refuse rounding
  return Math.max(1, largest + margin * (largest - quantile(sorted, 0.5)))
}

/** A quarter of the range on top on either side, and never tighter than rounding. */
function normRange(norms: Float64Array): Reference['norm'] {
  const sorted = norms.slice().sort()
  const median = quantile(sorted, 0.5)
  const low = quantile(sorted, 0)
  const high = quantile(sorted, 1)
  return {
    median,
    low: Math.min(low - MARGIN * (median - low), median * 0.999),
    high: Math.max(high + MARGIN * (high - median), median * 1.001),
  }
}

function shuffled(count: number, seed: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  const random = seededRandom(seed)
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const other = order[j] as number
    order[j] = order[i] as number
    order[i] = other
  }
  return order
}

/** Rounds of leaving out what is over the limit and fitting again. */
const TRIMS = 1
/** Standard deviations below what is expected of a vector that has nothing to do with the set. */
const UNRELATED_DEVIATIONS = 2.5
/** Standard deviations above the median, taken from the quartile above it, that a limit never is below. */
const OWN_DEVIATIONS = 3.5

export interface SetFit {
  limit: number
  /** Total distances of the rows given, each measured by the half it was not in. */
  own: Float64Array
  /** Distances of rows that were not among those given. */
  distances(rows: Matrix): Float64Array
  /** What was fitted to one half. */
  space: Subspace & { total: number }
}

/**
 * The same for a set that may hold bad vectors itself. Each half is measured by what was fitted to the
 * other, and after a first round the fit is repeated without what was over the limit. That lies where
 * vectors that have nothing to do with the set begin, but above what the set's own spread allows: where
 * the two overlap, nothing is found rather than something wrong.
 *
 * @param rows of unit length, at least {@link LEAST_REFERENCE}
 */
export function fitSet(rows: Matrix, seed: number): SetFit {
  const order = shuffled(rows.rows, seed)
  const middle = Math.floor(rows.rows / 2)
  const halves = [order.subarray(0, middle), order.subarray(middle)]
  let limit = Number.POSITIVE_INFINITY
  let own = new Float64Array(rows.rows)
  for (let round = 0; ; round++) {
    const spaces = halves.map((half) => {
      const clean = half.filter((index) => (own[index] as number) <= limit)
      return fitSubspace(takeRows(rows, clean.subarray(0, MOST / 2)))
    })
    const totals = new Float64Array(rows.rows)
    halves.forEach((half, h) => {
      const { total } = subspaceDistances(spaces[1 - h] as Subspace, takeRows(rows, half))
      half.forEach((index, i) => {
        totals[index] = total[i] as number
      })
    })
    own = totals
    const unrelated = spaces.map(unrelatedTotal)
    const begins = unrelated.map(({ mean, sd }) => mean - UNRELATED_DEVIATIONS * sd)
    limit = Math.max(spreadLimit(own), ...begins)
    if (round === TRIMS) {
      const [space] = spaces as [Subspace & { total: number }]
      const distances = (others: Matrix) => subspaceDistances(space, others).total
      return { limit, own, distances, space }
    }
  }
}

function spreadLimit(distances: Float64Array): number {
  const logs = distances.map((distance) => Math.log(distance + 1e-12)).sort()
  const middle = quantile(logs, 0.5)
  const deviation = (quantile(logs, 0.75) - middle) / 0.6745
  return Math.exp(middle + OWN_DEVIATIONS * Math.max(deviation, 1e-3))
}
