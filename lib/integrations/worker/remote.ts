/** The outside: calls as messages, over as many lives of the worker as it takes. */

import { type AbortSignalLike, abortReason, throwIfAborted } from '../../common/abort.js'
import { Deadline } from '../../common/deadline.js'
import { DisposedError, WorkerError } from '../../common/errors.js'
import { checkFunction, checkSignal } from '../../common/given.js'
import { isPlain, nameOf } from '../../common/realms.js'
import type { EmbedderInfo, EmbedOptions } from '../../common/types.js'
import { Log } from '../../native/log.js'
import { OPTIONS } from '../../options/table.js'
import { Life } from './life.js'
import { checkPort } from './ports.js'
import { METHODS, type Message, type ResultKind } from './protocol.js'
import type { ConnectOptions, EmbedderPort } from './types.js'
import { decodeError, decodeResult } from './wire.js'

/** A port, or what starts a thread or process and gives its port. */
export type PortSource = EmbedderPort | (() => EmbedderPort | PromiseLike<EmbedderPort>)

export interface RemoteOptions extends Pick<ConnectOptions, 'onProgress' | 'logger'> {
  retry: number
  /** Milliseconds. */
  startTimeout: number
}

/** A call that has no answer yet. */
interface Call {
  readonly message: Message
  readonly result: ResultKind
  readonly onProgress: EmbedOptions['onProgress']
  /** Times it may be sent. */
  left: number
  isSent: boolean
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** A stream that goes on in the worker. */
export interface StreamEnd {
  /** Its source is asked for a value, or may close. */
  onMessage(message: Message): void
  readonly onProgress: EmbedOptions['onProgress']
}

/** What `signal`, `onProgress` and `timeout` of options are to the outside, and the rest, for the inside. */
export interface SplitOptions {
  signal: AbortSignalLike | undefined
  onProgress: EmbedOptions['onProgress']
  /** Milliseconds; `undefined` where there is none, or one that the inside will refuse. */
  timeout: number | undefined
  rest: unknown
}

/** @throws InvalidInputError for a signal or a function that is none */
export function splitOptions(options: unknown): SplitOptions {
  if (!isPlain(options)) {
    return { signal: undefined, onProgress: undefined, timeout: undefined, rest: options }
  }
  const { signal, onProgress, ...rest } = options as EmbedOptions
  checkSignal(signal)
  checkFunction('onProgress', onProgress)
  return { signal, onProgress, timeout: OPTIONS.timeout.kind.check(rest.timeout), rest }
}

export class Remote {
  readonly #source: PortSource
  readonly #options: RemoteOptions
  readonly #log: Log
  readonly #calls = new Map<number, Call>()
  readonly #streams = new Map<number, StreamEnd>()
  #life: Life | undefined
  #starting: Promise<void> | undefined
  #closing: Promise<void> | undefined
  /** Until it is over: calls go off then, or fail. */
  #waiting: Promise<void> | undefined
  /** Of the life before. */
  #lastInfo: EmbedderInfo | undefined
  /** A port has one life. */
  #isSpent = false
  #lastId = 0
  readonly #broken = new WeakSet<object>()

  constructor(source: PortSource, options: RemoteOptions) {
    this.#source = source
    this.#options = options
    this.#log = new Log(options.logger)
  }

  /** The life that streams belong to. */
  get life(): Life | undefined {
    return this.#life
  }

  get info(): EmbedderInfo | undefined {
    return this.#life?.info ?? this.#lastInfo
  }
  warn(line: string): void {
    this.#log.warn(line)
  }

  nextId(): number {
    return ++this.#lastId
  }

  /** Resolves when there is a worker whose model is loaded. Rejects with why there is none. */
  async connect(): Promise<void> {
    if (this.#closing) throw new DisposedError()
    if (this.#life?.isReady) return
    this.#starting ??= this.#begin().finally(() => {
      this.#starting = undefined
    })
    await this.#starting
  }

  async #begin(): Promise<void> {
    const port = await this.#port()
    if (this.#closing) {
      // it would outlive us
      await new Life(port, this.#options.startTimeout, SILENT).close()
      throw new DisposedError()
    }
    const life = new Life(port, this.#options.startTimeout, {
      onLoading: (progress) => this.#tell(this.#options.onProgress, progress),
      onMessage: (message) => this.#take(message),
      onEnd: (error) => this.#lost(error),
    })
    this.#life = life
    try {
      await life.ready
    } catch (error) {
      if (this.#life === life) this.#life = undefined
      throw this.#closing ? new DisposedError() : error
    }
    this.#keepAlive()
  }

  async #port(): Promise<EmbedderPort> {
    const source = this.#source
    if (typeof source !== 'function') {
      if (this.#isSpent) throw new WorkerError(GONE)
      this.#isSpent = true
      return source
    }
    const port: unknown = await source()
    checkPort(port)
    return port
  }

