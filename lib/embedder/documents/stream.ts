/**
 * Embeds whatever an iterable gives, as it gives it: results in input order, and never more under way
 * than fits into a window, however slow the consumer and however long the source.
 *
 * Texts go to the engine in groups: as many as the source has at hand, up to half of the window. A
 * source that has nothing ready keeps nothing back: the group goes as it is.
 */

import { abortController, abortReason } from '../../common/abort.js'
import { Deadline } from '../../common/deadline.js'
import {
  DisposedError,
  EmbedderError,
  InferenceError,
  InvalidInputError,
  QueueFullError,
} from '../../common/errors.js'
import { refuseUnknown, shown } from '../../common/given.js'
import { type ProgressReporter, reportProgress } from '../../common/progress.js'
import { isThenable, nameOf } from '../../common/realms.js'
import { clearImmediate, performance, setImmediate, sleep, turn } from '../../common/timers.js'
import type {
  Chunk,
  ChunkFailure,
  EmbeddedChunk,
  Embedding,
  EmbedOptions,
  EmbedOptionsFor,
  OutputsOption,
  Precision,
  Settled,
} from '../../common/types.js'
import { CALL_NAMES } from '../../options/table.js'
import { type CallOptions, resolveCall } from '../call/call-options.js'
import type { EmbedCore } from '../call/embed-core.js'
import { atIndex, type CheckedChunk, checkChunk } from './chunk-input.js'
import {
  embeddedChunk,
  type RecordOptions,
  type ScoreVector,
  takeRecordOptions,
} from './embedded-chunk.js'
import { scoreVector } from './quality.js'
import { checkSource, type Source, SourceReader } from './source.js'

export interface StreamOptions extends EmbedOptions {
  /** The most chunks taken from the source and not yet handed out. Default: 512. */
  maxInFlight?: number | undefined
  /** `false`: items come as they are done, not in the source's order. Default: true. */
  ordered?: boolean | undefined
  /** Whether items carry their texts. Default: true. */
  keepText?: boolean | undefined
  /** A vector whose soundness (`qualityScore`, 0 to 1) is below it is a failure. Default: 0. */
  minQuality?: number | undefined
}

/** What a stream gives with `onError: 'collect'`: `'error' in item` tells which. */
export type StreamItem<
  P extends Precision = 'float32',
  W extends OutputsOption | undefined = OutputsOption,
  C = string,
  T extends boolean = boolean,
> = EmbeddedChunk<P, W, C, T> | ChunkFailure

/** What a stream gives with such an `onError`. */
export type StreamResultFor<
  E extends 'throw' | 'collect',
  P extends Precision = 'float32',
  W extends OutputsOption | undefined = OutputsOption,
  C = string,
  T extends boolean = boolean,
> = 'collect' extends E ? StreamItem<P, W, C, T> : EmbeddedChunk<P, W, C, T>

/** Chunks under way: enough for several batches, also of short texts. */
const MAX_IN_FLIGHT = 512
/** UTF-16 units of their texts; a longer text is under way alone. Multi-vectors take much memory. */
const MAX_UNITS = { plain: 64 * 1024, colbert: 16 * 1024 }
/** Groups with the engine at a time, each half of what may be under way: one runs, one is next. */
const CALLS = 2
/** Milliseconds that a source may be read without others getting their turn. */
const BREATH_MS = 10
/** Milliseconds before a full queue is tried again: at first, and at most. */
const RETRY_MS = { first: 20, most: 1000 }

/**
 * Embeds what a source gives: chunks, or strings, whose ids are then their positions. The source is
 * read only while there is room for more; it is closed (`return()`) when the consumer stops early, on
 * an abort, and on an error. Ids are not checked for being different, since that would take memory
 * without end.
 *
 * - `onError: 'throw'` (default): the first failed chunk ends the stream with its error, after
 *   everything before it came out. `'collect'`: a failed chunk comes out in its place as
 *   `{ id, index, error }`.
 * - What the source throws comes after the results of everything that it gave before.
 * - `timeout`: the longest that one item may be waited for. The whole stream may take for ever.
 * - `signal`: the stream ends at once with the signal's reason.
 *
 * @throws InvalidInputError at once, for a source that is none and for wrong options
 */
export function embedStream<
  const W extends OutputsOption | undefined = undefined,
  P extends Precision = 'float32',
  E extends 'throw' | 'collect' = 'throw',
  C extends Chunk | string = string,
  const T extends boolean = true,
