/** Waiting for rows: for a notice of a trigger, or until it is time to look. */

import {
  type AbortSignalLike,
  abortController,
  abortReason,
  throwIfAborted,
} from '../../../common/abort.js'
import { performance, sleep } from '../../../common/timers.js'
import type { Connection } from './connection.js'

export class Notices {
  readonly #connection: Connection
  readonly #channel: string
  readonly #retryMs: number
  #stop: (() => void) | undefined
  #lastTry = Number.NEGATIVE_INFINITY
  #isHeard = false
  #isClosed = false
  #wake: () => void = () => {}

  /** @param retryMs milliseconds at least between two tries to listen */
  constructor(connection: Connection, channel: string, retryMs: number) {
    this.#connection = connection
    this.#channel = channel
    this.#retryMs = retryMs
  }

  /** Whether notices arrive, as far as one can know: through some poolers none do. */
  get isListening(): boolean {
    return this.#stop !== undefined
  }

  /**
   * Until there is a notice that nobody has acted on, or so many milliseconds are over.
   *
   * @throws the signal's reason
   */
  async next(milliseconds: number, signal: AbortSignalLike): Promise<void> {
    throwIfAborted(signal)
    void this.#listen()
    if (!this.#isHeard) {
      const nap = abortController()
      const wake = () => nap.abort(abortReason(signal))
      this.#wake = wake
      signal.addEventListener('abort', wake, { once: true })
      await sleep(milliseconds, nap.signal).catch(() => {})
      signal.removeEventListener?.('abort', wake)
    }
    throwIfAborted(signal)
    this.#isHeard = false
  }

  close(): void {
    this.#isClosed = true
    this.#stop?.()
  }

  /** Without it there is still the clock, so an error is no trouble. */
  async #listen(): Promise<void> {
    const { listen } = this.#connection
    const isTooSoon = performance.now() - this.#lastTry < this.#retryMs
    if (this.#stop || this.#isClosed || isTooSoon || !listen) return
    this.#lastTry = performance.now()
    const hear = () => {
      this.#isHeard = true
      this.#wake()
    }
    let hasEnded = false
    const end = () => {
      hasEnded = true
      this.#stop = undefined
    }
    try {
      const stop = await listen(this.#channel, { hear, end })
      if (this.#isClosed || hasEnded) return stop()
      this.#stop = stop
      // what came before we listened was said to nobody
      hear()
    } catch {
      // tried again when it is time
    }
  }
}
