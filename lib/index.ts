/** The public API. */
export { Embedder } from './embedder.js'
export * from './errors.js'
export { embedNamed, type NamedEmbeddings } from './named.js'
export { fromBinary, fromFloat16, fromInt8 } from './precision.js'
export * from './scoring/index.js'
export type * from './types.js'
