/** Numbers about numbers: quantiles, histograms, ranks and correlations. */

import { checkNumbers, checkNumeric } from '../common/given.js'
import type { Distribution } from './types.js'

type Values = ArrayLike<number>

const BINS = 40

/**
 * The quantile of sorted values with linear interpolation between ranks (type 7 of Hyndman and Fan,
 * 1996: the default of NumPy and R). NaN for no values.
 */
export function quantile(sorted: Values, q: number): number {
  checkNumbers(sorted, 'Sorted values')
  checkNumeric({ q })
  if (sorted.length === 0) return Number.NaN
  const at = q * (sorted.length - 1)
  const low = sorted[Math.floor(at)] as number
  const high = sorted[Math.ceil(at)] as number
  return low + (high - low) * (at - Math.floor(at))
}

export function median(values: Values): number {
  return quantile(Float64Array.from(values).sort(), 0.5)
}

export function mean(values: Values): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i] as number
  return sum / values.length
}

/**
 * Quantiles, moments and a histogram; `null` without values.
 *
 * @param values finite
 * @param range of the histogram, which has to hold all values; by default from the least to the largest
 */
export function distribution(
  values: Values,
  range?: readonly [from: number, to: number],
): Distribution | null {
  checkNumbers(values, 'Values')
  if (range !== undefined) checkNumbers(range, 'A range')
  if (values.length === 0) return null
  const sorted = Float64Array.from(values).sort()
  const at = (q: number) => quantile(sorted, q)
  const average = mean(sorted)
  let squares = 0
  for (const value of sorted) squares += (value - average) ** 2
  const from = range?.[0] ?? at(0)
  const to = range?.[1] ?? at(1)
  return {
    count: sorted.length,
    min: at(0),
    p01: at(0.01),
    p05: at(0.05),
    p25: at(0.25),
    median: at(0.5),
    p75: at(0.75),
    p95: at(0.95),
    p99: at(0.99),
    max: at(1),
    mean: average,
    sd: Math.sqrt(squares / sorted.length),
    histogram: { from, to, counts: countBins(sorted, from, to) },
  }
}

function countBins(values: Float64Array, from: number, to: number): number[] {
  const width = to - from
  if (!(width > 0)) return [values.length]
  const counts = new Array<number>(BINS).fill(0)
  for (const value of values) {
    const bin = Math.floor(((value - from) / width) * BINS)
    const inside = Math.max(0, Math.min(BINS - 1, bin))
    counts[inside] = (counts[inside] as number) + 1
  }
  return counts
}

/** Ranks from 1; equal values share the mean of their ranks. */
export function ranks(values: Values): Float64Array {
  const { levels, counts } = rankLevels(values)
  const rankOf = levelRanks(counts)
  return Float64Array.from(levels, (level) => rankOf[level] as number)
}

/** The position of each value among the distinct ones, and how often each of these occurs. */
export function rankLevels(values: Values): { levels: Uint32Array; counts: Float64Array } {
  checkNumbers(values, 'Values')
  const order = Uint32Array.from({ length: values.length }, (_, i) => i)
  order.sort((a, b) => (values[a] as number) - (values[b] as number))
  const levels = new Uint32Array(values.length)
  let level = 0
  for (let i = 1; i < order.length; i++) {
    if (values[order[i] as number] !== values[order[i - 1] as number]) level++
    levels[order[i] as number] = level
  }
  const counts = new Float64Array(values.length === 0 ? 0 : level + 1)
  for (const of of levels) counts[of] = (counts[of] as number) + 1
  return { levels, counts }
}

/** The mean rank of each level, of which `counts` says how often it occurs (perhaps never). */
export function levelRanks(counts: Float64Array): Float64Array {
  let before = 0
  return counts.map((count) => {
    const rank = before + (count + 1) / 2
    before += count
    return rank
  })
}

/** Pearson's correlation; `null` where either side does not vary. */
export function pearson(x: Values, y: Values): number | null {
  checkNumbers(x, 'Values')
  checkNumbers(y, 'Values')
  const meanX = mean(x)
  const meanY = mean(y)
  let xy = 0
  let xx = 0
  let yy = 0
  for (let i = 0; i < x.length; i++) {
    const dx = (x[i] as number) - meanX
    const dy = (y[i] as number) - meanY
    xy += dx * dy
    xx += dx * dx
    yy += dy * dy
  }
  const scale = Math.sqrt(xx) * Math.sqrt(yy)
  return scale > 0 ? Math.max(-1, Math.min(1, xy / scale)) : null
}

/** Spearman's rank correlation, ties at their mean rank; `null` where either side does not vary. */
export function spearman(x: Values, y: Values): number | null {
  return pearson(ranks(x), ranks(y))
}
