/** Percentile bootstrap intervals (Efron, 1979): how far a figure would move with other queries. */

import { InvalidInputError } from '../common/errors.js'
import { checkNumbers, checkNumeric, refuseUnknown, shown } from '../common/given.js'
import { seededRandom } from '../scoring/random.js'
import { levelRanks, pearson, quantile, rankLevels } from './stats.js'
import type { Interval } from './types.js'

export interface BootstrapOptions {
  /** Resamples. Default 1,000. */
  samples?: number
  seed?: number
  /** Default 0.95. */
  confidence?: number
}

/** Confidence interval of the mean of one value per query. `null` without values. */
export function meanInterval(
  values: ArrayLike<number>,
  options: BootstrapOptions = {},
): Interval | null {
  checkNumbers(values, 'Values')
  const n = values.length
  if (n === 0) return null
  return interval(options, (random) => {
    let sum = 0
    for (let i = 0; i < n; i++) sum += values[Math.floor(random() * n)] as number
    return sum / n
  })
}

/** Confidence interval of Spearman's correlation of pairs. `null` where it is not defined. */
export function spearmanInterval(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  options: BootstrapOptions = {},
): Interval | null {
  const n = x.length
  const left = rankLevels(x)
  const right = rankLevels(y)
  const drawn = new Uint32Array(n)
  const countsX = new Float64Array(left.counts.length)
  const countsY = new Float64Array(right.counts.length)
  return interval(options, (random) => {
    countsX.fill(0)
    countsY.fill(0)
    // Ranks within the resample come from counts of the levels: no sorting a thousand times.
    for (let i = 0; i < n; i++) {
      const pick = Math.floor(random() * n)
      drawn[i] = pick
      bump(countsX, left.levels[pick] as number)
      bump(countsY, right.levels[pick] as number)
    }
    const ranksX = levelRanks(countsX)
    const ranksY = levelRanks(countsY)
    return pearson(
      Float64Array.from(drawn, (pick) => ranksX[left.levels[pick] as number] as number),
      Float64Array.from(drawn, (pick) => ranksY[right.levels[pick] as number] as number),
    )
  })
}

/** Confidence interval of Pearson's correlation of pairs. `null` where it is not defined. */
export function pearsonInterval(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  options: BootstrapOptions = {},
): Interval | null {
  checkNumbers(x, 'Values')
  checkNumbers(y, 'Values')
  const n = x.length
  return interval(options, (random) => {
    const drawn = Uint32Array.from({ length: n }, () => Math.floor(random() * n))
    return pearson(
      Float64Array.from(drawn, (pick) => x[pick] as number),
      Float64Array.from(drawn, (pick) => y[pick] as number),
    )
  })
}

function bump(counts: Float64Array, at: number): void {
  counts[at] = (counts[at] as number) + 1
}

/** Resamples without a value (all pairs alike) are left out. */
function interval(
  options: BootstrapOptions,
  draw: (random: () => number) => number | null,
): Interval | null {
  refuseUnknown(options, ['samples', 'seed', 'confidence'], 'An interval')
  const { samples = 1000, seed = 0, confidence = 0.95 } = options
  checkNumeric({ seed, confidence })
  if (!Number.isInteger(samples) || samples < 1 || samples > 1_000_000) {
    throw new InvalidInputError(
      `\`samples\` must be an integer from 1 to 1000000, not ${shown(samples)}.`,
    )
  }
  const random = seededRandom(seed)
  const values: number[] = []
  for (let i = 0; i < samples; i++) {
    const value = draw(random)
    if (value !== null) values.push(value)
  }
  if (values.length === 0) return null
  const sorted = Float64Array.from(values).sort()
  const tail = (1 - confidence) / 2
  return [quantile(sorted, tail), quantile(sorted, 1 - tail)]
}
