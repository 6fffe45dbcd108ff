/**
 * Scores of embeddings: pure functions over arrays, without the engine. Also importable by themselves
 * as `bge-m3-node/scoring`.
 */

export { hamming } from './binary.js'
export { colbertScore, maxSimilarities } from './colbert.js'
export { cosine, dot, euclidean, manhattan, norm, normalize } from './dense.js'
export {
  type AllOutputs,
  combineScores,
  computeScore,
  DEFAULT_WEIGHTS,
  hybridScore,
  SCORE_MODES,
  type ScoreOptions,
  type ScorePair,
  type Scores,
  type ScoreWeights,
} from './hybrid.js'
export { type Clusters, type KMeansOptions, kMeans } from './kmeans.js'
export { similarities, similarityMatrix, toMatrix } from './matrix.js'
export { type SimdHelpers, useSimd } from './simd.js'
export { lexicalScore, sparseFromWeights } from './sparse.js'
export { type Hit, topK, topKScores } from './topk.js'
export type {
  Matrix,
  Metric,
  MultiVector,
  ScoredOutputs,
  SparseVector,
  Vector,
  VectorSet,
} from './types.js'
