/** Distributions as charts. */

import type { Distribution } from '../../../quality/types.js'
import type { HistogramSpec } from '../shared/data.js'
import { number } from '../shared/format.js'

export function distributionChart(
  about: { id: string; title: string; xLabel: string; yLabel: string },
  { histogram, count, median, p05, p95 }: Distribution,
): HistogramSpec {
  const summary = `Of ${number(count)}, half lie below ${number(median)}, and nine in ten between ${number(p05)} and ${number(p95)}.`
  const { from, to, counts } = histogram
  return { kind: 'histogram', ...about, summary, from, to, counts }
}

/** Lengths of normalized vectors differ by rounding, which is nothing to look at. */
export function varies({ min, max }: Pick<Distribution, 'min' | 'max'>): boolean {
  return max - min > 1e-3 * max
}

/** The same figures for several distributions, side by side. */
export const DISTRIBUTION_HEADS = ['', 'min', '5 %', 'median', 'mean', '95 %', 'max', 'sd'] as const

export function distributionRow(name: string, d: Distribution): (string | number)[] {
  return [name, d.min, d.p05, d.median, d.mean, d.p95, d.max, d.sd]
}
