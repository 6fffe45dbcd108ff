/**
 * Scores of embeddings: pure functions over arrays, without the engine. Also importable by themselves
 * as `bge-m3-node/scoring`.
 */

export { hamming } from '../scoring/binary.js'
export { colbertScore, maxSimilarities } from '../scoring/colbert.js'
export { cosine, dot, euclidean, manhattan, norm, normalize } from '../scoring/dense.js'
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
} from '../scoring/hybrid.js'
export { type Clusters, type KMeansOptions, kMeans } from '../scoring/kmeans.js'
export { similarities, similarityMatrix, toMatrix } from '../scoring/matrix.js'
export type { ColbertInput, DenseInput, SparseInput } from '../scoring/outputs-of.js'
export { lexicalMatrix, lexicalScore, sparseFromWeights } from '../scoring/sparse.js'
export { type Hit, topK, topKScores } from '../scoring/topk.js'
export type {
  Matrix,
  Metric,
  MultiVector,
  ScoredOutputs,
  SparseVector,
  Vector,
  VectorSet,
} from '../scoring/types.js'
