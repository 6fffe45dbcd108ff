/** One vector: is it usable, and does it look like the others? */

import { InvalidInputError } from '../common/errors.js'
import { checkNumeric, refuseUnknown } from '../common/given.js'
import { isTyped } from '../common/realms.js'
import { components, type Numbers } from '../scoring/components.js'
import type { Vector } from '../scoring/types.js'
import { referenceDistances } from './reference.js'
import { lengthOf } from './rows.js'
import type { Issue, Reference, ScoreParts, VectorQuality, VectorQualityOptions } from './types.js'

/** Float16 components of a unit vector move its length by less than 0.0005. */
const NORM_TOLERANCE = 0.001
/** Share of the components that may carry everything; of normal components a third do. */
const LEAST_EFFECTIVE_SHARE = 0.02
/** Standard deviation over root mean square of the components: 0 for a constant vector, about 1 else. */
const LEAST_VARIATION = 0.1
/** Zeros in a row at the end that chance does not give: of floats, of int8 steps, of bits. */
const ZERO_RUN = { float: 3, int8: 8, bits: 64 }

/**
 * Checks one vector.
 *
 * Without a reference it is judged by itself: length, finite, norm, collapsed, truncated. What lies in
 * the wrong place (another model's vector, shuffled dimensions) is found only against a reference, and
 * the vector of another text not at all: see `verifyRows`.
 *
 * The score, its soundness, is the product of the parts, so 1 means that nothing was found, and 0 that the vector is of
 * no use.
 *
 * @throws InvalidInputError when `vector` is no vector
 */
export function vectorQuality(vector: Vector, options: VectorQualityOptions = {}): VectorQuality {
  checkNumeric({ expectedDim: options?.expectedDim })
  refuseUnknown(options, ['expectedDim', 'reference', 'normalized'], 'vectorQuality')
  const { reference } = options
  const row = components(vector)
  const expected = options.expectedDim ?? reference?.dimensions
  const issues: Issue[] = []
  const parts: ScoreParts = {
    dimension: 1,
    finite: 1,
    norm: 1,
    spread: 1,
    typical: reference === undefined ? null : 1,
  }
  if (row.length === 0 || (expected !== undefined && row.length !== expected)) {
    parts.dimension = 0
    issues.push(dimensionIssue(row.length, expected))
  }
  const bad = countNotFinite(row)
  if (bad > 0) {
    parts.finite = 0
    issues.push({
      kind: 'not-finite',
      severity: 'error',
      message: `${bad} of ${row.length} components are NaN or infinite.`,
      value: bad,
      limit: 0,
    })
  }
  const norm = lengthOf(row)
  const usable = row.length > 0 && bad === 0
  if (usable && norm === 0) {
    parts.norm = 0
    issues.push({ kind: 'zero', severity: 'error', message: 'All components are zero.', value: 0 })
  } else if (usable) {
    checkNorm(norm, vector, options, parts, issues)
    checkSpread(row, vector, parts, issues)
    checkTail(row, vector, parts, issues)
    if (reference !== undefined && row.length === reference.dimensions) {
      checkTypical(row, reference, parts, issues)
    }
  }
  return { score: scoreOf(parts), parts, norm: Number.isFinite(norm) ? norm : null, issues }
}

/** The product of the parts that are there. */
export function scoreOf({ dimension, finite, norm, spread, typical }: ScoreParts): number {
  return dimension * finite * norm * spread * (typical ?? 1)
}

function dimensionIssue(length: number, expected: number | undefined): Issue {
  const issue: Issue = {
    kind: 'dimension',
    severity: 'error',
    message:
      expected === undefined
        ? 'It has no components.'
        : `It has ${length} components, and ${expected} are expected.`,
    value: length,
  }
  if (expected !== undefined) issue.limit = expected
  return issue
}

function countNotFinite(row: Numbers): number {
  let bad = 0
  for (let i = 0; i < row.length; i++) if (!Number.isFinite(row[i] as number)) bad++
  return bad
}

