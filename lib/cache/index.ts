/** The cache of embeddings. */
export { EmbeddingCache } from './cache.js'
export { DEFAULT_DISK_BYTES, DEFAULT_TTL_MS, embeddingsDir } from './defaults.js'
export { storeDir } from './disk/open.js'
export type * from './types.js'
