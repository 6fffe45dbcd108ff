/** What fetching a model needs to know. */

import type { AbortSignalLike } from '../../common/abort.js'
import type { DownloadProgress, Logger } from '../../common/types.js'
import { findHub, offlineVariable } from '../hub/hub.js'
import { PATIENCE, type Patience, type PullContext } from '../hub/options.js'
import { guarded } from '../hub/pull.js'
import { type FindModelOptions, hubModelDir } from '../locations.js'
import type { Purpose } from '../purpose.js'
import type { HubReference } from '../reference.js'

/** Options of whoever may fetch a model. */
export interface FetchOptions extends FindModelOptions {
  /** Whether the network may be used. Default: unless HF_HUB_OFFLINE or BGE_M3_OFFLINE forbid it. */
  download?: boolean | undefined
  /** What the model is for: one of the other kind is refused before its weights are fetched. Default: any. */
  purpose?: Purpose | undefined
  /** Gives up; the call rejects with its reason. */
  signal?: AbortSignalLike | undefined
  /** Where retries and the like go. */
  logger?: Logger | undefined
  /** Called as bytes are hashed, arrive or are converted. */
  onProgress?: ((progress: DownloadProgress) => void) | undefined
  /** Gets the one line that says what comes from where and how large it is. */
  onNotice?: ((line: string) => void) | undefined
  /** As in `PullOptions`. */
  endpoint?: string | undefined
  /** As in `PullOptions`. */
  token?: string | undefined
  /** As in `PullOptions`. */
  patience?: Partial<Patience> | undefined
}

export interface FetchContext extends PullContext {
  options: FetchOptions
  report: FetchOptions['onProgress']
  notice: (line: string) => void
  /** Why the network may not be used; undefined where it may. */
  forbidden: string | undefined
}

export function contextOf(reference: HubReference, options: FetchOptions): FetchContext {
  const { signal, logger, onProgress, onNotice, patience } = options
  return {
    hub: findHub(options),
    dir: hubModelDir(reference, options.cacheDir),
    patience: { ...PATIENCE, ...patience },
    force: true,
    signal,
    logger,
    options,
    report: guarded(onProgress, logger),
    notice: onNotice ?? (() => {}),
    forbidden: forbiddenBy(options),
  }
}

function forbiddenBy({ download }: FetchOptions): string | undefined {
  if (download === false) return ', and `download` is off'
  const variable = offlineVariable()
  return variable && `, and ${variable} is set`
}
