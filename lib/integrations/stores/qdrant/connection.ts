/** Requests through Qdrant's own client: tried again where that may help, cancelled, and named when they fail. */

import { randomUUID } from 'node:crypto'
import { URL } from 'node:url'
import type { QdrantClient } from '@qdrant/js-client-rest'
import { type AbortSignalLike, throwIfAborted } from '../../../common/abort.js'
import { InvalidInputError, StoreError } from '../../../common/errors.js'
import { checkRange } from '../../../common/given.js'
import { optional } from '../../../common/optional.js'
import { clearTimeout, setTimeout, sleep } from '../../../common/timers.js'
import { type Failure, failureOf } from './failure.js'
import { REQUEST_ID, retryAfterMs, watchRetryAfter } from './retry-after.js'

/** Which server, and how patiently it is asked. */
export interface QdrantConnectionOptions {
  /** `http://localhost:6333`, `https://host/path`. Without a port it is Qdrant's own, 6333. */
  url: string
  /** Sent with every request, and never shown. */
  apiKey?: string | undefined
  /** Milliseconds that one request may take. Default: 120,000. */
  timeoutMs?: number | undefined
  /** Tries again after 429, 5xx and lost connections. Default: 8, from 100 ms on, doubled up to 10 s. */
  retry?: { retries?: number; delayMs?: number } | undefined
  /** Told before each wait. */
  onRetry?: ((retry: QdrantRetry) => void) | undefined
  signal?: AbortSignalLike | undefined
}

/** A request that will be tried again. */
export interface QdrantRetry {
  /** What happened, such as `Qdrant at http://localhost:6333 answered 503`. */
  message: string
  /** Until the next try: what the server asked for, or the back-off if that is longer. */
  waitMs: number
  /** From 1. */
  attempt: number
}

export type Api = ReturnType<QdrantClient['api']>
/** What goes with a request beside its payload. */
export type Init = { signal: AbortSignal; headers: Record<string, string>; redirect: 'manual' }

const TIMEOUT_MS = 120_000
const RETRIES = 8
/** A mistake in the address should not take half a minute to tell. */
export const FIRST_RETRIES = 2
const DELAY_MS = 100
const LONGEST_DELAY_MS = 10_000

export class QdrantConnection {
  /** Without user, password, query: fit for messages. */
  readonly address: string
  retries = 0
  requests = 0
  readonly #api: Api
  readonly #options: QdrantConnectionOptions
  readonly #closed = new AbortController()

