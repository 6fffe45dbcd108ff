/**
 * Are these embeddings any good? Checks, comparisons and evaluations: pure functions over arrays,
 * without the engine, as `bge-m3-node/quality`.
 */
export {
  type BootstrapOptions,
  meanInterval,
  pearsonInterval,
  spearmanInterval,
} from '../quality/bootstrap.js'
export { type ClusterQuality, clusterQuality } from '../quality/clusters.js'
export { compareEmbeddings, compareOutputs } from '../quality/compare.js'
export {
  compareGolden,
  encodeGolden,
  GOLDEN_TOLERANCE,
  type GoldenComparison,
  type GoldenItem,
  type GoldenOutput,
  type GoldenSet,
  parseGolden,
} from '../quality/golden.js'
export {
  accuracyAt,
  averagePrecisionAt,
  type Grades,
  ndcgAt,
  precisionAt,
  recallAt,
  reciprocalRankAt,
} from '../quality/metrics.js'
export { type Judgements, QrelsReader } from '../quality/qrels.js'
export { createReference } from '../quality/reference.js'
export { qualityReport } from '../quality/report.js'
export {
  type RetrievalDocument,
  RetrievalEvaluation,
  type RetrievalOptions,
  type RetrievalQuery,
} from '../quality/retrieval.js'
export { distribution, pearson, quantile, spearman } from '../quality/stats.js'
export { type StsPair, type StsScores, scorePair, stsMetrics } from '../quality/sts.js'
export * from '../quality/types.js'
export { vectorQuality } from '../quality/vector.js'
export { type Verification, type VerifyOptions, verifyRows } from '../quality/verify.js'
