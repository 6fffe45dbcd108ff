/** The inside: an embedder that answers messages. */

import { abortController } from '../../common/abort.js'
import { DisposedError, InvalidInputError } from '../../common/errors.js'
import { checkEmbedder, noOptions } from '../../common/given.js'
import { isPlain, isTyped } from '../../common/realms.js'
import type { DownloadProgress } from '../../common/types.js'
import { Embedder } from '../../embedder/embedder.js'
import { Channel, checkPort } from './ports.js'
import { METHODS, type Message } from './protocol.js'
import { FarSource } from './source.js'
import type { EmbedderPort, ServeOptions } from './types.js'
import { encodeError, encodeResult } from './wire.js'

/**
 * Serves an embedder to the other end of a port, for `connectEmbedder`. The model is loaded at once; a model that
 * cannot be loaded is an error there. What arrives and is not from `connectEmbedder` is ignored.
 *
 * @param port `parentPort` of a worker thread, `process` of a forked process, `process.parentPort` in Electron's
 *   utility process, or a `MessagePort`
 * @returns when the other end has closed it, or is gone
 * @throws InvalidInputError for what is no port, or no embedder
 * @example
 * // `parentPort` of node:worker_threads
 * await serveEmbedder(parentPort, { cache: '256MB' })
 */
export async function serveEmbedder(
  port: EmbedderPort | null,
  options: ServeOptions = {},
): Promise<void> {
  checkPort(port)
  if (typeof options !== 'object' || options === null) throw noOptions(options, 'serveEmbedder')
  const { embedder, ...load } = options
  if (embedder !== undefined) checkEmbedder(embedder, 'embed', 'embedStream', 'stats')
  return new Promise((resolve) => void new Service(port, embedder, load, resolve))
}

interface ServedStream {
  source: FarSource
  results: Promise<AsyncGenerator<unknown>>
}

class Service {
  readonly #channel: Channel
  readonly #embedder: Promise<Embedder>
  readonly #isOwn: boolean
  readonly #loading = abortController()
  readonly #onOver: () => void
  /** Calls under way, each with what cancels it. */
  readonly #calls = new Map<number, AbortController>()
  readonly #streams = new Map<number, ServedStream>()
  /** Whether somebody has said hello. */
  #isKnown = false
  #isOver = false

