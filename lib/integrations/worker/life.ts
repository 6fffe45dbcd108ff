/** One life of a worker: from the hello over one port until it ends, however it does. */

import { TimeoutError, WorkerError } from '../../common/errors.js'
import { clearTimeout, setTimeout } from '../../common/timers.js'
import type { DownloadProgress, EmbedderInfo } from '../../common/types.js'
import { Channel } from './ports.js'
import type { Message } from './protocol.js'
import type { EmbedderPort } from './types.js'
import { decodeError } from './wire.js'

/** Milliseconds for the worker to let go of its model; it is ended after them all the same. */
const CLOSE_MS = 10_000

export interface LifeEvents {
  onLoading(progress: DownloadProgress): void
  /** Of calls and streams. */
  onMessage(message: Message): void
  /** Once, and only of a life that was ready. */
  onEnd(error: WorkerError): void
}

export class Life {
  /** Resolves when the model is loaded, with what is known of it. Rejects when it cannot be, or nobody answers. */
  readonly ready: Promise<void>
  info: EmbedderInfo | undefined
  readonly #channel: Channel
  readonly #events: LifeEvents
  readonly #timer: NodeJS.Timeout
  #state: 'starting' | 'ready' | 'over' = 'starting'
  #settle: { resolve(): void; reject(error: Error): void } = { resolve() {}, reject() {} }
  #onClosed = () => {}

  constructor(port: EmbedderPort, startTimeout: number, events: LifeEvents) {
    this.#events = events
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    // who waits for it hears of it
    this.ready.catch(() => {})
    this.#timer = setTimeout(() => {
      this.#fail(new TimeoutError(`The worker did not answer within ${startTimeout} ms.`))
    }, startTimeout)
    this.#channel = new Channel(port, 'outside', {
      onMessage: (message) => this.#take(message),
      onEnd: (how, cause) =>
        this.#fail(new WorkerError(`The embedder's worker has ended: ${how}.`, { cause })),
    })
    this.#greet()
  }

  #greet(): void {
    this.#channel.send({ type: 'hello', probe: new Uint8Array(1) })
  }

  get isReady(): boolean {
    return this.#state === 'ready'
  }

  send(message: Message): void {
    this.#channel.send(message)
  }

  keepAlive(isKept: boolean): void {
    if (this.#state !== 'over') this.#channel.keepAlive(isKept)
  }

  #take(message: Message): void {
    const { type } = message
    if (message.info !== undefined) this.info = message.info as EmbedderInfo
    if (type === 'closed') this.#onClosed()
    else if (this.#state === 'ready') this.#events.onMessage(message)
    else if (type === 'served') this.#greet()
    else if (type === 'here') clearTimeout(this.#timer)
    else if (type === 'loading') this.#events.onLoading(message.progress as DownloadProgress)
    else if (type === 'failed') this.#fail(decodeError(message.error))
    else if (type === 'ready') {
      this.#state = 'ready'
      this.#settle.resolve()
    }
  }

  #fail(error: Error): void {
    clearTimeout(this.#timer)
    const before = this.#state
    this.#state = 'over'
    this.#onClosed()
    if (before === 'over') return
    if (before === 'ready') this.#events.onEnd(error as WorkerError)
    else this.#settle.reject(error)
    // it may live on, and not be of use
    void this.#channel.end()
  }

  /** Ends the worker, with what it has under way. */
  async close(): Promise<void> {
    if (this.#state === 'over') return
    this.keepAlive(true)
    if (this.#state === 'ready') await this.#askToClose()
    else this.#settle.reject(new WorkerError('The worker was closed.'))
    this.#state = 'over'
    clearTimeout(this.#timer)
    await this.#channel.end()
  }

  async #askToClose(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#onClosed = resolve
    })
    const timer = setTimeout(this.#onClosed, CLOSE_MS)
    this.#channel.send({ type: 'close' })
    await closed
    clearTimeout(timer)
  }
}
