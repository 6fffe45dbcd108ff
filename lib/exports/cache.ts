/** `bge-m3-node/cache`: the cache of embeddings by itself. */
export type { EmbeddingCache } from '../cache/cache.js'
export type { CacheHit, CacheKey } from '../cache/entry/hit.js'
export type { KeptEmbedding } from '../cache/entry/kept.js'
export type { EntryInfo, ImportResult } from '../cache/entry/types.js'
export { type OpenCacheOptions, openCache } from '../cache/open.js'
export type { CacheStats, DiskState, DiskStats, MemoryStats } from '../common/cache-stats.js'
