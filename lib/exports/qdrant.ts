/** `bge-m3-node/qdrant`: embeddings in a Qdrant collection, and hybrid search in it. */

export type { BatchReport } from '../integrations/batch-report.js'
export {
  type ChunkPlace,
  type DocumentCutting,
  type DocumentParts,
  trimDocuments,
} from '../integrations/chunked.js'
export type { QdrantVectorNames } from '../integrations/stores/qdrant/collection.js'
export type {
  QdrantConnectionOptions,
  QdrantRetry,
} from '../integrations/stores/qdrant/connection.js'
export { loadQdrant } from '../integrations/stores/qdrant/load.js'
export type {
  LoadQdrantFailure,
  LoadQdrantOptions,
  LoadQdrantProgress,
  LoadQdrantResult,
} from '../integrations/stores/qdrant/load-types.js'
export { pointId } from '../integrations/stores/qdrant/point-id.js'
export {
  MULTIVECTOR_NUMBERS,
  type QdrantChunk,
  type QdrantPayload,
} from '../integrations/stores/qdrant/points.js'
export { type HybridQueryOptions, hybridQuery } from '../integrations/stores/qdrant/query.js'
export {
  type QdrantHit,
  type QdrantModel,
  type QdrantSearchOptions,
  QdrantStore,
  type QdrantStoreOptions,
  type QdrantStoreStats,
} from '../integrations/stores/qdrant/store.js'