  /** A method of the embedder. */
  async invoke(method: string, args: readonly unknown[]): Promise<unknown> {
    const { options: place, result } = METHODS.get(method) as {
      options?: number
      result: ResultKind
    }
    const given = [...args]
    const split = splitOptions(place === undefined ? undefined : given[place])
    if (place !== undefined && given.length > place) given[place] = split.rest
    const { signal, onProgress, timeout } = split
    throwIfAborted(signal)
    const message = { type: 'call', method, args: given, wantsProgress: onProgress !== undefined }
    const deadline = new Deadline(signal, timeout).start()
    try {
      const { retry } = this.#options
      return await this.call(message, { result, onProgress, signal: deadline.signal, retry })
    } finally {
      deadline.end()
    }
  }

  /** Sends a message that is answered, as soon as there is somebody to send it to. */
  call(
    message: Message,
    how: { result: ResultKind; retry: number; signal?: AbortSignalLike | undefined } & Partial<
      Pick<Call, 'onProgress'>
    >,
  ): Promise<unknown> {
    if (this.#closing) return Promise.reject(new DisposedError())
    const id = this.nextId()
    const { signal } = how
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        const { isSent } = this.#calls.get(id) ?? {}
        end()
        reject(abortReason(signal))
        if (isSent) this.post({ type: 'abort', id })
      }
      const end = () => {
        this.#calls.delete(id)
        signal?.removeEventListener?.('abort', onAbort)
        this.#keepAlive()
      }
      const settle =
        <T>(settle: (value: T) => void) =>
        (value: T) => {
          end()
          settle(value)
        }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#calls.set(id, {
        message: { ...message, id },
        result: how.result,
        onProgress: how.onProgress,
        left: 1 + how.retry,
        isSent: false,
        resolve: settle(resolve),
        reject: settle(reject),
      })
      this.#sendCalls()
    })
  }

  /** Sends what is not answered; lost where there is nobody. */
  post(message: Message): void {
    this.#life?.send(message)
  }

  follow(id: number, stream: StreamEnd): void {
    this.#streams.set(id, stream)
  }

  unfollow(id: number): void {
    this.#streams.delete(id)
  }

  #sendCalls(): void {
    if (!this.#life?.isReady) {
      this.#waiting ??= this.#whenConnected()
      return
    }
    this.#keepAlive()
    for (const call of this.#calls.values()) {
      if (call.isSent) continue
      call.isSent = true
      call.left--
      try {
        this.#life.send(call.message)
      } catch (error) {
        call.reject(error)
      }
    }
  }

  /** What was not sent yet goes off, or fails: it has nobody who would answer. */
  async #whenConnected(): Promise<void> {
    let failed: { error: unknown } | undefined
    await this.connect().catch((error) => {
      failed = { error }
    })
    this.#waiting = undefined
    if (failed) this.#rejectAll(failed.error)
    else this.#sendCalls()
  }

  #take({ type, id, ...message }: Message): void {
    const call = this.#calls.get(id as number)
    const stream = this.#streams.get(id as number)
    if (type === 'progress') this.#tell((call ?? stream)?.onProgress, message.progress)
    else if (type === 'need' || type === 'drop') stream?.onMessage({ type })
    else if (type === 'error') call?.reject(anError(message.error))
    else if (type === 'done' && call) {
      try {
        call.resolve(decodeResult(call.result, message.value))
      } catch (error) {
        call.reject(error)
      }
    }
  }

  /** What a listener throws is told once, and costs nothing else. */
  #tell<T>(listener: ((given: T) => unknown) | undefined, given: unknown): void {
    if (!listener) return
    const threw = (error: unknown) => {
      if (this.#broken.has(listener)) return
      this.#broken.add(listener)
      this.warn(`onProgress threw: ${nameOf(error)}`)
    }
    try {
      Promise.resolve(listener(given as T)).catch(threw)
    } catch (error) {
      threw(error)
    }
  }

  /** The worker ended: what it had is sent to the next one, or fails; what waits goes on waiting. */
  #lost(error: WorkerError): void {
    this.#lastInfo = this.#life?.info
    this.#life = undefined
    const mayStart = typeof this.#source === 'function' && !this.#closing
    if (mayStart) this.#log.warn(`${error.message} The next call starts it again.`)
    for (const call of [...this.#calls.values()]) {
      if (call.isSent && (!mayStart || call.left === 0)) call.reject(error)
      else call.isSent = false
    }
    this.#streams.clear()
    if (this.#calls.size > 0) this.#sendCalls()
  }

  #rejectAll(error: unknown): void {
    for (const call of [...this.#calls.values()]) call.reject(error)
  }

  /** An idle worker does not keep the program alive, a call under way does. */
  #keepAlive(): void {
    this.#life?.keepAlive(this.#calls.size > 0)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // not before `#closing` is set
    await undefined
    const life = this.#life
    this.#lastInfo = life?.info
    this.#rejectAll(new DisposedError())
    this.#streams.clear()
    await life?.close()
    await this.#starting?.catch(() => {})
    this.#life = undefined
  }
}

const GONE = 'The embedder’s worker has ended. Only what a function starts is started again.'

const SILENT = { onLoading() {}, onMessage() {}, onEnd() {} }

/** Whatever was sent as an error gives one. */
function anError(given: unknown): Error {
  try {
    return decodeError(given)
  } catch (error) {
    return new WorkerError('The worker answered with an error that is none.', { cause: error })
  }
}
