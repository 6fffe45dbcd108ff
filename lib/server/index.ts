/** `bge-m3-node/server`: embeddings over HTTP. */
export type { ServerContext } from './context.js'
export {
  SERVER_OPTIONS,
  type ServerConfig,
  type ServerOptionName,
  type ServerOptionValues,
} from './options.js'
export type { ServedEmbedder, ServerState } from './served.js'
export { createServer, type Server, type ServerOptions } from './server.js'
export type * from './wire.js'
