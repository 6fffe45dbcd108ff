/** The order in which modes and measures of an evaluation are shown. */
import type { EvaluationMode, MetricName } from './types.js'

export const EVALUATION_MODES: readonly EvaluationMode[] = [
  'dense',
  'sparse',
  'colbert',
  'hybrid',
  'reranker',
]

export const METRIC_NAMES: readonly MetricName[] = [
  'accuracy@1',
  'accuracy@10',
  'precision@10',
  'recall@1',
  'recall@10',
  'recall@100',
  'map@100',
  'ndcg@10',
  'mrr@10',
  'spearman',
  'pearson',
]
