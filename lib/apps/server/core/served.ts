/** What is served, and whether it is. */

import type { Embedder } from '../../../embedder/embedder.js'
import type { Reranker } from '../../../embedder/reranker.js'

/** What the server uses of an embedder. */
export type ServedEmbedder = Pick<
  Embedder,
  | 'embed'
  | 'embedTokens'
  | 'tokenStates'
  | 'tokenize'
  | 'countTokens'
  | 'pieces'
  | 'decode'
  | 'warmup'
  | 'info'
  | 'stats'
  | 'dispose'
>

/** What the server uses of a re-ranker. */
export type ServedReranker = Pick<
  Reranker,
  'rerank' | 'predict' | 'countTokens' | 'warmup' | 'info' | 'stats' | 'dispose'
>

/**
 * `loading` until the model is read, then `ready`; `draining` while it closes; `failed` when it could not load.
 */
export type ServerState = 'loading' | 'ready' | 'draining' | 'failed'