  private constructor(api: Api, address: string, options: QdrantConnectionOptions) {
    this.#api = api
    this.address = address
    this.#options = options
    options.signal?.addEventListener('abort', this.#abort, { once: true })
    if (options.signal?.aborted) this.#abort()
  }

  readonly #abort = () => this.#closed.abort(this.#options.signal?.reason)

  /** Sends nothing yet. @throws InvalidInputError for a wrong address, or where the client is not installed */
  static async open(options: QdrantConnectionOptions): Promise<QdrantConnection> {
    const { url, port, prefix, address } = parseAddress(options.url)
    const { apiKey } = options
    if (apiKey !== undefined && !(typeof apiKey === 'string' && /^[\x21-\x7e]+$/.test(apiKey))) {
      throw new InvalidInputError('The API key is empty or holds what no header can carry.')
    }
    checkRange('timeoutMs', options.timeoutMs, 1, 2 ** 31 - 1)
    checkRange('retry.retries', options.retry?.retries, 0, 1000)
    checkRange('retry.delayMs', options.retry?.delayMs, 0, 600_000)
    const { QdrantClient } = await optional(
      '@qdrant/js-client-rest',
      'bge-m3-node/qdrant',
      () => import('@qdrant/js-client-rest'),
    )
    const client = new QdrantClient({
      url,
      port,
      prefix,
      // as a header: given as `apiKey` over http the client writes a warning to the console
      headers: apiKey === undefined ? {} : { 'api-key': apiKey },
      // ours ends requests by their signal
      timeout: Number.POSITIVE_INFINITY,
      checkCompatibility: false,
    })
    return new QdrantConnection(client.api(), address, options)
  }

  /**
   * The result of a request, tried again as often as may help.
   *
   * @param about.most retries at most, where that is fewer than the options say
   * @param about.mayQuote it holds texts or metadata, and an answer may quote them
   * @throws StoreError, or the signal's reason
   */
  async request<T>(
    send: (api: Api, init: Init) => Promise<{ data: { result?: T } }>,
    about: { most?: number; mayQuote?: boolean } = {},
  ): Promise<T> {
    const { most = Number.POSITIVE_INFINITY, mayQuote = false } = about
    const { retry: { retries = RETRIES, delayMs = DELAY_MS } = {} } = this.#options
    for (let attempt = 1; ; attempt++) {
      throwIfAborted(this.#closed.signal)
      const outcome = await this.#try(send, mayQuote)
      if ('result' in outcome) return outcome.result
      const { failure } = outcome
      const message = `Qdrant at ${this.address} ${failure.message}`
      if (!failure.transient || attempt > Math.min(retries, most)) {
        throw new QdrantRequestError(`${message}.`, failure)
      }
      // spread, so that many machines do not come back at once
      const backOff = Math.min(delayMs * 2 ** (attempt - 1), LONGEST_DELAY_MS)
      const spread = backOff * (0.75 + Math.random() / 2)
      const waitMs = Math.max(retryAfterMs(failure.retryAfter) ?? 0, spread)
      this.retries++
      this.#options.onRetry?.({ message, waitMs, attempt })
      await sleep(waitMs, this.#closed.signal)
    }
  }

  async #try<T>(
    send: (api: Api, init: Init) => Promise<{ data: { result?: T } }>,
    mayQuote: boolean,
  ): Promise<{ result: T } | { failure: Failure }> {
    const { timeoutMs = TIMEOUT_MS, apiKey } = this.#options
    const closed = this.#closed.signal
    const once = new AbortController()
    const onClose = () => once.abort(closed.reason)
    closed.addEventListener('abort', onClose, { once: true })
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      once.abort()
    }, timeoutMs)
    const id = randomUUID()
    let retryAfter: string | undefined
    this.requests++
    try {
      const init: Init = {
        signal: once.signal,
        headers: { [REQUEST_ID]: id },
        // the key would go along to wherever it leads
        redirect: 'manual',
      }
      const { data } = await watchRetryAfter(
        id,
        () => send(this.#api, init),
        (value) => {
          retryAfter = value
        },
      )
      if (data?.result === undefined || data.result === null) {
        const message = `gave an answer that is none of Qdrant's`
        return { failure: { ...NO_FAILURE, message } }
      }
      return { result: data.result }
    } catch (error) {
      throwIfAborted(closed)
      if (isLate) {
        const message = `did not answer within ${timeoutMs} ms`
        return { failure: { ...NO_FAILURE, message, transient: true } }
      }
      const failure = failureOf(error, apiKey, mayQuote)
      return { failure: { ...failure, retryAfter: retryAfter ?? failure.retryAfter } }
    } finally {
      clearTimeout(timer)
      closed.removeEventListener?.('abort', onClose)
    }
  }

  /** Ends what is under way. */
  close(): void {
    this.#options.signal?.removeEventListener?.('abort', this.#abort)
    this.#closed.abort(new StoreError('The connection to Qdrant was closed.'))
  }
}

const NO_FAILURE: Failure = {
  status: undefined,
  message: '',
  transient: false,
  retryAfter: undefined,
  tooLarge: false,
}

/** A request that failed for good. */
export class QdrantRequestError extends StoreError {
  /** HTTP status, where there was an answer. */
  readonly status: number | undefined
  /** The request was larger than the server takes. */
  readonly tooLarge: boolean

  constructor(message: string, { status, tooLarge, transient }: Failure) {
    // a chunk that it will not take; others may be fine
    super(message, { transient, refused: tooLarge || status === 400 || status === 422 })
    this.status = status
    this.tooLarge = tooLarge
  }
}

/**
 * The parts of an address as the client wants them: it takes 6333 for a port that is not written, also for
 * `https://host:443`, and drops a path that is not given as a prefix.
 */
export function parseAddress(text: string): {
  url: string
  port: number
  prefix: string
  address: string
} {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw wrongAddress('is no URL such as http://localhost:6333')
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw wrongAddress('must begin with http:// or https://')
  }
  if (url.username !== '' || url.password !== '') {
    throw wrongAddress('must not hold a user or password; a key goes into `apiKey`')
  }
  if (url.search !== '' || url.hash !== '') throw wrongAddress('must not have a query')
  const written = /^[^/]*\/\/[^/?#]*:(\d+)(?=[/?#]|$)/.exec(text.trim())?.[1]
  const port = Number(url.port || written || 6333)
  const prefix = url.pathname.replace(/\/+$/, '')
  const origin = `${url.protocol}//${url.hostname}`
  return { url: `${origin}:${port}`, port, prefix, address: `${origin}:${port}${prefix}` }
}

function wrongAddress(what: string): InvalidInputError {
  return new InvalidInputError(`The address of Qdrant ${what}.`)
}
