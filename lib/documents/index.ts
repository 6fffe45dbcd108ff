/** Streams, chunks and documents over anything that embeds texts. */
export { type ChunkList, type Documents, embedChunks, embedDocuments } from './chunks.js'
export type { EmbedCore, EmbedHooks } from './core.js'
export type { Source } from './source.js'
export { embedStream, type StreamItem, type StreamOptions } from './stream.js'
export type { EmbeddingResult } from './types.js'