function checkNorm(
  norm: number,
  vector: Vector,
  { normalized, reference }: VectorQualityOptions,
  parts: ScoreParts,
  issues: Issue[],
): void {
  const unscaled = isTyped(vector, 'Int8Array') || isTyped(vector, 'Uint8Array')
  if (unscaled || (normalized === false && reference === undefined)) return
  const range =
    normalized === false
      ? (reference as Reference).norm
      : { median: 1, low: 1 - NORM_TOLERANCE, high: 1 + NORM_TOLERANCE }
  if (norm >= range.low && norm <= range.high) return
  parts.norm = Math.min(norm / range.median, range.median / norm)
  issues.push({
    kind: 'norm',
    severity: 'error',
    message: `Its length is ${norm.toPrecision(4)}, outside ${range.low.toPrecision(4)} to ${range.high.toPrecision(4)}.`,
    value: norm,
    limit: norm < range.low ? range.low : range.high,
  })
}

/** Constant vectors, and those where a few components hold all of the length. */
function checkSpread(row: Numbers, vector: Vector, parts: ScoreParts, issues: Issue[]): void {
  const n = row.length
  if (n < 8) return // says nothing about so few
  let sum = 0
  let largest = 0
  for (let i = 0; i < n; i++) {
    sum += row[i] as number
    largest = Math.max(largest, Math.abs(row[i] as number))
  }
  let squares = 0
  let fourths = 0
  let around = 0
  const mean = sum / n / largest
  for (let i = 0; i < n; i++) {
    const value = (row[i] as number) / largest // no square of it under- or overflows
    const square = value * value
    squares += square
    fourths += square * square
    around += (value - mean) ** 2
  }
  const variation = Math.sqrt(around / squares)
  // the participation ratio: how many equal components would be as concentrated
  const share = (squares * squares) / fourths / n
  const least = Math.max(LEAST_EFFECTIVE_SHARE, 1.5 / n)
  // a vector of bits is +1 and -1, whose mean is what varies
  const limit = isTyped(vector, 'Uint8Array') ? LEAST_VARIATION / 2 : LEAST_VARIATION
  parts.spread = Math.min(1, variation / limit, share / least)
  if (parts.spread === 1) return
  const isConstant = variation < limit
  issues.push({
    kind: 'collapsed',
    severity: 'error',
    message: isConstant
      ? `Its components are nearly all alike (they vary by ${variation.toPrecision(3)} of their size).`
      : `${(share * n).toPrecision(3)} of ${n} components carry all of it.`,
    value: isConstant ? variation : share,
    limit: isConstant ? limit : least,
  })
}

function checkTail(row: Numbers, vector: Vector, parts: ScoreParts, issues: Issue[]): void {
  const isBits = isTyped(vector, 'Uint8Array')
  const missing = isBits ? -1 : 0 // what a zero bit stands for
  let run = 0
  while (run < row.length && row[row.length - 1 - run] === missing) run++
  const limit = isBits
    ? ZERO_RUN.bits
    : isTyped(vector, 'Int8Array')
      ? ZERO_RUN.int8
      : ZERO_RUN.float
  if (run < limit || run === row.length) return
  parts.spread *= 1 - run / row.length
  issues.push({
    kind: 'truncated',
    severity: 'error',
    message: `Its last ${run} of ${row.length} components are zero.`,
    value: run,
    limit,
  })
}

function checkTypical(
  row: Numbers,
  reference: Reference,
  parts: ScoreParts,
  issues: Issue[],
): void {
  const { within, off } = referenceDistances(reference, row)
  const { limits } = reference
  const excess = Math.max(within / limits.within, off / limits.off)
  if (excess <= 1) return
  parts.typical = 1 / excess
  issues.push(outlierIssue(within, off, limits))
}

/** The issue of a vector that is over one of the reference's limits. */
export function outlierIssue(within: number, off: number, limits: Reference['limits']): Issue {
  const isOff = off / limits.off >= within / limits.within
  const value = isOff ? off : within
  const limit = isOff ? limits.off : limits.within
  const where = isOff ? 'off' : 'within'
  return {
    kind: 'outlier',
    severity: 'error',
    message: `It is not like the reference: its squared distance ${where} the principal directions is ${value.toPrecision(3)}, and the limit ${limit.toPrecision(3)}.`,
    value,
    limit,
  }
}

/** @throws InvalidInputError */
export function checkReference(
  reference: Reference | undefined,
  expectedDim: number | undefined,
): void {
  if (reference && expectedDim !== undefined && reference.dimensions !== expectedDim) {
    throw new InvalidInputError(
      `The reference has ${reference.dimensions} dimensions, and ${expectedDim} are expected.`,
    )
  }
}
