/** Progress of a call, with rate and time left. */

import { isThenable } from './realms.js'
import { performance } from './timers.js'
import type { EmbedOptions } from './types.js'

/** Seconds after which what was measured weighs a third. */
const MEMORY_SECONDS = 10
/** The part of the time that may go into `onProgress`; a slow one is called less often. */
const SHARE = 0.1
/** Milliseconds from which it counts as slow. */
const SLOW_MS = 5

export interface ProgressDetails {
  /** Tokens of all texts, where they are known: they tell the time left better than the texts do. */
  totalTokens?: number | undefined
  /** Milliseconds, ascending. */
  now?: () => number
}

export interface ProgressReporter {
  /** A text is done. @param tokens of that text; 0 if it failed */
  (tokens: number): void
  /** The work is over: reports what a slow `onProgress` was not told yet. */
  finish(): void
}

/**
 * A function to call as each text is done. What `onProgress` throws, or rejects with, goes to
 * `onThrow`, once: a broken progress display must not cost the work.
 *
 * @param total texts; null where nobody knows, and then there is no time left either
 */
export function reportProgress(
  onProgress: EmbedOptions['onProgress'],
  total: number | null,
  onThrow: (error: unknown) => void,
  { totalTokens, now = () => performance.now() }: ProgressDetails = {},
): ProgressReporter {
  if (!onProgress) return SILENT
  const speed = new SmoothedRate(now())
  let done = 0
  let tokens = 0
  let told = 0
  let quietUntil = Number.NEGATIVE_INFINITY
  let hasThrown = false
  const threw = (error: unknown) => {
    if (!hasThrown) onThrow(error)
    hasThrown = true
  }
  const report = (started: number) => {
    told = done
    const { texts: rate, tokens: tokenRate } = speed.perSecond
    let eta = total === null ? null : (total - done) / rate
    if (totalTokens !== undefined && tokenRate > 0) {
      eta = Math.max(0, totalTokens - tokens) / tokenRate
    }
    try {
      const result: unknown = onProgress({ done, total, tokens, rate, eta })
      if (isThenable(result)) result.then(undefined, threw)
    } catch (error) {
      threw(error)
    }
    const ended = now()
    if (ended - started > SLOW_MS) quietUntil = ended + (ended - started) * (1 / SHARE - 1)
  }
  const step = (added: number) => {
    done++
    tokens += added
    const time = now()
    speed.add(time, added)
    if (time >= quietUntil || done === total) report(time)
  }
  return Object.assign(step, {
    finish() {
      if (told < done) report(now())
    },
  })
}

const SILENT: ProgressReporter = Object.assign(() => {}, { finish() {} })

/**
 * Exponentially smoothed rate: sums of work and of time that both fade with the same speed, so that
 * it is the plain mean at first, and follows the last seconds later.
 */
class SmoothedRate {
  #last: number
  #texts = 0
  #tokens = 0
  #seconds = 0

  constructor(start: number) {
    this.#last = start
  }

  add(time: number, tokens: number): void {
    const seconds = Math.max(0, (time - this.#last) / 1000)
    this.#last = time
    const fade = Math.exp(-seconds / MEMORY_SECONDS)
    this.#texts = this.#texts * fade + 1
    this.#tokens = this.#tokens * fade + tokens
    this.#seconds = this.#seconds * fade + seconds
  }

  get perSecond(): { texts: number; tokens: number } {
    const seconds = Math.max(this.#seconds, 1e-6)
    return { texts: this.#texts / seconds, tokens: this.#tokens / seconds }
  }
}
