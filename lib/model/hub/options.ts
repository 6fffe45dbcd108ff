import type { URL } from 'node:url'
import type { AbortSignalLike } from '../../common/abort.js'
import { namesOf } from '../../common/given.js'
import type { DownloadProgress, Logger } from '../../common/types.js'
import type { FilePin } from '../pins.js'
import type { Hub } from './hub.js'

/** How patient a download is. Milliseconds; the defaults suit a home connection. */
export interface Patience {
  /** Tries after a failure without a single new byte, before giving up. Default 6. */
  readonly retries: number
  /** The same while the hub has not answered even once: a wrong name or no network. Default 2. */
  readonly firstRetries: number
  /** Wait before the first retry; doubles each time, with jitter. Default 500. */
  readonly baseDelay: number
  /** The longest wait between tries, unless the server asks for more. Default 30 s. */
  readonly maxDelay: number
  /** The longest wait that a server's Retry-After gets. Default 2 min. */
  readonly maxRetryAfter: number
  /** Time to the first byte of an answer, connecting included. Default 20 s. */
  readonly responseTimeout: number
  /** Time without a byte after which a transfer counts as stalled. Default 30 s. */
  readonly stallTimeout: number
  /** Heartbeat of the lock, and the time without one after which its owner counts as gone. */
  readonly heartbeat: number
  readonly staleAfter: number
}

export const PATIENCE: Patience = {
  retries: 6,
  firstRetries: 2,
  baseDelay: 500,
  maxDelay: 30_000,
  maxRetryAfter: 120_000,
  responseTimeout: 20_000,
  stallTimeout: 30_000,
  heartbeat: 2_000,
  staleAfter: 15_000,
}

/** Options of `pullModel`. */
export interface PullOptions {
  /** Where the files go. Default: `<cacheDir>/models/bge-m3`. */
  dir?: string | URL | undefined
  /** The `cacheDir` option. */
  cacheDir?: string | undefined
  /**
   * Another revision of the model's repository than the pinned one. Its length and checksum are then
   * taken from the hub.
   */
  revision?: string | undefined
  /** The files to fetch, in this order. Default: bge-m3's heads and its Q8_0 GGUF. */
  files?: readonly FilePin[] | undefined
  /** The hub or a mirror of it. Default: `HF_ENDPOINT`, else the public hub. */
  endpoint?: string | undefined
  /** Sent to the endpoint only, never to where it redirects. Default: `HF_TOKEN`. */
  token?: string | undefined
  /** Never touch the network. Default: `HF_HUB_OFFLINE`. */
  offline?: boolean | undefined
  /** Replace a file of the same name that this package did not put there. */
  force?: boolean | undefined
  signal?: AbortSignalLike | undefined
  /** Called as bytes are hashed or arrive. */
  onProgress?: ((progress: DownloadProgress) => void) | undefined
  logger?: Logger | undefined
  patience?: Partial<Patience> | undefined
}

export const PULL_NAMES = namesOf<PullOptions>({
  dir: 1,
  cacheDir: 1,
  revision: 1,
  files: 1,
  endpoint: 1,
  token: 1,
  offline: 1,
  force: 1,
  signal: 1,
  onProgress: 1,
  logger: 1,
  patience: 1,
})

/** `PullOptions`, checked and completed. */
export interface PullContext {
  hub: Hub
  /** Where the files go. */
  dir: string
  patience: Patience
  force: boolean
  signal: AbortSignalLike | undefined
  logger: Logger | undefined
}

/** A file that is in place. */
export interface PulledFile {
  readonly name: string
  readonly path: string
  readonly size: number
  readonly sha256: string
  /** `present`: it was there already. */
  readonly status: 'downloaded' | 'present'
  /** Bytes that came over the network this time; less than `size` after a resumed download. */
  readonly transferred: number
}

/** What `pullModel` put in place. */
export interface PullResult {
  readonly dir: string
  /** The GGUF among the files, if there is one. */
  readonly model: string | undefined
  readonly files: readonly PulledFile[]
}
