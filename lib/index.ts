/** The public API. */
export type { EmbeddingCache } from './cache/cache.js'
export type {
  Asked,
  CachedOutputs,
  CacheOptions,
  CacheStats,
  DiskOptions,
  DiskState,
  DiskStats,
  EntryInfo,
  ImportResult,
  Limit,
  MemoryStats,
  ModelUsage,
} from './cache/types.js'
export {
  type ChunkOrigin,
  type ChunkTextOptions,
  chunkDocument,
  chunkText,
  type TextChunk,
  type TokenCounter,
} from './chunking/index.js'
export type { Diagnosis, DiagnosticFinding } from './diagnose.js'
export type {
  ChunkList,
  Documents,
  EmbeddingResult,
  Source,
  StreamItem,
  StreamOptions,
} from './documents/index.js'
export { Embedder } from './embedder.js'
export * from './errors.js'
export { embedNamed, type NamedEmbeddings } from './named.js'
export { fromBinary, fromFloat16, fromInt8 } from './precision.js'
export * from './scoring/index.js'
export type * from './types.js'
