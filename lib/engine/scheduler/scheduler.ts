/**
 * Turns the texts of all callers into micro-batches for one native session. It owns the queue: callers
 * add texts to a job and get outcomes, nothing else is shared.
 *
 * Two batches at a time keep the engine busy: one runs, the next is ready when it ends. The second is
 * taken back when somebody comes who should go first.
 */

import { type AbortSignalLike, abortReason, throwIfAborted } from '../../common/abort.js'
import { DisposedError, type EmbedderError, InferenceError } from '../../common/errors.js'
import { performance } from '../../common/timers.js'
import type { NativeBatchResult, NativeHeads, NativeSession } from '../../native/addon.js'
import { fromNative, isCancelled } from '../../native/errors.js'
import { BatchSize } from './batch-size.js'
import { type Entry, entryKey, Job, type JobCaller, type Priority, type Waiter } from './job.js'
import { Lanes } from './lanes.js'
import { copyOf, type Outcome, type TextResult } from './outcome.js'
import { splitResult } from './split.js'

/** The engine's own limit on texts in one micro-batch. */
export const MAX_TEXTS = 128

export interface SchedulerOptions {
  /** Numbers of a text's pooled state: its dimensions, or a re-ranker's one. */
  dim: number
  heads: NativeHeads | null
  /** Token budget of a batch. */
  batchTokens: number
  /** The longest that a batch should take, in milliseconds. */
  targetMs: number
  /** Batches handed to the engine at a time. */
  inFlight: number
  /** How often a text that failed by itself is tried again. */
  retry: number
  /** The most tokens of a batch while memory is short. */
  pressure?: { readonly batchTokens: number }
  /** Counted in: they may outlive this scheduler. Default: its own. */
  stats?: SchedulerStats
  /** Sees every batch that ran. */
  observe?:
    | ((batch: { lengths: Uint32Array; outputs: number; computeMs: number }) => void)
    | undefined
}

export interface SchedulerStats {
  texts: number
  tokens: number
  batches: number
  failures: number
  cancelled: number
  /** Texts that were tried once more. */
  retries: number
  /** Texts that got the result of an identical one in flight. */
  shared: number
  computeMs: number
  queueMs: number
}

export const NOTHING_YET: Readonly<SchedulerStats> = {
  texts: 0,
  tokens: 0,
  batches: 0,
  failures: 0,
  cancelled: 0,
  retries: 0,
  shared: 0,
  computeMs: 0,
  queueMs: 0,
}

interface Batch {
  id: number
  entries: Entry[]
  /** A text whose batch failed is tried alone. */
  alone: boolean
  /** Not taken back for others: it was passed over for long enough. */
  firm: boolean
  launched: number
}

export class Scheduler {
  readonly stats: SchedulerStats
  readonly #session: NativeSession
  readonly #options: SchedulerOptions
  readonly #size: BatchSize
  readonly #lanes = new Lanes()
  readonly #jobs = new Set<Job>()
  /** What waits or runs, for identical texts to join. */
  readonly #entries = new Map<string, Entry>()
  readonly #running = new Map<number, Batch>()
  #retries: Entry[] = []
  #nextId = 1
  #closed = false
  #pumping = false

  constructor(session: NativeSession, options: SchedulerOptions) {
    this.#session = session
    this.#options = options
    this.stats = options.stats ?? { ...NOTHING_YET }
    this.#size = new BatchSize(options.batchTokens, options.targetMs)
  }

