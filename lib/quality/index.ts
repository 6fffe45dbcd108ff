/**
 * Are these embeddings any good? Checks, comparisons and evaluations: pure functions over arrays,
 * without the engine, as `bge-m3-node/quality`.
 *
 *     vectorQuality(vector: Vector, options?: VectorQualityOptions): VectorQuality
 *     qualityReport(vectors: Vectors, options?: QualityOptions): QualityReport
 *     createReference(vectors: Vectors, options?: { seed?: number }): Reference
 *     compareEmbeddings(a: Vectors, b: Vectors, options?: CompareOptions): ComparisonReport
 *     compareOutputs(a: readonly ComparedOutputs[], b: readonly ComparedOutputs[], options?: CompareOptions): ComparisonReport
 */
export { createReference } from './reference.js'
export { qualityReport } from './report.js'
export * from './types.js'
export { vectorQuality } from './vector.js'
