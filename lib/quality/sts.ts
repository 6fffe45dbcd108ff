/** Semantic textual similarity: do the scores of pairs rank as people's do? */

import { checkList, checkNumbers, checkObject } from '../common/given.js'
import { computeScore, DEFAULT_WEIGHTS, type ScoreWeights } from '../scoring/hybrid.js'
import type { ScoredOutputs } from '../scoring/types.js'
import { pearsonInterval, spearmanInterval } from './bootstrap.js'
import { pearson, spearman } from './stats.js'
import type {
  EvaluationMode,
  EvaluationReport,
  Interval,
  MetricName,
  ModeMetrics,
} from './types.js'

/** Two sentences and how similar people find them. */
export interface StsPair {
  sentence1: string
  sentence2: string
  /** What people say; higher is more similar, on any scale. */
  score: number
}

/** Scores of one pair in the modes that its outputs allow. */
export type StsScores = Partial<Record<EvaluationMode, number>>

/** The first sentence is ColBERT's query. Without ColBERT the hybrid score is that of dense and sparse. */
export function scorePair(
  first: ScoredOutputs,
  second: ScoredOutputs,
  weights: ScoreWeights = DEFAULT_WEIGHTS,
): StsScores {
  const scores = computeScore(first, second, { weights })
  const hybrid = scores['colbert+sparse+dense'] ?? scores['sparse+dense']
  const { dense, sparse, colbert } = scores
  const modes = { dense, sparse, colbert, hybrid }
  return Object.fromEntries(Object.entries(modes).filter(([, score]) => score !== undefined))
}

/**
 * Spearman's and Pearson's correlation of scores and gold, per mode, with bootstrap intervals. Modes
 * that a pair lacks are left out, and so is a measure that is not defined (a side that does not vary).
 */
export function stsMetrics(
  scores: readonly StsScores[],
  gold: ArrayLike<number>,
  options: { samples?: number; seed?: number } = {},
): Pick<EvaluationReport, 'ci' | EvaluationMode> {
  checkList(scores, 'Scores')
  for (const pair of scores) checkObject(pair, 'The scores of a pair')
  checkNumbers(gold, 'Gold')
  const report: Pick<EvaluationReport, 'ci' | EvaluationMode> = { ci: {} }
  for (const mode of ['dense', 'sparse', 'colbert', 'hybrid'] as const) {
    const values = scores.map((pair) => pair[mode] ?? Number.NaN)
    if (values.length === 0 || values.some(Number.isNaN)) continue
    const metrics: ModeMetrics = {}
    const ci: Partial<Record<MetricName, Interval>> = {}
    const add = (name: 'spearman' | 'pearson', value: number | null, range: Interval | null) => {
      if (value !== null) metrics[name] = value
      if (range !== null) ci[name] = range
    }
    add('spearman', spearman(values, gold), spearmanInterval(values, gold, options))
    add('pearson', pearson(values, gold), pearsonInterval(values, gold, options))
    report[mode] = metrics
    report.ci[mode] = ci
  }
  return report
}
