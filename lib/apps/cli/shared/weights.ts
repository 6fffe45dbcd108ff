/** The weights of a hybrid score as `--weights` gives them. */

import type { ScoreWeights } from '../../../scoring/hybrid.js'
import { UsageError } from './errors.js'

/** @throws UsageError */
export function parseWeights(text: string): ScoreWeights {
  const [dense = Number.NaN, sparse = Number.NaN, colbert = Number.NaN, ...rest] = text
    .split(',')
    .map((part) => (/^\s*\d*\.?\d+\s*$/.test(part) ? Number(part) : Number.NaN))
  const all = [dense, sparse, colbert, ...rest]
  if (all.length !== 3 || all.some(Number.isNaN) || dense + sparse + colbert === 0) {
    throw new UsageError(
      '--weights must be three numbers from 0 for dense, sparse and colbert, such as 0.4,0.2,0.4, and not all zero.',
    )
  }
  return [dense, sparse, colbert]
}