  constructor(
    port: EmbedderPort,
    embedder: Embedder | undefined,
    load: Omit<ServeOptions, 'embedder'>,
    onOver: () => void,
  ) {
    this.#onOver = onOver
    this.#isOwn = embedder === undefined
    this.#channel = new Channel(port, 'inside', {
      onMessage: (message) => this.#take(message),
      onEnd: () => void this.#end(),
    })
    this.#embedder = embedder ? Promise.resolve(embedder) : this.#load(load)
    // whoever asks for it hears of it
    this.#embedder.catch(() => {})
    // a port may have lost what was sent before anybody listened
    this.#send({ type: 'served' })
  }

  async #load(load: Omit<ServeOptions, 'embedder'>): Promise<Embedder> {
    const { signal, onProgress } = load
    if (signal?.aborted) this.#loading.abort(signal.reason)
    signal?.addEventListener('abort', () => this.#loading.abort(signal.reason), { once: true })
    return Embedder.load({
      ...load,
      signal: this.#loading.signal,
      onProgress: (progress: DownloadProgress) => {
        if (this.#isKnown) this.#send({ type: 'loading', progress })
        return onProgress?.(progress)
      },
    })
  }

  /** What cannot be sent is told instead; after the end nothing is. */
  #send(message: Message, transfer?: readonly ArrayBuffer[]): void {
    if (this.#isOver) return
    try {
      this.#channel.send(message, transfer)
    } catch (error) {
      this.#channel.send({ type: 'error', id: message.id, error: encodeError(error) })
    }
  }

  #take(message: Message): void {
    const { type, id } = message
    if (type === 'hello') return void this.#greet(message)
    if (type === 'close') return void this.#close()
    // no other message is without one
    if (!Number.isSafeInteger(id)) return
    const number = id as number
    if (type === 'call') void this.#call(number, message)
    else if (type === 'open') this.#open(number, message)
    else if (type === 'abort') this.#calls.get(number)?.abort()
    else if (type === 'give') this.#streams.get(number)?.source.give(message)
  }

  async #greet({ probe }: Message): Promise<void> {
    this.#isKnown = true
    this.#send({ type: 'here' })
    try {
      if (!isTyped(probe, 'Uint8Array')) {
        throw new InvalidInputError(
          "Arrays do not pass this port: fork the process with `serialization: 'advanced'`.",
        )
      }
      const embedder = await this.#embedder
      this.#send({ type: 'ready', info: infoOf(embedder) })
    } catch (error) {
      this.#send({ type: 'failed', error: encodeError(error) })
      await this.#end()
    }
  }

  async #call(id: number, message: Message): Promise<void> {
    if (this.#calls.has(id)) return
    const controller = abortController()
    this.#calls.set(id, controller)
    try {
      const embedder = await this.#embedder
      if (this.#isOver) return
      const { method, stream } = message
      const known = METHODS.get(method as string)
      const result = known
        ? await this.#run(embedder, id, message, controller.signal)
        : await this.#step(stream, method)
      const { value, transfer } = encodeResult(known?.result ?? 'step', result)
      this.#send({ type: 'done', id, value, info: infoOf(embedder) }, transfer)
    } catch (error) {
      this.#send({ type: 'error', id, error: encodeError(error) })
    } finally {
      this.#calls.delete(id)
    }
  }

  /** @throws what the embedder throws: it checks its arguments */
  #run(embedder: Embedder, id: number, message: Message, signal: AbortSignal): unknown {
    const { method, args, wantsProgress } = message
    const given = Array.isArray(args) ? [...args] : []
    const place = METHODS.get(method as string)?.options
    const options = place === undefined ? undefined : given[place]
    if (place !== undefined && (options === undefined || isPlain(options))) {
      const onProgress = (progress: unknown) => this.#send({ type: 'progress', id, progress })
      given[place] = { ...options, signal, ...(wantsProgress === true && { onProgress }) }
    }
    const run = embedder[method as keyof Embedder] as unknown as (...given: unknown[]) => unknown
    return run.apply(embedder, given)
  }

  #open(id: number, { options, wantsProgress }: Message): void {
    if (this.#streams.has(id)) return
    const source = new FarSource(id, (message) => this.#send(message))
    const onProgress = (progress: unknown) => this.#send({ type: 'progress', id, progress })
    const given = isPlain(options) ? options : {}
    // a stream that cannot begin ends with that at its first `next`
    const results = this.#embedder.then((embedder) =>
      embedder.embedStream(source as AsyncIterable<never>, {
        ...given,
        ...(wantsProgress === true && { onProgress }),
      }),
    )
    results.catch(() => {})
    this.#streams.set(id, { source, results })
  }

  async #step(stream: unknown, method: unknown): Promise<IteratorResult<unknown>> {
    const served = this.#streams.get(stream as number)
    if (!served || (method !== 'next' && method !== 'return')) {
      throw new InvalidInputError('There is no such method, or no such stream.')
    }
    try {
      const step = await (await served.results)[method](undefined)
      if (step.done) this.#streams.delete(stream as number)
      return step
    } catch (error) {
      this.#streams.delete(stream as number)
      throw error
    }
  }

  async #close(): Promise<void> {
    await this.#stop()
    this.#send({ type: 'closed' })
    await this.#end()
  }

  /** Ends all that is under way, and the embedder where it is ours. */
  async #stop(): Promise<void> {
    const reason = new DisposedError()
    this.#loading.abort(reason)
    for (const controller of this.#calls.values()) controller.abort(reason)
    for (const { source, results } of this.#streams.values()) {
      source.end()
      void results.then((stream) => stream.return(undefined)).catch(() => {})
    }
    this.#streams.clear()
    if (this.#isOwn) await this.#embedder.then((embedder) => embedder.dispose()).catch(() => {})
  }

  async #end(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    await this.#stop()
    this.#channel.release()
    this.#onOver()
  }
}

/** Not before the weights were read, with `lazy: true`. */
function infoOf(embedder: Embedder): unknown {
  try {
    return embedder.info
  } catch {
    return undefined
  }
}
