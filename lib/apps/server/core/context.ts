/** What the routes share. */

import type { EmbedderInfo } from '../../../common/types.js'
import type { RerankerInfo } from '../../../embedder/reranker.js'
import type { OptionValues } from '../../../options/table.js'
import type { Bodies } from './bodies.js'
import type { Drift } from './drift.js'
import { HttpError } from './errors.js'
import type { Gate } from './limits.js'
import type { ServerMetrics } from './metrics.js'
import type { ServerConfig } from './options.js'
import type { ServedEmbedder, ServedReranker, ServerState } from './served.js'
import type { WireStats } from './wire.js'

export interface ServerContext {
  readonly config: ServerConfig
  /** What the environment says of embeddings, where a request says nothing. */
  readonly defaults: Pick<OptionValues, 'truncate' | 'normalize' | 'dimensions'>
  readonly gate: Gate
  readonly bodies: Bodies
  readonly metrics: ServerMetrics
  readonly drift: Drift
  readonly startedAt: number
  readonly state: ServerState
  /**
   * The embedder once its model is loaded, also while draining.
   *
   * @throws HttpError 503 before that, or when it could not be loaded
   */
  readonly embedder: ServedEmbedder
  /**
   * What is loaded; what was, while an idle embedder has given its weights back.
   *
   * @throws HttpError 503 as `embedder`
   */
  readonly info: EmbedderInfo
  /** The cross-encoder beside it and what it said of itself, once both are loaded; absent where there is none. */
  readonly reranker: LoadedReranker | undefined
  /** The readings of `GET /stats`. */
  stats(): WireStats
}

/** A re-ranker that is served beside an embedder. */
export interface LoadedReranker {
  /** What scores. */
  readonly model: ServedReranker
  /** What it said of itself when it was loaded. */
  readonly info: RerankerInfo
}

export function notReady(state: ServerState): HttpError {
  return state === 'failed'
    ? new HttpError(
        503,
        'model_failed',
        'The model could not be loaded; the server’s log says why.',
      )
    : new HttpError(503, 'loading', 'The model is still loading.', { retryAfter: 2 })
}