>(
  core: EmbedCore,
  source: Source<C>,
  options: EmbedOptionsFor<W, P, E, StreamOptions> & { keepText?: T | undefined } = {},
): AsyncGenerator<StreamResultFor<E, P, W, C, T>, void, undefined> {
  checkSource(source)
  const stream: AsyncGenerator<unknown, void, undefined> = new EmbedStream(core, source, options)
  return stream as AsyncGenerator<StreamResultFor<E, P, W, C, T>, void, undefined>
}

/** A chunk that was taken from the source and not handed out yet. */
interface Slot {
  index: number
  chunk: CheckedChunk
  units: number
  item?: StreamItem<Precision>
  /** Ends the stream when its turn has come. */
  fatal?: { reason: unknown }
}

const isOpen = (slot: Slot) => slot.item === undefined && slot.fatal === undefined

interface Waiter {
  resolve(result: IteratorResult<StreamItem<Precision>, void>): void
  reject(reason: unknown): void
}

class EmbedStream implements AsyncGenerator<StreamItem<Precision>, void, undefined> {
  readonly #core: EmbedCore
  readonly #reader: SourceReader<unknown>
  readonly #call: CallOptions
  readonly #deadline: Deadline
  readonly #score: ScoreVector
  readonly #record: RecordOptions
  readonly #ordered: boolean
  readonly #limits: { chunks: number; units: number }
  /** Every group under way listens. */
  readonly #work = abortController()
  readonly #progress: ProgressReporter
  /** In input order; the next to be handed out first. */
  readonly #slots: Slot[] = []
  /** The end of `#slots` that was not sent yet: groups that are complete, and one that grows. */
  #groups: Slot[][] = []
  #group: Slot[] = []
  #groupUnits = 0
  /** Groups that are with the engine. */
  #calls = 0
  #units = 0
  #taken = 0
  #waiters: Waiter[] = []
  #flush: NodeJS.Immediate | undefined
  #reading = false
  /** Set when there is nothing more to read, with what the source threw. */
  #sourceEnd: { error?: unknown; failed: boolean } | undefined
  #isOver = false
  /** Why it ended, until somebody asks. */
  #failure: { reason: unknown } | undefined
  readonly #onAbort = () => void this.#end({ reason: abortReason(this.#deadline.signal) })

