/**
 * Turns the texts of all callers into micro-batches for one native session. It owns the queue: callers
 * add texts to a job and get outcomes, nothing else is shared.
 *
 * Two batches at a time keep the engine busy: one runs, the next is ready when it ends. The second is
 * taken back when somebody comes who should go first.
 */
import { performance } from 'node:perf_hooks'
import { DisposedError, EmbedderError } from '../errors.js'
import type { NativeBatchResult, NativeHeads, NativeSession } from '../native/addon.js'
import { fromNative, isCancelled } from '../native/errors.js'
import { BatchSize } from './batch-size.js'
import { Job, type JobOptions, type Priority, type Unit, type Waiter } from './job.js'
import { Lanes } from './lanes.js'
import { copyOf, type Outcome, type TextResult } from './outcome.js'
import { splitResult } from './split.js'
import { unitKey } from './unit-key.js'

/** The engine's own limit on texts in one micro-batch. */
const MAX_TEXTS = 128

export interface SchedulerOptions {
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

interface Flight {
  id: number
  units: Unit[]
  /** A text whose batch failed is tried alone. */
  alone: boolean
  /** Not taken back for others: it was passed over for long enough. */
  firm: boolean
  launched: number
}

export class Scheduler {
  readonly stats: SchedulerStats = { ...NOTHING_YET }
  readonly #session: NativeSession
  readonly #options: SchedulerOptions
  readonly #size: BatchSize
  readonly #lanes = new Lanes()
  readonly #jobs = new Set<Job>()
  /** What waits or runs, for identical texts to join. */
  readonly #units = new Map<string, Unit>()
  readonly #flights = new Map<number, Flight>()
  #retries: Unit[] = []
  #nextId = 1
  #closed = false
  #pumping = false

  constructor(session: NativeSession, options: SchedulerOptions) {
    this.#session = session
    this.#options = options
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
    return this.#size.tokens
  }

