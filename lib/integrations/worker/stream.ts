/** A stream whose source is here and whose work is in the worker. */

import { abortReason } from '../../common/abort.js'
import { Deadline } from '../../common/deadline.js'
import { WorkerError } from '../../common/errors.js'
import { nameOf } from '../../common/realms.js'
import type { EmbedOptions, Progress } from '../../common/types.js'
import { checkSource, type Source, SourceReader } from '../../embedder/documents/source.js'
import type { Life } from './life.js'
import type { Message } from './protocol.js'
import { type Remote, type StreamEnd, splitOptions } from './remote.js'

/**
 * The worker asks for a value of the source when it has room for one, and gives a result when one is asked for: what
 * is under way is bounded by its window, as in one process. When the worker ends, the stream fails.
 */
export class RemoteStream implements AsyncGenerator<unknown, void, undefined>, StreamEnd {
  readonly onProgress: EmbedOptions['onProgress']
  readonly #remote: Remote
  readonly #reader: SourceReader<unknown>
  readonly #deadline: Deadline
  readonly #options: unknown
  readonly #id: number
  /** The life that it belongs to, once it was opened. */
  #opening: Promise<Life | undefined> | undefined
  #waiting = 0
  /** What the source threw; the worker says when its turn has come. */
  #sourceError: { error: unknown } | undefined
  #isOver = false
  /** Why it ended, until somebody asks. */
  #failure: { reason: unknown } | undefined
  readonly #onAbort = () => {
    if (this.#isOver) return
    // calls under way reject with it by themselves
    if (this.#waiting === 0) this.#failure = { reason: abortReason(this.#deadline.signal) }
    void this.#end()
  }

  /** @throws InvalidInputError for a source that is none, a signal or a function that is none */
  constructor(remote: Remote, source: Source<unknown>, options: unknown = {}) {
    checkSource(source)
    const { signal, onProgress, timeout, rest } = splitOptions(options)
    this.#remote = remote
    this.#options = rest
    this.#id = remote.nextId()
    this.onProgress =
      onProgress && (Array.isArray(source) ? withTotal(onProgress, source.length) : onProgress)
    this.#reader = new SourceReader(source, (error) =>
      remote.warn(`the source of a stream threw while it was closed: ${nameOf(error)}`),
    )
    const message = `No result came within the timeout of ${timeout} ms.`
    this.#deadline = new Deadline(signal, timeout, message)
    this.#deadline.signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  async next(): Promise<IteratorResult<unknown, void>> {
    if (this.#deadline.signal?.aborted) this.#onAbort()
    const failure = this.#failure
    this.#failure = undefined
    if (failure) throw failure.reason
    if (this.#isOver) return { done: true, value: undefined }
    if (this.#waiting++ === 0) this.#deadline.start()
    try {
      const step = await this.#step()
      if (step.done) await this.#end()
      return step
    } catch (error) {
      await this.#end()
      throw this.#sourceError ? this.#sourceError.error : error
    } finally {
      if (--this.#waiting === 0) this.#deadline.stop()
    }
  }

  async #step(): Promise<IteratorResult<unknown, void>> {
    this.#opening ??= this.#open()
    const life = await this.#opening
    if (this.#isOver) return { done: true, value: undefined }
    if (!life || life !== this.#remote.life) {
      throw new WorkerError('The embedder’s worker has ended, and with it the stream.')
    }
    return (await this.#remote.call(
      { type: 'call', method: 'next', stream: this.#id },
      { result: 'step', retry: 0, signal: this.#deadline.signal },
    )) as IteratorResult<unknown, void>
  }

  async #open(): Promise<Life | undefined> {
    await this.#remote.connect()
    const wantsProgress = this.onProgress !== undefined
    this.#remote.post({ type: 'open', id: this.#id, options: this.#options, wantsProgress })
    this.#remote.follow(this.#id, this)
    return this.#remote.life
  }

  onMessage({ type }: Message): void {
    if (type === 'drop') void this.#reader.close()
    else void this.#give()
  }

  async #give(): Promise<void> {
    const give = { type: 'give', id: this.#id }
    try {
      const step = await this.#reader.next()
      if (this.#isOver) return
      this.#remote.post(step ? { ...give, value: step.value } : { ...give, done: true })
    } catch (error) {
      this.#sourceError = { error }
      if (!this.#isOver) this.#remote.post({ ...give, failed: true })
    }
  }

  /** Ends the stream and its source; also while a `next()` waits. */
  async return(): Promise<IteratorResult<unknown, void>> {
    this.#failure = undefined
    await this.#end()
    return { done: true, value: undefined }
  }

  async throw(error: unknown): Promise<IteratorResult<unknown, void>> {
    await this.#end()
    throw error
  }

  async #end(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    this.#deadline.end()
    this.#deadline.signal?.removeEventListener?.('abort', this.#onAbort)
    this.#remote.unfollow(this.#id)
    const life = this.#remote.life
    if (this.#opening && life) {
      // a stream that has ended there answers with an error
      life.send({ type: 'call', id: this.#remote.nextId(), method: 'return', stream: this.#id })
    }
    await this.#reader.close()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end()
  }
}

/** Only this end knows how many there are. */
function withTotal(onProgress: NonNullable<EmbedOptions['onProgress']>, total: number) {
  return (progress: Progress) =>
    onProgress({ ...progress, total, eta: (total - progress.done) / progress.rate })
}
