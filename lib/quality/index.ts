/**
 * Are these embeddings any good? Checks, comparisons and evaluations: pure functions over arrays,
 * without the engine, as `bge-m3-node/quality`.
 */
export {
  type BootstrapOptions,
  meanInterval,
  pearsonInterval,
  spearmanInterval,
} from './bootstrap.js'
export { type ClusterQuality, clusterQuality } from './clusters.js'
export { compareEmbeddings, compareOutputs } from './compare.js'
export {
  compareGolden,
  encodeGolden,
  GOLDEN_TOLERANCE,
  type GoldenComparison,
  type GoldenItem,
  type GoldenOutput,
  type GoldenSet,
  parseGolden,
} from './golden.js'
export { type Grades, ndcgAt, recallAt, reciprocalRankAt } from './metrics.js'
export { type Judgements, QrelsReader } from './qrels.js'
export { createReference } from './reference.js'
export { qualityReport } from './report.js'
export {
  type RetrievalDocument,
  RetrievalEvaluation,
  type RetrievalOptions,
  type RetrievalQuery,
} from './retrieval.js'
export { distribution, pearson, quantile, spearman } from './stats.js'
export { type StsPair, type StsScores, scorePair, stsMetrics } from './sts.js'
export * from './types.js'
export { vectorQuality } from './vector.js'
export { type Verification, type VerifyOptions, verifyRows } from './verify.js'