  /** Texts that wait or run. */
  get pending(): number {
    let count = 0
    for (const job of this.#jobs) count += job.left
    return count
  }

  /** Tokens that the next batch may have. */
  get batchTokens(): number {
    return Math.min(
      this.#size.tokens,
      this.#options.pressure?.batchTokens ?? Number.POSITIVE_INFINITY,
    )
  }

  /** Opens a job; `add` its texts, then `finish` it. */
  open(caller: JobCaller, signal?: AbortSignalLike): Job {
    if (this.#closed) throw new DisposedError()
    throwIfAborted(signal)
    const job = new Job(caller)
    const onAbort = () => this.cancel(job, abortReason(signal))
    signal?.addEventListener('abort', onAbort, { once: true })
    job.release = () => {
      signal?.removeEventListener?.('abort', onAbort)
      this.#jobs.delete(job)
    }
    this.#jobs.add(job)
    return job
  }

  /**
   * Queues a text: its token ids, `<s>` and `</s>` included. Ignored once the job is cancelled.
   *
   * @param first of a pair: the tokens of its first part, separators included
   */
  add(job: Job, index: number, ids: Int32Array, first?: number): void {
    if (job.cancelled) return
    const waiter: Waiter = { job, index, since: performance.now() }
    const key = entryKey(ids, job.outputs, first)
    let entry = this.#entries.get(key)
    if (entry) {
      this.stats.shared++
      entry.waiters.push(waiter)
    } else {
      const { outputs } = job
      entry = { key, ids, first, outputs, waiters: [waiter], state: 'waiting', failures: 0 }
      this.#entries.set(key, entry)
    }
    job.left++
    if (job.entries.has(entry)) return
    job.entries.add(entry)
    if (entry.state === 'waiting') job.push(entry)
  }

  /** Hands batches to the engine, now that texts were added. */
  start(job: Job): void {
    this.#lanes.enter(job)
    this.#makeWay(job)
    this.#pump()
  }

  /** Ends everything that waits or runs with `DisposedError`. */
  close(): void {
    this.#closed = true
    for (const job of [...this.#jobs]) this.cancel(job, new DisposedError())
  }

  /** Drops a job's texts that have no outcome; its `end` rejects with the reason. */
  cancel(job: Job, reason: unknown): void {
    if (job.cancelled) return
    this.stats.cancelled += job.left
    this.#lanes.leave(job)
    for (const entry of job.entries) {
      entry.waiters = entry.waiters.filter((waiter) => waiter.job !== job)
      if (entry.waiters.length === 0 && entry.state === 'waiting') this.#forget(entry)
    }
    job.entries.clear()
    job.cancel(reason)
    for (const batch of this.#running.values()) {
      if (batch.entries.every((entry) => entry.waiters.length === 0)) this.#session.cancel(batch.id)
    }
  }

  #forget(entry: Entry): void {
    entry.state = 'done'
    // a later entry of the same key may have taken its place
    if (this.#entries.get(entry.key) === entry) this.#entries.delete(entry.key)
  }

  /**
   * Takes back the batch that has not begun, if it holds bulk work and `job` is interactive, or if it
   * was formed for callers that have more to do and `job` is new.
   */
  #makeWay(job: Job): void {
    if (job.served || this.#running.size < this.#options.inFlight) return
    const last = [...this.#running.values()].at(-1) as Batch
    const yields = last.entries.every((entry) =>
      entry.waiters.every(
        ({ job: other }) =>
          isBefore(job.priority, other.priority) || (other.served && other.waiting > 0),
      ),
    )
    // the promise of its run rejects as cancelled: the entries go back to their jobs
    if (yields && !last.firm) this.#session.withdraw(last.id)
  }

  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    while (!this.#closed && this.#running.size < this.#options.inFlight) {
      const retry = this.#retries.shift()
      if (retry?.waiters.length === 0) {
        this.#forget(retry)
        continue
      }
      const batch = retry
        ? { entries: [retry], overdue: true }
        : this.#lanes.nextBatch({ tokens: this.batchTokens, texts: MAX_TEXTS })
      if (batch.entries.length === 0) break
      void this.#launch(batch.entries, { alone: retry !== undefined, firm: batch.overdue })
    }
    this.#pumping = false
  }

  async #launch(entries: Entry[], how: { alone: boolean; firm: boolean }): Promise<void> {
    const batch: Batch = { id: this.#nextId++, entries, ...how, launched: performance.now() }
    this.#running.set(batch.id, batch)
    for (const entry of entries) entry.state = 'running'
    const lengths = Uint32Array.from(entries, ({ ids }) => ids.length)
    const tokens = new Int32Array(lengths.reduce((sum, n) => sum + n, 0))
    let at = 0
    for (const { ids } of entries) {
      tokens.set(ids, at)
      at += ids.length
    }
    const { outputs } = entries[0] as Entry
    const { dim, heads, observe } = this.#options
    let result: NativeBatchResult
    try {
      result = await this.#session.run(batch.id, tokens, lengths, outputs, heads, firstsOf(entries))
    } catch (error) {
      this.#running.delete(batch.id)
      this.#failed(batch, error)
      this.#pump()
      return
    }
    // the next batch goes out before this one's results are taken apart
    this.#running.delete(batch.id)
    this.#pump()
    const { computeMs } = result
    this.#size.ran(tokens.length, computeMs)
    this.stats.batches++
    this.stats.texts += entries.length
    this.stats.tokens += tokens.length
    this.stats.computeMs += computeMs
    observe?.({ lengths, outputs, computeMs })
    this.#reportBatch(entries, tokens.length, computeMs)
    const started = batch.launched + result.queueMs
    const broken: Entry[] = []
    splitResult(result, lengths, dim).forEach((text, i) => {
      const entry = entries[i] as Entry
      if (allFinite(text.pooled)) this.#deliver(entry, text, started)
      else broken.push(entry)
    })
    if (broken.length === 0) return
    // damaged weights, never a result; it costs the others of the batch nothing
    this.#retry(broken, notFinite(), batch.alone || entries.length === 1)
    this.#pump()
  }

  #deliver(entry: Entry, result: TextResult, started: number): void {
    this.#forget(entry)
    const { waiters } = entry
    waiters.forEach((waiter, i) => {
      const own = i === waiters.length - 1 ? result : copyOf(result)
      own.queueMs = Math.max(0, started - waiter.since)
      this.stats.queueMs += own.queueMs
      this.#settle(entry, waiter, own)
    })
  }

  #failed({ entries, alone }: Batch, cause: unknown): void {
    const error = fromNative(cause)
    if (error.code === 'MEMORY_LIMIT' && entries.length > 1) this.#size.outOfMemory()
    const wanted = entries.filter((entry) => entry.waiters.length > 0)
    for (const entry of entries) if (entry.waiters.length === 0) this.#forget(entry)
    if (isCancelled(cause)) {
      // withdrawn, or cancelled for callers that left: whoever shared the batch gets it anew
      this.#putBack(wanted)
      return
    }
    this.#retry(wanted, error, alone || entries.length === 1)
  }

  /** Tries texts again, alone, or gives them their error when that was done often enough. */
  #retry(entries: readonly Entry[], error: EmbedderError, alone: boolean): void {
    for (const entry of entries) {
      entry.failures++
      const again =
        !(error instanceof DisposedError) && (!alone || entry.failures <= this.#options.retry)
      if (again) {
        this.stats.retries++
        this.#retries.push(entry)
        continue
      }
      this.#forget(entry)
      for (const waiter of entry.waiters) {
        this.stats.failures++
        this.#settle(entry, waiter, { error })
      }
    }
  }

  #putBack(entries: readonly Entry[]): void {
    const byJob = new Map<Job, Entry[]>()
    for (const entry of entries) {
      entry.state = 'waiting'
      for (const job of new Set(entry.waiters.map((waiter) => waiter.job))) {
        const list = byJob.get(job)
        if (list) list.push(entry)
        else byJob.set(job, [entry])
      }
    }
    for (const [job, list] of byJob) {
      job.putBack(list)
      this.#lanes.enter(job)
    }
  }

  #settle(entry: Entry, { job, index }: Waiter, outcome: Outcome): void {
    if (job.cancelled) return
    job.left--
    job.entries.delete(entry)
    try {
      job.caller.onOutcome(index, outcome)
    } catch (error) {
      this.cancel(job, fromNative(error)) // told once, whatever it throws
      return
    }
    job.settleIfDone()
  }

