/** The cache of embeddings. */
export { EmbeddingCache } from './cache.js'
export { storeDir } from './disk/open.js'
export type * from './types.js'
