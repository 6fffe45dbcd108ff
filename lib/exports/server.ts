/** `bge-m3-node/server`: embeddings over HTTP. */
export type { LoadedReranker, ServerContext } from '../apps/server/core/context.js'
export {
  SERVER_OPTIONS,
  type ServerConfig,
  type ServerOptionName,
  type ServerOptionValues,
} from '../apps/server/core/options.js'
export type { ServedEmbedder, ServedReranker, ServerState } from '../apps/server/core/served.js'
export type * from '../apps/server/core/wire.js'
export { createServer, type Server, type ServerOptions } from '../apps/server/server.js'
