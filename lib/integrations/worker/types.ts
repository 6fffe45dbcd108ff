/** What both ends of a worker see. */
import type {
  AbortSignalLike,
  DownloadProgress,
  EmbedderStats,
  Logger,
} from '../../common/types.js'
import type { Embedder } from '../../embedder/embedder.js'
import type { LoadOptions } from '../../options/types.js'

/**
 * One end of a channel: a `Worker`, a `MessagePort` or `parentPort` of `node:worker_threads`; a child of
 * `child_process.fork` or, in it, `process`; Electron's `UtilityProcess`, `process.parentPort` or `MessagePortMain`.
 */
export interface EmbedderPort {
  /** Tells of messages, and of the other end's end. */
  on(event: string, listener: (...given: unknown[]) => void): unknown
  /** Sends a message, with what is handed over. */
  postMessage?(message: unknown, transfer?: never[]): unknown
  /** Sends a message, as processes have it. */
  send?(message: unknown, ...more: never[]): unknown
}

/** Options of `serveEmbedder`: those of `Embedder.load`, or an embedder that is there already. */
export interface ServeOptions extends LoadOptions {
  /** Serve this one, which then is not disposed of by the other end. Default: one is loaded, with the other options. */
  embedder?: Embedder | undefined
}

/** Options of `connectEmbedder`. */
export interface ConnectOptions {
  /** Called as the worker fetches or converts the model; with bytes, rate and time left. */
  onProgress?: ((progress: DownloadProgress) => void) | undefined
  /**
   * How often a call is made again when the worker ended meanwhile, where a function starts the worker. Streams are
   * never begun again: half of what they gave is with you. Default: 1.
   */
  retry?: number | undefined
  /**
   * The longest that the worker may take until it answers at all, which it does before it loads a model.
   * Milliseconds, or text such as `30s`. Default: 60s.
   */
  startTimeout?: number | string | undefined
  /** Gives up connecting; the call rejects with its reason. */
  signal?: AbortSignalLike | undefined
  /** Where it is told that the worker was started again. Default: warnings go to stderr. */
  logger?: Logger | undefined
}

/** The methods of `Embedder` that a worker has. */
export type EmbedderMethods = Pick<
  Embedder,
  | 'embed'
  | 'embedStream'
  | 'embedChunks'
  | 'embedDocuments'
  | 'embedTokens'
  | 'rerank'
  | 'estimate'
  | 'tokenize'
  | 'countTokens'
  | 'pieces'
  | 'decode'
  | 'lexicalWeights'
  | 'warmup'
  | 'diagnose'
  | 'unload'
  | 'info'
>

/**
 * An embedder in another thread or process, with the methods of `Embedder`: the same types, the same bits, the same
 * errors. What is passed must be data alone, since it is copied.
 */
export interface ConnectedEmbedder extends EmbedderMethods {
  /** Readings since the worker's embedder was loaded. */
  stats(): Promise<EmbedderStats>
  /** Ends calls under way with `DisposedError`, the embedder, and the worker. Idempotent. */
  close(): Promise<void>
  /** `close`, by the name that `Embedder` has for it. */
  dispose(): Promise<void>
  /** `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}
