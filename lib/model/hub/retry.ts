/** Trying again: when, how long to wait, and when to stop. */

import type { AbortSignalLike } from '../../common/abort.js'
import { sleep } from '../../common/timers.js'
import { NetworkError } from './http.js'
import type { Patience } from './options.js'

export interface RetryOptions {
  patience: Patience
  signal?: AbortSignalLike | undefined
  /** Bytes that the work has got so far; more than ever before means that it gets on. */
  progress?: (() => number) | undefined
  onRetry?: ((error: NetworkError, delay: number) => void) | undefined
  /** The error to end with when the patience is used up; `answered`: the server had answered before. */
  giveUp: (error: NetworkError, answered: boolean) => Error
}

/**
 * Runs `attempt` until it succeeds. Only a `NetworkError` is a reason to try again. As long as new
 * bytes arrive between failures there is no limit: a bad line is slow, not hopeless.
 */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  { patience, signal, progress = () => 0, onRetry, giveUp }: RetryOptions,
): Promise<T> {
  let failures = 0
  let best = progress()
  let answered = false
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error
      const reached = progress()
      failures = reached > best ? 1 : failures + 1
      best = Math.max(best, reached)
      answered ||= error.answered
      if (failures > (answered ? patience.retries : patience.firstRetries))
        throw giveUp(error, answered)
      if ((error.retryAfter ?? 0) > patience.maxRetryAfter) throw giveUp(error, answered)
      const delay = Math.max(backOff(failures, patience), error.retryAfter ?? 0)
      onRetry?.(error, delay)
      await sleep(delay, signal)
    }
  }
}

/** Doubles each time; jitter keeps many clients from coming back at one moment. */
export function backOff(failures: number, { baseDelay, maxDelay }: Patience): number {
  const full = Math.min(maxDelay, baseDelay * 2 ** (failures - 1))
  return full * (0.5 + Math.random() / 2)
}

/** Milliseconds of a Retry-After header: seconds or an HTTP date. */
export function parseRetryAfter(
  header: string | undefined,
  now: number = Date.now(),
): number | undefined {
  if (header === undefined) return undefined
  if (/^\s*\d{1,9}\s*$/.test(header)) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
