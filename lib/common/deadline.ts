/** A caller's signal that also ends by itself after a while. */

import { type AbortSignalLike, abortController } from './abort.js'
import { TimeoutError } from './errors.js'
import { clearTimeout, setTimeout } from './timers.js'

export class Deadline {
  readonly #caller: AbortSignalLike | undefined
  readonly #controller: AbortController | undefined
  readonly #milliseconds: number | undefined
  readonly #message: string
  #timer: NodeJS.Timeout | undefined
  readonly #onAbort = () => this.#controller?.abort(this.#caller?.reason)

  /**
   * The time begins with `start`.
   *
   * @param milliseconds `undefined` for ever: the signal is then the caller's own
   * @param message of the `TimeoutError` that is the signal's reason
   */
  constructor(
    caller: AbortSignalLike | undefined,
    milliseconds: number | undefined,
    message = `The call took longer than its timeout of ${milliseconds} ms.`,
  ) {
    this.#caller = caller
    this.#milliseconds = milliseconds
    this.#message = message
    if (milliseconds === undefined) return
    this.#controller = abortController()
    if (caller?.aborted) this.#onAbort()
    caller?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get signal(): AbortSignalLike | undefined {
    return this.#controller?.signal ?? this.#caller
  }

  /** The time begins, or begins anew. */
  start(): this {
    this.stop()
    if (this.#milliseconds !== undefined) {
      this.#timer = setTimeout(
        () => this.#controller?.abort(new TimeoutError(this.#message)),
        this.#milliseconds,
      )
    }
    return this
  }

  /** Nobody waits at the moment. */
  stop(): void {
    clearTimeout(this.#timer)
  }

  /** The work is over: the signal ends no more. */
  end(): void {
    this.stop()
    if (this.#controller) this.#caller?.removeEventListener?.('abort', this.#onAbort)
  }
}
