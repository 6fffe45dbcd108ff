/** Text to chunks by tokens. Loads nothing native: what counts tokens is handed in. */
export { type ChunkOrigin, chunkDocument } from './chunk-document.js'
export { chunkText } from './chunk-text.js'
export type { ChunkTextOptions, TextChunk, TokenCounter } from './types.js'
