/**
 * Are these embeddings any good? Checks, comparisons and evaluations: pure functions over arrays,
 * without the engine, as `bge-m3-node/quality`.
 */
export { type ClusterQuality, clusterQuality } from './clusters.js'
export { compareEmbeddings, compareOutputs } from './compare.js'
export { createReference } from './reference.js'
export { qualityReport } from './report.js'
export * from './types.js'
export { vectorQuality } from './vector.js'
export { type Verification, type VerifyOptions, verifyRows } from './verify.js'
