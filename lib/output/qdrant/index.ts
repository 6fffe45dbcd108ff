/** `bge-m3-node/qdrant`: embeddings in a Qdrant collection, and hybrid search in it. */

export type { QdrantVectorNames } from './collection.js'
export type { QdrantConnectionOptions, QdrantRetry } from './connection.js'
export {
  type LoadQdrantFailure,
  type LoadQdrantOptions,
  type LoadQdrantProgress,
  type LoadQdrantResult,
  loadQdrant,
} from './load.js'
export { pointId } from './point-id.js'
export { MULTIVECTOR_NUMBERS, type QdrantChunk, type QdrantPayload } from './points.js'
export { type HybridQueryOptions, hybridQuery } from './query.js'
export {
  type QdrantHit,
  type QdrantModel,
  type QdrantSearchOptions,
  QdrantStore,
  type QdrantStoreOptions,
  type QdrantStoreStats,
} from './store.js'