  /** Tells every caller in a batch what it was. */
  #reportBatch(entries: readonly Entry[], allTokens: number, computeMs: number): void {
    const parts = new Map<Job, { texts: number; tokens: number; indices: number[] }>()
    for (const { ids, waiters } of entries) {
      for (const { job, index } of waiters) {
        if (!job.caller.onBatch) continue
        const part = parts.get(job) ?? { texts: 0, tokens: 0, indices: [] }
        part.texts++
        part.tokens += ids.length
        part.indices.push(index)
        parts.set(job, part)
      }
    }
    if (parts.size === 0) return
    const id = this.stats.batches
    const peakBytes = process.memoryUsage.rss()
    for (const [job, { indices, ...part }] of parts) {
      const batch = {
        id,
        ...part,
        allTexts: entries.length,
        allTokens,
        computeMs,
        peakBytes,
        errors: 0,
      }
      try {
        job.caller.onBatch?.(batch, indices)
      } catch (error) {
        this.cancel(job, fromNative(error))
      }
    }
  }
}

/** Null for texts that are no pairs: a model takes the ones or the others. */
function firstsOf(entries: readonly Entry[]): Uint32Array | null {
  if (entries[0]?.first === undefined) return null
  return Uint32Array.from(entries, ({ ids, first }) => first ?? ids.length)
}

/** A number times zero is zero, unless it is NaN or infinite. */
function allFinite(values: Float32Array): boolean {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += (values[i] as number) * 0
  return sum === 0
}

function notFinite(): InferenceError {
  return new InferenceError(
    'The model gave numbers that are not finite; its file may be damaged (bge-m3 model verify).',
  )
}

function isBefore(a: Priority, b: Priority): boolean {
  return a === 'interactive' && b === 'bulk'
}
