/** The public API. */
export type { EmbeddingCache } from './cache/cache.js'
export type {
  CacheOptions,
  DiskOptions,
  EntryInfo,
  ImportResult,
} from './cache/entry/types.js'
export { type ChunkOrigin, chunkDocument } from './chunking/chunk-document.js'
export { chunkText } from './chunking/chunk-text.js'
export type { ChunkTextOptions, TextChunk, TokenCounter } from './chunking/types.js'
export type { AbortSignalLike } from './common/abort.js'
export type { CacheStats, DiskState, DiskStats, MemoryStats } from './common/cache-stats.js'
export * from './common/errors.js'
export { fromFloat16 } from './common/float16.js'
export type * from './common/types.js'
export type { Diagnosis, DiagnosticFinding } from './embedder/diagnose.js'
export type { ChunkList, Documents } from './embedder/documents/chunks.js'
export type { Source } from './embedder/documents/source.js'
export type { StreamItem, StreamOptions, StreamResultFor } from './embedder/documents/stream.js'
export type { ChunkOptions, DocumentOptions, EmbeddingResult } from './embedder/documents/types.js'
export { Embedder, type TokenStatesOptions } from './embedder/embedder.js'
export type {
  ClassifierInput,
  OutputsRerankOptions,
  PairTruncation,
  PredictOptions,
  RankedDocument,
  RerankBy,
  RerankOptions,
  RerankResult,
} from './embedder/rerank/types.js'
export {
  Reranker,
  type RerankerInfo,
  type RerankerOptions,
  type RerankerStats,
} from './embedder/reranker.js'
export { Tokenizer, type TokenizerInfo, type TokenizerOptions } from './embedder/tokenizer.js'
export * from './exports/scoring.js'
export type { LoadOptions } from './options/types.js'
export { calibrate } from './outputs/calibration.js'
export { fromBinary, fromInt8 } from './outputs/precision.js'
