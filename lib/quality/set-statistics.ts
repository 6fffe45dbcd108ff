/** How the vectors of a set lie to each other. */

import type { Matrix } from '../scoring/types.js'
import { samplePairs } from './sample.js'
import { distribution } from './stats.js'
import type { QualityReport } from './types.js'

/** Fewer vectors say nothing about directions. */
const LEAST_ROWS = 10

/**
 * Cosines of pairs, mean cosine and effective dimension.
 *
 * - Mean cosine (anisotropy: Ethayarajh, 2019) over all pairs, from the length of the rows' sum.
 * - Effective dimension: the participation ratio tr(C)^2 / tr(C^2) of the covariance C. tr(C^2) is the
 *   mean square of the inner products of different centred rows, so it needs no covariance matrix and
 *   has none of the bias that few vectors give the eigenvalues.
 *
 * @param unit rows of unit length
 */
export function setStatistics(
  unit: Matrix,
  maxPairs: number,
  seed: number,
): Pick<QualityReport, 'similarities' | 'anisotropy' | 'effectiveDimension'> {
  const { data, rows: n, cols: d } = unit
  const { a, b, sampled } = samplePairs(n, maxPairs, seed)
  const cosines = new Float64Array(a.length)
  for (let i = 0; i < a.length; i++) {
    const p = (a[i] as number) * d
    const q = (b[i] as number) * d
    let sum = 0
    for (let t = 0; t < d; t++) sum += (data[p + t] as number) * (data[q + t] as number)
    cosines[i] = Math.max(-1, Math.min(1, sum))
  }
  const shape = distribution(cosines)
  if (shape === null) return { similarities: null, anisotropy: null, effectiveDimension: null }
  const mean = meanRow(unit)
  const meanSquare = mean.reduce((sum, value) => sum + value * value, 0)
  // |sum of n unit rows|^2 = n + the cosines of all ordered pairs
  const anisotropy = (n * meanSquare - 1) / (n - 1)
  return {
    similarities: { ...shape, pairs: a.length, sampled },
    anisotropy,
    effectiveDimension:
      n < LEAST_ROWS ? null : participationRatio(unit, mean, meanSquare, { a, b, cosines }),
  }
}

function participationRatio(
  { data, rows: n, cols: d }: Matrix,
  mean: Float64Array,
  meanSquare: number,
  pairs: { a: Uint32Array; b: Uint32Array; cosines: Float64Array },
): number | null {
  const onMean = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    let sum = 0
    for (let t = 0; t < d; t++) sum += (data[i * d + t] as number) * (mean[t] as number)
    onMean[i] = sum
  }
  let sum = 0
  let squares = 0
  const count = pairs.cosines.length
  for (let i = 0; i < count; i++) {
    const x = onMean[pairs.a[i] as number] as number
    const y = onMean[pairs.b[i] as number] as number
    const product = (pairs.cosines[i] as number) - x - y + meanSquare
    sum += product
    squares += product * product
  }
  const trace = (n / (n - 1)) * (1 - meanSquare)
  // about its mean, which centring by the rows' own mean has moved below zero
  const traceOfSquare = squares / count - (sum / count) ** 2
  if (!(traceOfSquare > 1e-15)) return 1 // one point: no direction is in use but its own
  return Math.max(1, Math.min(d, (trace * trace) / traceOfSquare))
}

function meanRow({ data, rows, cols }: Matrix): Float64Array {
  const mean = new Float64Array(cols)
  for (let i = 0; i < rows; i++) {
    for (let t = 0; t < cols; t++) mean[t] = (mean[t] as number) + (data[i * cols + t] as number)
  }
  return mean.map((sum) => sum / rows)
}
