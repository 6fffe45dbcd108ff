/** A stream's source that is iterated over at the other end: asked for one value at a time, as it is wanted. */

import { DisposedError, InvalidInputError } from '../../common/errors.js'
import type { Message } from './protocol.js'

export class FarSource implements AsyncIterableIterator<unknown> {
  readonly #ask: (message: Message) => void
  readonly #id: number
  #waiting: ((step: IteratorResult<unknown>) => void) | undefined
  #fail: ((error: unknown) => void) | undefined

  constructor(id: number, ask: (message: Message) => void) {
    this.#id = id
    this.#ask = ask
  }

  /** Never called before the last one was answered. */
  next(): Promise<IteratorResult<unknown>> {
    return new Promise((resolve, reject) => {
      this.#waiting = resolve
      this.#fail = reject
      this.#ask({ type: 'need', id: this.#id })
    })
  }

  async return(): Promise<IteratorResult<unknown>> {
    this.#ask({ type: 'drop', id: this.#id })
    return { done: true, value: undefined }
  }

  /** What was given for the last `need`; what was not asked for is ignored. */
  give({ value, done, failed }: Message): void {
    // the other end keeps what its source threw, and throws that
    if (failed === true) this.#fail?.(new InvalidInputError('The source of the stream threw.'))
    else this.#waiting?.(done === true ? { done, value: undefined } : { done: false, value })
    this.#waiting = this.#fail = undefined
  }

  /** Nobody will give anything any more. */
  end(): void {
    this.#fail?.(new DisposedError())
    this.#waiting = this.#fail = undefined
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