  constructor(core: EmbedCore, source: Source<unknown>, options: StreamOptions) {
    refuseUnknown(
      options,
      [...CALL_NAMES, 'maxInFlight', 'ordered', 'keepText', 'minQuality'],
      'embedStream',
    )
    const { record, rest: others } = takeRecordOptions(options)
    const { maxInFlight = MAX_IN_FLIGHT, ordered = true, ...rest } = others
    this.#record = record
    this.#ordered = ordered
    if (typeof ordered !== 'boolean') {
      throw new InvalidInputError(
        `The option \`ordered\` must be true or false, not ${shown(ordered)}.`,
      )
    }
    if (!Number.isInteger(maxInFlight) || maxInFlight < 1 || maxInFlight > 65_536) {
      throw new InvalidInputError(
        `The option \`maxInFlight\` must be an integer from 1 to 65536, not ${shown(maxInFlight)}.`,
      )
    }
    const own = { priority: 'bulk', onError: 'throw', prompt: 'passage' } as const
    const { call, timeout, onProgress } = resolveCall(rest, core.defaults, own, 'embedStream')
    this.#core = core
    this.#call = call
    this.#deadline = new Deadline(
      call.signal,
      timeout,
      `No result came within the timeout of ${timeout} ms.`,
    )
    this.#score = scoreVector(call.normalize)
    this.#limits = {
      chunks: maxInFlight,
      units: call.outputs.colbert ? MAX_UNITS.colbert : MAX_UNITS.plain,
    }
    this.#reader = new SourceReader(source, (error) =>
      core.warn(`the source of a stream threw while it was closed: ${nameOf(error)}`),
    )
    const total = Array.isArray(source) ? source.length : null
    this.#progress = reportProgress(onProgress, total, (error) =>
      core.warn(`onProgress threw: ${nameOf(error)}`),
    )
    this.#deadline.signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  next(): Promise<IteratorResult<StreamItem<Precision>, void>> {
    if (this.#deadline.signal?.aborted) this.#onAbort()
    const failure = this.#failure
    this.#failure = undefined
    if (failure) return Promise.reject(failure.reason)
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      if (this.#waiters.length === 1) this.#startTimer()
      this.#serve()
      void this.#read()
    })
  }

  /** Ends the stream and its source; also while a `next()` waits. */
  async return(): Promise<IteratorResult<StreamItem<Precision>, void>> {
    this.#failure = undefined
    await this.#end(undefined)
    return { done: true, value: undefined }
  }

  async throw(error: unknown): Promise<IteratorResult<StreamItem<Precision>, void>> {
    await this.#end(undefined)
    throw error
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end(undefined)
  }

  /** Takes chunks from the source while there is room. One at a time, whoever asks. */
  async #read(): Promise<void> {
    if (this.#reading) return
    this.#reading = true
    let breath = performance.now()
    try {
      while (this.#hasRoom) {
        let step = this.#reader.next()
        // what was read so far goes off with this turn of the event loop
        if (isThenable(step)) step = await step
        if (this.#isOver) return
        if (!step) this.#sourceEnd = { failed: false }
        else this.#take(step.value)
        if (performance.now() - breath > BREATH_MS) {
          await turn()
          breath = performance.now()
        }
      }
    } catch (error) {
      this.#sourceEnd = { error, failed: true }
    } finally {
      this.#reading = false
    }
    this.#flushSoon()
    this.#serve()
  }

  get #hasRoom(): boolean {
    if (this.#isOver || this.#sourceEnd) return false
    const { chunks, units } = this.#limits
    return this.#slots.length < chunks && (this.#units < units || this.#slots.length === 0)
  }

  #take(value: unknown): void {
    const index = this.#taken++
    const checked = checkChunk(value, index)
    if (checked instanceof EmbedderError) {
      const { id } = Object(value) as { id?: unknown }
      const chunk = { id: typeof id === 'string' ? id : '', text: '', metadata: undefined }
      const slot: Slot = { index, chunk, units: 0 }
      this.#slots.push(slot)
      this.#settle(slot, checked, '')
      return
    }
    const units = typeof checked.text === 'string' ? checked.text.length : 0
    const slot: Slot = { index, chunk: checked, units }
    const { chunks, units: most } = this.#limits
    if (this.#group.length > 0 && this.#groupUnits + units > most / CALLS) this.#closeGroup()
    this.#slots.push(slot)
    this.#units += units
    this.#group.push(slot)
    this.#groupUnits += units
    if (this.#group.length >= chunks / CALLS) this.#closeGroup()
    this.#flushSoon()
  }

  #closeGroup(): void {
    this.#groups.push(this.#group)
    this.#group = []
    this.#groupUnits = 0
    this.#send()
  }

  /**
   * Sends, after this turn of the event loop, the group that is not complete: if the source keeps us
   * waiting or is at its end, or if the engine has nothing to do. Else it may grow, or it would be sent
   * in crumbs as items leave.
   */
  #flushSoon(): void {
    if (this.#group.length === 0 || this.#isOver) return
    this.#flush ??= setImmediate(() => {
      this.#flush = undefined
      const growsNoMore = this.#reading || this.#sourceEnd !== undefined
      const isWanted = this.#calls === 0 || (growsNoMore && this.#calls < CALLS)
      if (this.#group.length > 0 && this.#groups.length === 0 && isWanted) this.#closeGroup()
    })
  }

  /** Hands complete groups to the engine, as long as it has use for them. */
  #send(): void {
    while (this.#calls < CALLS && this.#groups.length > 0 && !this.#isOver) {
      const group = this.#groups.shift() as Slot[]
      this.#calls++
      this.#embed(group)
        .catch((reason) => {
          // of the whole call: wrong options, a model that cannot be loaded, dispose
          if (!this.#isOver) this.#fatal(group, reason)
        })
        .finally(() => {
          this.#calls--
          this.#send()
          this.#flushSoon()
        })
    }
  }

  /** Others may have filled the queue: a stream can wait, and asks for less. */
  async #embed(group: readonly Slot[]): Promise<void> {
    let pause = RETRY_MS.first
    let size = group.length
    for (let at = 0; at < group.length && !this.#isOver; ) {
      const part = group.slice(at, at + size).filter(isOpen)
      try {
        await this.#embedOnce(part)
        at += size
      } catch (error) {
        if (!(error instanceof QueueFullError)) throw error
        size = Math.ceil(size / 2)
        await sleep(pause)
        pause = Math.min(2 * pause, RETRY_MS.most)
      }
    }
  }

  async #embedOnce(slots: readonly Slot[]): Promise<void> {
    let model = await this.#core.fingerprint()
    if (this.#isOver) return
    const settle = (index: number, result: Settled<Embedding<Precision>>) => {
      const slot = slots[index]
      if (slot) this.#settle(slot, result, model)
    }
    const results = await this.#core.embedSettled(
      slots.map((slot) => slot.chunk.text),
      // bad texts are found before good ones are computed, and here they cost only themselves
      { ...this.#call, signal: this.#work.signal, onError: 'collect' },
      {
        onModel: (fingerprint) => {
          model = fingerprint
        },
        onResult: (index, result) => {
          if (!(result instanceof EmbedderError)) settle(index, result)
        },
      },
    )
    slots.forEach((slot, i) => {
      if (isOpen(slot)) settle(i, results[i] ?? new InferenceError('The text was not computed.'))
    })
    const full = results.find((result) => result instanceof QueueFullError)
    if (full) throw full
  }

  #settle(slot: Slot, result: Settled<Embedding<Precision>>, model: string): void {
    if (this.#isOver || !isOpen(slot) || result instanceof QueueFullError) return
    const { index, chunk } = slot
    if (result instanceof DisposedError) {
      slot.fatal = { reason: result }
    } else {
      const item =
        result instanceof EmbedderError
          ? result
          : embeddedChunk(chunk, result, { model, score: this.#score, ...this.#record })
      if (item instanceof EmbedderError) {
        const error = atIndex(item, index)
        slot.item = { id: chunk.id, index, error }
        if (this.#call.onError === 'throw') slot.fatal = { reason: error }
      } else slot.item = item
    }
    // nobody needs the text any more
    chunk.text = undefined
    if (slot.fatal) this.#stopReading()
    this.#progress(slot.item && 'embedding' in slot.item ? slot.item.embedding.tokenCount : 0)
    this.#serve()
  }

  #fatal(group: readonly Slot[], reason: unknown): void {
    for (const slot of group) if (isOpen(slot)) slot.fatal = { reason }
    this.#stopReading()
    this.#serve()
  }

  /** What is read now would never come out. */
  #stopReading(): void {
    this.#sourceEnd ??= { failed: false }
    void this.#reader.close()
  }

  /** Hands out what is ready, to those who wait. */
  #serve(): void {
    let handedOut = false
    while (this.#waiters.length > 0 && !this.#isOver) {
      const at = this.#ordered
        ? 0
        : Math.max(
            0,
            this.#slots.findIndex((one) => !isOpen(one)),
          )
      const slot = this.#slots[at]
      if (slot?.fatal) {
        void this.#end({ reason: slot.fatal.reason })
      } else if (slot?.item) {
        this.#slots.splice(at, 1)
        this.#units -= slot.units
        this.#waiters.shift()?.resolve({ done: false, value: slot.item })
        handedOut = true
      } else if (!slot && this.#sourceEnd) {
        const { failed, error } = this.#sourceEnd
        void this.#end(failed ? { reason: error } : undefined)
      } else break
    }
    if (!handedOut || this.#isOver) return
    this.#startTimer()
    void this.#read()
  }

  /** Ends everything; the first who waits gets the reason. Resolves when the source is closed. */
  #end(failure: { reason: unknown } | undefined): Promise<void> {
    if (this.#isOver) return Promise.resolve()
    this.#isOver = true
    this.#deadline.signal?.removeEventListener?.('abort', this.#onAbort)
    this.#deadline.end()
    if (this.#flush) clearImmediate(this.#flush)
    this.#work.abort(failure?.reason)
    this.#progress.finish()
    const waiters = this.#waiters
    this.#waiters = []
    this.#slots.length = 0
    this.#groups = []
    this.#group = []
    const first = failure && waiters.shift()
    if (first) first.reject(failure.reason)
    else this.#failure = failure
    for (const waiter of waiters) waiter.resolve({ done: true, value: undefined })
    return this.#reader.close()
  }

  /** Runs while somebody waits; begins anew with each item. */
  #startTimer(): void {
    if (this.#waiters.length === 0) this.#deadline.stop()
    else this.#deadline.start()
  }
}