  /** Opens a job; `add` its texts, then `finish` it. */
  open(options: JobOptions, signal?: AbortSignal): Job {
    if (this.#closed) throw new DisposedError()
    signal?.throwIfAborted()
    const job = new Job(options)
    const onAbort = () => this.cancel(job, signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    job.release = () => {
      signal?.removeEventListener('abort', onAbort)
      this.#jobs.delete(job)
    }
    this.#jobs.add(job)
    return job
  }

  /** Queues a text: its token ids, `<s>` and `</s>` included. Ignored once the job is cancelled. */
  add(job: Job, index: number, ids: Int32Array): void {
    if (job.cancelled) return
    const waiter: Waiter = { job, index, since: performance.now() }
    const key = unitKey(ids, job.outputs)
    let unit = this.#units.get(key)
    if (unit) {
      this.stats.shared++
      unit.waiters.push(waiter)
    } else {
      unit = { key, ids, outputs: job.outputs, waiters: [waiter], state: 'waiting', failures: 0 }
      this.#units.set(key, unit)
    }
    job.left++
    if (job.units.has(unit)) return
    job.units.add(unit)
    if (unit.state === 'waiting') job.push(unit)
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
    for (const unit of job.units) {
      unit.waiters = unit.waiters.filter((waiter) => waiter.job !== job)
      if (unit.waiters.length === 0 && unit.state === 'waiting') this.#forget(unit)
    }
    job.units.clear()
    job.cancel(reason)
    for (const flight of this.#flights.values()) {
      if (flight.units.every((unit) => unit.waiters.length === 0)) this.#session.cancel(flight.id)
    }
  }

  #forget(unit: Unit): void {
    unit.state = 'done'
    // a later unit of the same key may have taken its place
    if (this.#units.get(unit.key) === unit) this.#units.delete(unit.key)
  }

  /**
   * Takes back the batch that has not begun, if it holds bulk work and `job` is interactive, or if it
   * was formed for callers that have more to do and `job` is new.
   */
  #makeWay(job: Job): void {
    if (job.served || this.#flights.size < this.#options.inFlight) return
    const last = [...this.#flights.values()].at(-1) as Flight
    const yields = last.units.every((unit) =>
      unit.waiters.every(
        ({ job: other }) =>
          isBefore(job.priority, other.priority) || (other.served && other.waiting > 0),
      ),
    )
    // the promise of its run rejects as cancelled: the units go back to their jobs
    if (yields && !last.firm) this.#session.withdraw(last.id)
  }

  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    while (!this.#closed && this.#flights.size < this.#options.inFlight) {
      const retry = this.#retries.shift()
      if (retry?.waiters.length === 0) {
        this.#forget(retry)
        continue
      }
      const batch = retry
        ? { units: [retry], overdue: true }
        : this.#lanes.nextBatch({ tokens: this.#size.tokens, texts: MAX_TEXTS })
      if (batch.units.length === 0) break
      void this.#launch(batch.units, { alone: retry !== undefined, firm: batch.overdue })
    }
    this.#pumping = false
  }

  async #launch(units: Unit[], how: { alone: boolean; firm: boolean }): Promise<void> {
    const flight: Flight = { id: this.#nextId++, units, ...how, launched: performance.now() }
    this.#flights.set(flight.id, flight)
    for (const unit of units) unit.state = 'running'
    const lengths = Uint32Array.from(units, ({ ids }) => ids.length)
    const tokens = new Int32Array(lengths.reduce((sum, n) => sum + n, 0))
    let at = 0
    for (const { ids } of units) {
      tokens.set(ids, at)
      at += ids.length
    }
    const { outputs } = units[0] as Unit
    const { dim, heads, observe } = this.#options
    let result: NativeBatchResult
    try {
      result = await this.#session.run(flight.id, tokens, lengths, outputs, heads)
    } catch (error) {
      this.#flights.delete(flight.id)
      this.#failed(flight, error)
      this.#pump()
      return
    }
    // the next batch goes out before this one's results are taken apart
    this.#flights.delete(flight.id)
    this.#pump()
    const { computeMs } = result
    this.#size.ran(tokens.length, computeMs)
    this.stats.batches++
    this.stats.texts += units.length
    this.stats.tokens += tokens.length
    this.stats.computeMs += computeMs
    observe?.({ lengths, outputs, computeMs })
    reportBatch(units, tokens.length, computeMs)
    const started = flight.launched + result.queueMs
    splitResult(result, lengths, dim).forEach((text, i) => {
      this.#deliver(units[i] as Unit, text, started)
    })
  }

  #deliver(unit: Unit, result: TextResult, started: number): void {
    this.#forget(unit)
    const { waiters } = unit
    waiters.forEach((waiter, i) => {
      const own = i === waiters.length - 1 ? result : copyOf(result)
      own.queueMs = Math.max(0, started - waiter.since)
      this.stats.queueMs += own.queueMs
      this.#settle(unit, waiter, own)
    })
  }

  #failed({ units, alone }: Flight, cause: unknown): void {
    const error = fromNative(cause)
    if (error.code === 'MEMORY_LIMIT' && units.length > 1) this.#size.outOfMemory()
    const wanted = units.filter((unit) => unit.waiters.length > 0)
    for (const unit of units) if (unit.waiters.length === 0) this.#forget(unit)
    if (isCancelled(cause)) {
      // withdrawn, or cancelled for callers that left: whoever shared the batch gets it anew
      this.#putBack(wanted)
      return
    }
    for (const unit of wanted) {
      unit.failures++
      const lonely = alone || units.length === 1
      const again =
        !(error instanceof DisposedError) && (!lonely || unit.failures <= this.#options.retry)
      if (again) {
        this.stats.retries++
        this.#retries.push(unit)
        continue
      }
      this.#forget(unit)
      for (const waiter of unit.waiters) {
        this.stats.failures++
        this.#settle(unit, waiter, { error })
      }
    }
  }

  #putBack(units: readonly Unit[]): void {
    const byJob = new Map<Job, Unit[]>()
    for (const unit of units) {
      unit.state = 'waiting'
      for (const job of new Set(unit.waiters.map((waiter) => waiter.job))) {
        const list = byJob.get(job)
        if (list) list.push(unit)
        else byJob.set(job, [unit])
      }
    }
    for (const [job, list] of byJob) {
      job.putBack(list)
      this.#lanes.enter(job)
    }
  }

  #settle(unit: Unit, { job, index }: Waiter, outcome: Outcome): void {
    if (job.cancelled) return
    job.left--
    job.units.delete(unit)
    try {
      job.onOutcome(index, outcome)
    } catch (error) {
      // a result that cannot be converted (not finite, say) is that text's failure alone
      const failure = error instanceof EmbedderError ? error : fromNative(error)
      job.onOutcome(index, { error: failure })
    }
    job.settleIfDone()
  }
}

function isBefore(a: Priority, b: Priority): boolean {
  return a === 'interactive' && b === 'bulk'
}

/** Tells every caller in a batch what it was. */
function reportBatch(units: readonly Unit[], allTokens: number, computeMs: number): void {
  const parts = new Map<Job, { texts: number; tokens: number; indices: number[] }>()
  for (const { ids, waiters } of units) {
    for (const { job, index } of waiters) {
      if (!job.onBatch) continue
      const part = parts.get(job) ?? { texts: 0, tokens: 0, indices: [] }
      part.texts++
      part.tokens += ids.length
      part.indices.push(index)
      parts.set(job, part)
    }
  }
  for (const [job, { indices, ...part }] of parts) {
    job.onBatch?.({ ...part, allTexts: units.length, allTokens, computeMs }, indices)
  }
}
