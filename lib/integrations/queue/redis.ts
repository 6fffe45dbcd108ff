/** A connection to Redis or Valkey that is told off clearly at first, and never given up later. */

import { URL } from 'node:url'
import type { Redis } from 'ioredis'
import { type AbortSignalLike, abortReason } from '../../common/abort.js'
import { InvalidInputError, QueueError } from '../../common/errors.js'
import { optional } from '../../common/optional.js'
import { nameOf } from '../../common/realms.js'
import { clearTimeout, setTimeout } from '../../common/timers.js'
import { withRetries } from '../retry.js'

/** `redis://` or `rediss://` and so on, the path of a Unix socket, or an open ioredis client. */
export type RedisTarget = string | Redis

export interface RedisLink {
  readonly client: Redis
  /** Ends the connection, and those that were duplicated from it as soon as they are lost. */
  close(): Promise<void>
}

export const USER = 'bge-m3-node/queue'
/** What it needs, named together where one is missing. */
export const QUEUE_PACKAGES = ['bullmq', 'ioredis']
const LONGEST_PAUSE_MS = 2000
const GOODBYE_MS = 1000

/**
 * A connection of our own, also where a client is handed in.
 *
 * @throws QueueError when nobody answers or the password is wrong, InvalidInputError for what is no
 *   address and when ioredis is not installed. No message holds a password.
 */
export async function connectRedis(target: RedisTarget): Promise<RedisLink> {
  if (typeof target !== 'string' && typeof Object(target).duplicate !== 'function') {
    throw new InvalidInputError('`redis` must be an address, or a client of ioredis.')
  }
  const { Redis } = await optional('ioredis', USER, () => import('ioredis'), QUEUE_PACKAGES)
  let state: 'opening' | 'open' | 'closed' = 'opening'
  let trouble: unknown
  const settings = {
    lazyConnect: true,
    // a command waits for the connection to come back; BullMQ insists on it, too
    maxRetriesPerRequest: null,
    // who cannot be reached at all is told so; who was lost is looked for until he is back
    retryStrategy: (times: number) =>
      state === 'open' ? Math.min(50 * 2 ** Math.min(times, 8), LONGEST_PAUSE_MS) : null,
    // a failover has made it a replica: the new primary is behind the same name
    reconnectOnError: (error: Error) => (/^READONLY/.test(error.message) ? (2 as const) : false),
  }
  const client =
    typeof target === 'string'
      ? new Redis(checkAddress(target), settings)
      : target.duplicate(settings)
  client.on('error', (error) => {
    trouble = error
  })
  try {
    await client.connect()
    state = 'open'
  } catch (error) {
    state = 'closed'
    client.disconnect()
    throw cannotConnect(client, trouble ?? error)
  }
  return {
    client,
    async close() {
      if (state === 'closed') return
      state = 'closed'
      if (client.status === 'ready') {
        let timer: NodeJS.Timeout | undefined
        const patience = new Promise((resolve) => {
          timer = setTimeout(resolve, GOODBYE_MS)
        })
        await Promise.race([client.quit().catch(() => {}), patience])
        clearTimeout(timer)
      }
      client.disconnect()
    },
  }
}

function checkAddress(address: string): string {
  if (address.startsWith('/')) return address
  // the address is not shown: it may hold a password
  const wrong = new InvalidInputError(
    'The address of Redis must be redis://HOST:PORT, rediss://HOST:PORT (TLS), or the path of a socket.',
  )
  try {
    if (/^rediss?:$/.test(new URL(address).protocol)) return address
  } catch {
    throw wrong
  }
  throw wrong
}

function cannotConnect({ options }: Redis, error: unknown): QueueError {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  const where = options.path ?? `${options.host}:${options.port}`
  const what =
    typeof code === 'string' ? code : (firstWord(error) ?? String(message ?? 'no answer'))
  return new QueueError(`Redis at ${where} cannot be used: ${what}.`)
}

/**
 * An error of Redis as it may be told: its first word. The rest of what a server says may hold a command's arguments,
 * and ioredis hangs all of them on the error: texts. What is no error of Redis is returned as it is.
 */
export function redisError(error: unknown): unknown {
  const word = firstWord(error)
  return word === undefined ? error : new QueueError(`Redis refuses: ${word}.`)
}

/** `WRONGPASS`, say; undefined for what is no error of Redis. */
function firstWord(error: unknown): string | undefined {
  const { message, command } = Object(error) as { message?: unknown; command?: unknown }
  if (nameOf(error) !== 'ReplyError' && command === undefined) return undefined
  return /^[A-Z]{2,20}(?= )/.exec(String(message))?.[0] ?? 'an error without a code'
}

/** What Redis says while it restarts, fails over or is full, and what is lost with a connection. */
const PASSING =
  /^(LOADING|READONLY|CLUSTERDOWN|TRYAGAIN|MASTERDOWN|BUSY|OOM|NOREPLICAS)|connection is closed|ECONNRE|EPIPE|ETIMEDOUT|aborted due to connection close/i

/**
 * Tries again what Redis refuses for now: for some five minutes. While the connection is lost a command
 * waits, without end: so the signal ends the waiting.
 */
export function redisRetries<T>(
  run: () => Promise<T>,
  signal: AbortSignalLike | undefined,
): Promise<T> {
  const mayPass = (error: unknown) => PASSING.test(String((error as Error | undefined)?.message))
  return unlessAborted(withRetries({ retries: 35, delayMs: 100, signal, mayPass }, run), signal)
}

/** What `promise` gives, or the signal's reason as soon as it aborts. */
export function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignalLike | undefined,
): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(abortReason(signal))
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener?.('abort', onAbort))
  })
}
