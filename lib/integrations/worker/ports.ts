/** Ports of every make as one channel: what they are called, how they end, and what they can hand over. */

import { MessagePort, Worker } from 'node:worker_threads'
import { InvalidInputError } from '../../common/errors.js'
import { shown } from '../../common/given.js'
import { clearTimeout, setTimeout } from '../../common/timers.js'
import { type Message, mark, unmark } from './protocol.js'
import type { EmbedderPort } from './types.js'

/** Milliseconds that a process may take to end, or its last messages to arrive, before it is no longer waited for. */
const PATIENCE_MS = 5_000

/** All that the ports have between them. */
interface AnyPort extends EmbedderPort {
  off?(event: string, listener: (...given: unknown[]) => void): unknown
  start?(): void
  close?(): void
  kill?(signal?: string): unknown
  terminate?(): Promise<unknown>
  disconnect?(): void
  ref?(): void
  unref?(): void
  channel?: { ref?(): void; unref?(): void } | null
  connected?: boolean
  exitCode?: number | null
  signalCode?: string | null
  threadId?: number
}

export interface ChannelEvents {
  onMessage(message: Message): void
  /**
   * The other end is gone; once.
   *
   * @param how such as `code 1`
   * @param cause what a thread said of it
   */
  onEnd(how: string, cause?: unknown): void
}

/** @throws InvalidInputError for what is no port */
export function checkPort(port: unknown): asserts port is EmbedderPort {
  const { on, postMessage, send } = Object(port) as Partial<EmbedderPort>
  const isPort = typeof postMessage === 'function' || typeof send === 'function'
  if (isPort && typeof on === 'function') return
  throw new InvalidInputError(
    `The port must be a Worker, a MessagePort, a forked process or one of Electron's, not ${shown(port)}.`,
  )
}

export class Channel {
  readonly #port: AnyPort
  readonly #events: ChannelEvents
  readonly #side: 'inside' | 'outside'
  readonly #listeners: [event: string, listener: (...given: unknown[]) => void][] = []
  #hasEnded = false
  #cause: unknown
  /** Whether there is no thread or process any more; it may live on when the port has ended. */
  #isGone = false
  #whenGone: (() => void)[] = []

  /** @param side `outside` is the end whose port stands for a thread or process */
  constructor(port: EmbedderPort, side: 'inside' | 'outside', events: ChannelEvents) {
    this.#port = port as AnyPort
    this.#side = side
    this.#events = events
    this.#listen()
  }

  #listen(): void {
    this.#on('message', (given: unknown) => {
      const message = unmark(given)
      if (message && !this.#hasEnded) this.#events.onMessage(message)
    })
    this.#on('messageerror', () => this.#ended('a message could not be read'))
    this.#on('close', () => this.#ended('the port was closed'))
    if (this.#side === 'inside') {
      this.#on('disconnect', () => this.#ended('it was disconnected'))
    } else this.#listenToProcess()
    // Electron's ports keep messages until then
    this.#port.start?.()
  }

  /** A thread's last messages come before its `exit`; a process's may come after, until `disconnect`. */
  #listenToProcess(): void {
    let how = 'it was disconnected'
    this.#on('disconnect', () => this.#ended(how))
    this.#on('exit', (code: unknown, signal: unknown) => {
      this.#isGone = true
      for (const resolve of this.#whenGone.splice(0)) resolve()
      how = typeof signal === 'string' ? `signal ${signal}` : `code ${Number(code)}`
      if (!this.#port.connected) this.#ended(how)
      // a process of its own may hold the pipe open for ever
      else setTimeout(() => this.#ended(how), PATIENCE_MS).unref()
    })
    // without a listener it would be thrown; after it comes `exit`, unless there never was a process
    this.#on('error', (error: unknown) => {
      this.#cause = error
      const { syscall } = Object(error) as { syscall?: unknown }
      if (!String(syscall).startsWith('spawn')) return
      this.#isGone = true
      this.#ended('it could not be started')
    })
    const { connected, exitCode, signalCode, threadId } = this.#port
    this.#isGone = (exitCode ?? signalCode ?? null) !== null || threadId === -1
    if (this.#isGone || connected === false) setTimeout(() => this.#ended('it had ended before'), 0)
  }

  #on(event: string, listener: (...given: unknown[]) => void): void {
    this.#listeners.push([event, listener])
    this.#port.on(event, listener)
  }

  #ended(how: string): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#events.onEnd(how, this.#cause)
  }

  /**
   * @param transfer buffers that are handed over where the port can do that, and else copied
   * @throws InvalidInputError for what cannot be copied: a function, a promise
   */
  send(message: Message, transfer: readonly ArrayBuffer[] = []): void {
    if (this.#hasEnded) return
    const port = this.#port
    const given = mark(message)
    try {
      if (port instanceof Worker || port instanceof MessagePort) {
        port.postMessage(given, transfer as ArrayBuffer[])
      } else if (port.postMessage) port.postMessage(given)
      // where it cannot be sent any more, `disconnect` or `exit` says so
      else (port.send as (...given: unknown[]) => unknown)(given, undefined, undefined, () => {})
    } catch (error) {
      // its message shows what was to be sent
      const { name } = Object(error) as { name?: unknown }
      throw new InvalidInputError(
        `What goes to a worker or comes from it must be data alone, without functions (${String(name)}).`,
      )
    }
  }

  /** Whether the port keeps the event loop going. */
  keepAlive(isKept: boolean): void {
    const method = isKept ? 'ref' : 'unref'
    this.#port[method]?.()
    this.#port.channel?.[method]?.()
  }

  /** Ends the thread or process, and waits until it has; of a port that stands for none, closes it. */
  async end(): Promise<void> {
    const port = this.#port
    if (port.terminate) await port.terminate()
    else if (port.kill) await this.#kill()
    else port.close?.()
    this.#hasEnded = true
    // those of `error` stay: nobody else may listen to what a dying process says
    this.#forget(([event]) => event !== 'error')
  }

  /** Asks first. A process that the system does not let go of is not waited for without end. */
  async #kill(): Promise<void> {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      if (this.#isGone) return
      this.#port.kill?.(signal)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, PATIENCE_MS)
        this.#whenGone.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  /** Gives up this end, so that it keeps nothing alive. */
  release(): void {
    this.#hasEnded = true
    this.#forget(() => true)
    const { close, disconnect, connected } = this.#port
    if (close) close.call(this.#port)
    else if (disconnect && connected) disconnect.call(this.#port)
  }

  #forget(which: (entry: readonly [event: string, unknown]) => boolean): void {
    for (const [event, listener] of this.#listeners.filter(which)) this.#port.off?.(event, listener)
  }
}
