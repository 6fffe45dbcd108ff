/** `bge-m3-node/worker`: an embedder in a worker thread, a child process or Electron's utility process. */
export { connectEmbedder } from '../integrations/worker/connect.js'
export { serveEmbedder } from '../integrations/worker/serve.js'
export type {
  ConnectedEmbedder,
  ConnectOptions,
  EmbedderMethods,
  EmbedderPort,
  ServeOptions,
} from '../integrations/worker/types.js'
