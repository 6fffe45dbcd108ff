/** Trying again what may work the next time: deadlocks, lost connections, a server that restarts. */

import { type AbortSignalLike, throwIfAborted } from '../common/abort.js'
import { InvalidInputError } from '../common/errors.js'
import { refuseUnknown, shown } from '../common/given.js'
import { sleep } from '../common/timers.js'

/** SQLSTATE classes and codes: serialization, deadlock, connection, shutdown, too many connections. */
const PASSING = /^(40001|40P01|55P03|08...|57P0[123]|53300)$/
const PASSING_SYSTEM = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOENT', // a unix socket of a server that restarts
])
/** What `pg` says without a code. */
const PASSING_MESSAGE =
  /connection terminated|client has encountered a connection error|timeout exceeded when trying to connect/i

export interface RetryOptions {
  /** Tries after the first. */
  retries: number
  /** Milliseconds before the first of them; doubled each time, up to 10 s. */
  delayMs: number
  signal?: AbortSignalLike | undefined
  /** Which errors are worth another try. Default: those of PostgreSQL that pass. */
  mayPass?: (error: unknown) => boolean
}

const LONGEST_MS = 10_000
const LIMITS = { retries: 1000, delayMs: 600_000 }

/** What a caller says of it. @throws InvalidInputError: to retry NaN times would be for ever */
export function checkRetry(retry: unknown): void {
  if (retry === undefined) return
  refuseUnknown(retry, Object.keys(LIMITS), '`retry`')
  for (const [name, most] of Object.entries(LIMITS)) {
    const value = (retry as Record<string, unknown>)[name] ?? 0
    if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most) continue
    throw new InvalidInputError(
      `\`retry.${name}\` must be an integer from 0 to ${most}, not ${shown(value)}.`,
    )
  }
}

/** @throws what the last try threw, or at once what would come again */
export async function withRetries<T>(
  { retries, delayMs, signal, mayPass: isPassing = mayPass }: RetryOptions,
  run: () => Promise<T>,
): Promise<T> {
  for (let i = 0; ; i++) {
    try {
      return await run()
    } catch (error) {
      throwIfAborted(signal)
      if (i >= retries || !isPassing(error)) throw error
    }
    await sleep(Math.min(delayMs * 2 ** i, LONGEST_MS), signal)
  }
}

export function mayPass(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  if (typeof code === 'string') return PASSING.test(code) || PASSING_SYSTEM.has(code)
  return typeof message === 'string' && PASSING_MESSAGE.test(message)
}
