/**
 * Similarity and distance of two dense vectors, or of embeddings with one.
 *
 * Sums are accumulated in float64, in interleaved partial sums: the order is fixed, so a score is
 * the same in every run. A NaN component makes the score NaN. Every function throws
 * `InvalidInputError` when the lengths differ.
 */

import { InvalidInputError } from '../common/errors.js'
import { shown } from '../common/given.js'
import { isTyped } from '../common/realms.js'
import { binaryDot } from './binary.js'
import { components, type Numbers } from './components.js'
import { type DenseInput, denseOf } from './outputs-of.js'
import type { Metric } from './types.js'

/** Inner product. Of packed bits: agreeing components minus disagreeing ones. */
export function dot(a: DenseInput, b: DenseInput): number {
  const [v, w] = [denseOf(a), denseOf(b)]
  if (isTyped(v, 'Uint8Array') || isTyped(w, 'Uint8Array')) return binaryDot(v, w)
  const x = components(v)
  const y = components(w)
  checkLengths(x, y)
  return dotNumbers(x, y)
}

/**
 * Cosine of the angle, within [-1, 1]. A zero vector has no direction: its cosine with anything is 0.
 */
export function cosine(a: DenseInput, b: DenseInput): number {
  const [v, w] = [denseOf(a), denseOf(b)]
  if (isTyped(v, 'Uint8Array') || isTyped(w, 'Uint8Array')) {
    const bits = v.length * 8
    return bits === 0 ? 0 : binaryDot(v, w) / bits
  }
  const x = components(v)
  const y = components(w)
  checkLengths(x, y)
  // One pass over both: reading is what costs.
  let xy0 = 0
  let xy1 = 0
  let xx0 = 0
  let xx1 = 0
  let yy0 = 0
  let yy1 = 0
  const whole = x.length & ~1
  for (let i = 0; i < whole; i += 2) {
    const x0 = x[i] as number
    const y0 = y[i] as number
    const x1 = x[i + 1] as number
    const y1 = y[i + 1] as number
    xy0 += x0 * y0
    xx0 += x0 * x0
    yy0 += y0 * y0
    xy1 += x1 * y1
    xx1 += x1 * x1
    yy1 += y1 * y1
  }
  if (whole < x.length) {
    const x0 = x[whole] as number
    const y0 = y[whole] as number
    xy0 += x0 * y0
    xx0 += x0 * x0
    yy0 += y0 * y0
  }
  const squares = (xx0 + xx1) * (yy0 + yy1)
  return squares === 0 ? 0 : clampCosine((xy0 + xy1) / Math.sqrt(squares))
}

/** Euclidean (L2) distance. */
export function euclidean(a: DenseInput, b: DenseInput): number {
  const x = components(a)
  const y = components(b)
  checkLengths(x, y)
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  const whole = x.length & ~3
  for (let i = 0; i < whole; i += 4) {
    const d0 = (x[i] as number) - (y[i] as number)
    const d1 = (x[i + 1] as number) - (y[i + 1] as number)
    const d2 = (x[i + 2] as number) - (y[i + 2] as number)
    const d3 = (x[i + 3] as number) - (y[i + 3] as number)
    s0 += d0 * d0
    s1 += d1 * d1
    s2 += d2 * d2
    s3 += d3 * d3
  }
  for (let i = whole; i < x.length; i++) s0 += ((x[i] as number) - (y[i] as number)) ** 2
  return Math.sqrt(s0 + s1 + (s2 + s3))
}

/** Manhattan (L1) distance. */
export function manhattan(a: DenseInput, b: DenseInput): number {
  const x = components(a)
  const y = components(b)
  checkLengths(x, y)
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  const whole = x.length & ~3
  for (let i = 0; i < whole; i += 4) {
    s0 += Math.abs((x[i] as number) - (y[i] as number))
    s1 += Math.abs((x[i + 1] as number) - (y[i + 1] as number))
    s2 += Math.abs((x[i + 2] as number) - (y[i + 2] as number))
    s3 += Math.abs((x[i + 3] as number) - (y[i + 3] as number))
  }
  for (let i = whole; i < x.length; i++) s0 += Math.abs((x[i] as number) - (y[i] as number))
  return s0 + s1 + (s2 + s3)
}

/** Euclidean (L2) length. */
export function norm(a: DenseInput): number {
  const x = components(a)
  return Math.sqrt(dotNumbers(x, x))
}

/** A copy of unit length in float32. A zero vector stays zero. */
export function normalize(a: DenseInput): Float32Array {
  const x = components(a)
  const length = Math.sqrt(dotNumbers(x, x))
  const out = new Float32Array(x.length)
  if (length === 0) return out
  for (let i = 0; i < x.length; i++) out[i] = (x[i] as number) / length
  return out
}

const SCORES: Record<Metric, (a: DenseInput, b: DenseInput) => number> = {
  cosine,
  dot,
  euclidean,
  manhattan,
}

/** The function of a metric's name. */
export function metricFunction(metric: Metric): (a: DenseInput, b: DenseInput) => number {
  const isKnown = typeof metric === 'string' && Object.hasOwn(SCORES, metric)
  const score = isKnown ? SCORES[metric] : undefined
  if (score === undefined) {
    throw new InvalidInputError(
      `metric must be one of ${Object.keys(SCORES).join(', ')}, not ${shown(metric)}.`,
    )
  }
  return score
}

/** Whether a lower value of this metric means nearer. */
export function isDistance(metric: Metric): boolean {
  return metric === 'euclidean' || metric === 'manhattan'
}

/** Inner product without checks: `y` has at least `x.length` elements. */
export function dotNumbers(x: Numbers, y: Numbers): number {
  let s0 = 0
  let s1 = 0
  let s2 = 0
  let s3 = 0
  const whole = x.length & ~3
  for (let i = 0; i < whole; i += 4) {
    s0 += (x[i] as number) * (y[i] as number)
    s1 += (x[i + 1] as number) * (y[i + 1] as number)
    s2 += (x[i + 2] as number) * (y[i + 2] as number)
    s3 += (x[i + 3] as number) * (y[i + 3] as number)
  }
  for (let i = whole; i < x.length; i++) s0 += (x[i] as number) * (y[i] as number)
  return s0 + s1 + (s2 + s3)
}

/** Rounding can take a cosine a hair beyond 1, where `Math.acos` gives NaN. NaN stays NaN. */
export function clampCosine(value: number): number {
  return Math.max(-1, Math.min(1, value))
}

function checkLengths(a: ArrayLike<number>, b: ArrayLike<number>): void {
  if (a.length !== b.length) {
    throw new InvalidInputError(`Vectors of ${a.length} and ${b.length} dimensions do not compare.`)
  }
}
