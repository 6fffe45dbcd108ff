/** Reads from whatever a caller iterates over: sync or async, well behaved or not. */

import { InvalidInputError } from '../../common/errors.js'
import { isThenable } from '../../common/realms.js'

/** What can be iterated over, sync or async; values may be promises. */
export type Source<T> = Iterable<T | PromiseLike<T>> | AsyncIterable<T>

/** The next value; `undefined` at the end. */
export type Step<T> = { value: T } | undefined

export class SourceReader<T> {
  readonly #source: Source<T>
  readonly #onTrouble: (error: unknown) => void
  #iterator: Iterator<unknown> | AsyncIterator<unknown> | undefined
  #state: 'new' | 'open' | 'ended' = 'new'
  /** The source is computing its next result at this moment, or has promised one. */
  #calling = false
  #pulling = false

  /** @param onTrouble is told when the source throws while it is closed */
  constructor(source: Source<T>, onTrouble: (error: unknown) => void) {
    this.#source = source
    this.#onTrouble = onTrouble
  }

  /** At once if the source has it at once, else a promise. Throws, or rejects with, what it throws. */
  next(): Step<T> | Promise<Step<T>> {
    if (this.#state === 'ended') return undefined
    try {
      this.#iterator ??= open(this.#source)
      this.#state = 'open'
      this.#calling = true
      const result: unknown = this.#iterator.next()
      this.#calling = false
      if (isThenable(result)) return this.#later(result)
      const step = this.#stepOf(result)
      return step && isThenable(step.value) ? this.#laterValue(step.value as PromiseLike<T>) : step
    } catch (error) {
      this.#calling = false
      this.#state = 'ended'
      throw error
    }
  }

  /**
   * Ends the source: runs a generator's `finally`, closes a file. Waits for that, unless the source is
   * busy with a `next()`: that may take for ever, and there is nobody left to wait for it.
   */
  async close(): Promise<void> {
    if (this.#state !== 'open') return
    this.#state = 'ended'
    // asked for by the source itself, say by aborting: a running generator cannot be ended
    if (this.#calling) await Promise.resolve()
    const wait = !this.#pulling
    const closing = this.#return()
    if (wait) await closing
  }

  async #return(): Promise<void> {
    try {
      await this.#iterator?.return?.()
    } catch (error) {
      this.#onTrouble(error)
    }
  }

  async #later(result: PromiseLike<unknown>): Promise<Step<T>> {
    this.#pulling = true
    try {
      return this.#stepOf(await result)
    } catch (error) {
      this.#state = 'ended'
      throw error
    } finally {
      this.#pulling = false
    }
  }

  /** A promise that a sync iterator gave. When it fails the iterator itself is still open. */
  async #laterValue(value: PromiseLike<T>): Promise<Step<T>> {
    try {
      return { value: await value }
    } catch (error) {
      await this.close()
      throw error
    }
  }

  #stepOf(result: unknown): Step<T> {
    if (typeof result !== 'object' || result === null) {
      throw new InvalidInputError('The source’s next() must give { value, done }.')
    }
    const { done, value } = result as IteratorResult<T>
    if (!done) return { value }
    this.#state = 'ended'
    return undefined
  }
}

function open(source: unknown): Iterator<unknown> | AsyncIterator<unknown> {
  const { [Symbol.asyncIterator]: openAsync, [Symbol.iterator]: openSync } = source as {
    [Symbol.asyncIterator]?: () => AsyncIterator<unknown>
    [Symbol.iterator]?: () => Iterator<unknown>
  }
  const iterator = openAsync ? openAsync.call(source) : openSync?.call(source)
  if (typeof iterator?.next !== 'function') {
    throw new InvalidInputError('The source’s iterator has no next().')
  }
  return iterator
}

/** @throws InvalidInputError for what cannot be iterated over, and for a single string */
export function checkSource(source: unknown): void {
  const { [Symbol.asyncIterator]: openAsync, [Symbol.iterator]: openSync } = Object(source)
  const isIterable = typeof openAsync === 'function' || typeof openSync === 'function'
  if (typeof source !== 'string' && isIterable) return
  const hint = typeof source === 'string' ? ' For one text use embed(), or pass an array.' : ''
  throw new InvalidInputError(
    `embedStream takes an iterable or async iterable of chunks or strings.${hint}`,
  )
}
