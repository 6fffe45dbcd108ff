/**
 * Turns the texts of all callers into micro-batches for one native session.
 *
 * Callers take turns, text by text, so one query waits for at most the batches that are already with
 * the engine. Two of those keep it busy: one runs, the next is ready when it ends.
 */
import { DisposedError, type EmbedderError } from '../errors.js'
import type { NativeBatchResult, NativeHeads, NativeSession } from '../native/addon.js'
import { fromNative, isCancelled } from '../native/errors.js'

/** Batches handed to the engine at a time. */
const IN_FLIGHT = 2
/** The engine's own limit on texts in one micro-batch. */
const MAX_TEXTS = 128

/** What one text gave; every array is its own, no view of a batch's. */
export interface TextResult {
  /** The pooled state, dim floats, not normalised. */
  pooled: Float32Array
  sparse?: { indices: Uint32Array; values: Float32Array }
  /** (tokens - 1) x dim, rows of length 1. */
  colbert?: Float32Array
  computeMs: number
}

export type Outcome = TextResult | { error: EmbedderError }

export interface RunOptions {
  /** Sum of `Output` bits. */
  outputs: number
  signal?: AbortSignal | undefined
}

export interface SchedulerStats {
  texts: number
  tokens: number
  batches: number
  failures: number
  cancelled: number
  computeMs: number
}

interface Job {
  texts: readonly Int32Array[]
  outputs: number
  /** Indices into `texts` not handed out yet, the next one last. */
  waiting: number[]
  /** Texts without an outcome. */
  left: number
  cancelled: boolean
  onOutcome: (index: number, outcome: Outcome) => void
  finish: (error?: unknown) => void
}

interface Entry {
  job: Job
  index: number
  /** A text whose batch failed is tried once more, alone. */
  alone: boolean
}

interface Flight {
  id: number
  entries: Entry[]
}

export class Scheduler {
  readonly stats: SchedulerStats = {
    texts: 0,
    tokens: 0,
    batches: 0,
    failures: 0,
    cancelled: 0,
    computeMs: 0,
  }
  #session: NativeSession
  #dim: number
  #heads: NativeHeads | null
  #batchTokens: number
  /** Callers with texts waiting; the one whose turn it is first. */
  #jobs: Job[] = []
  #retries: Entry[] = []
  #flights = new Map<number, Flight>()
  #nextId = 1
  #closed = false

  constructor(
    session: NativeSession,
    options: { dim: number; batchTokens: number; heads: NativeHeads | null },
  ) {
    this.#session = session
    this.#dim = options.dim
    this.#heads = options.heads
    this.#batchTokens = options.batchTokens
  }

  /** Texts that wait or run. */
  get pending(): number {
    let count = this.#retries.length
    for (const job of this.#jobs) count += job.waiting.length
    for (const flight of this.#flights.values()) count += flight.entries.length
    return count
  }

  /**
   * Computes every text (token ids, `<s>` and `</s>` included). `onOutcome` is called once per text;
   * resolves after the last one, rejects with the signal's reason when cancelled.
   */
  run(
    texts: readonly Int32Array[],
    onOutcome: (index: number, outcome: Outcome) => void,
    { outputs, signal }: RunOptions,
  ): Promise<void> {
    if (this.#closed) return Promise.reject(new DisposedError())
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (texts.length === 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#cancel(job, signal?.reason)
      const job: Job = {
        texts,
        outputs,
        waiting: Array.from(texts, (_, i) => texts.length - 1 - i),
        left: texts.length,
        cancelled: false,
        onOutcome,
        finish: (error) => {
          signal?.removeEventListener('abort', onAbort)
          if (error === undefined) resolve()
          else reject(error)
        },
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#jobs.push(job)
      this.#pump()
    })
  }

  /** Ends everything that waits or runs with `DisposedError`. */
  close(): void {
    this.#closed = true
    const jobs = new Set([...this.#jobs, ...this.#retries.map((entry) => entry.job)])
    for (const flight of this.#flights.values()) {
      for (const entry of flight.entries) jobs.add(entry.job)
    }
    for (const job of jobs) this.#cancel(job, new DisposedError())
  }

  #cancel(job: Job, reason: unknown): void {
    if (job.cancelled || job.left === 0) return
    job.cancelled = true
    this.stats.cancelled += job.left
    job.waiting = []
    this.#jobs = this.#jobs.filter((other) => other !== job)
    this.#retries = this.#retries.filter((entry) => entry.job !== job)
    for (const flight of this.#flights.values()) {
      if (flight.entries.every((entry) => entry.job.cancelled)) this.#session.cancel(flight.id)
    }
    job.finish(reason)
  }

  #pump(): void {
    while (!this.#closed && this.#flights.size < IN_FLIGHT) {
      const entries = this.#nextBatch()
      if (entries.length === 0) return
      this.#launch(entries)
    }
  }

  #nextBatch(): Entry[] {
    const retry = this.#retries.shift()
    if (retry) return [retry]
    const entries: Entry[] = []
    let tokens = 0
    while (entries.length < MAX_TEXTS) {
      // texts that share a batch share its outputs, so nobody pays for what another asked
      const outputs = entries[0]?.job.outputs
      const turn = this.#jobs.findIndex((job) => outputs === undefined || job.outputs === outputs)
      const job = this.#jobs[turn]
      if (!job) break
      const index = job.waiting.at(-1) as number
      const length = (job.texts[index] as Int32Array).length
      if (entries.length > 0 && tokens + length > this.#batchTokens) break
      job.waiting.pop()
      this.#jobs.splice(turn, 1)
      if (job.waiting.length > 0) this.#jobs.push(job)
      entries.push({ job, index, alone: false })
      tokens += length
    }
    return entries
  }

  async #launch(entries: Entry[]): Promise<void> {
    const flight: Flight = { id: this.#nextId++, entries }
    this.#flights.set(flight.id, flight)
    const texts = entries.map(({ job, index }) => job.texts[index] as Int32Array)
    const lengths = Uint32Array.from(texts, (ids) => ids.length)
    const tokens = new Int32Array(lengths.reduce((sum, n) => sum + n, 0))
    let at = 0
    for (const ids of texts) {
      tokens.set(ids, at)
      at += ids.length
    }
    try {
      const { outputs } = (entries[0] as Entry).job
      const result = await this.#session.run(flight.id, tokens, lengths, outputs, this.#heads)
      this.stats.batches++
      this.stats.texts += entries.length
      this.stats.tokens += tokens.length
      this.stats.computeMs += result.computeMs
      const results = splitResult(result, lengths, this.#dim)
      entries.forEach(({ job, index }, i) => {
        this.#settle(job, index, results[i] as TextResult)
      })
    } catch (error) {
      this.#failed(entries, error)
    } finally {
      this.#flights.delete(flight.id)
      this.#pump()
    }
  }

  #failed(entries: Entry[], cause: unknown): void {
    const error = fromNative(cause)
    // cancelled for callers that left: whoever shared the batch gets it computed anew
    const again = isCancelled(cause)
    for (const entry of entries) {
      if (entry.job.cancelled) continue
      if (again || (!entry.alone && !(error instanceof DisposedError))) {
        this.#retries.push({ ...entry, alone: !again })
      } else {
        this.stats.failures++
        this.#settle(entry.job, entry.index, { error })
      }
    }
  }

  #settle(job: Job, index: number, outcome: Outcome): void {
    if (job.cancelled) return
    job.left--
    try {
      job.onOutcome(index, outcome)
    } catch (error) {
      // a result that cannot be converted (not finite, say) is that text's failure alone
      job.onOutcome(index, { error: fromNative(error) })
    }
    if (job.left === 0) job.finish()
  }
}

/** One batch's arrays, cut into the texts' own. */
function splitResult(result: NativeBatchResult, lengths: Uint32Array, dim: number): TextResult[] {
  let sparseAt = 0
  let colbertAt = 0
  return Array.from(lengths, (length, i) => {
    const text: TextResult = {
      pooled: result.pooled.slice(i * dim, (i + 1) * dim),
      computeMs: result.computeMs,
    }
    if (result.sparse) {
      const { counts, indices, values } = result.sparse
      const end = sparseAt + (counts[i] as number)
      text.sparse = { indices: indices.slice(sparseAt, end), values: values.slice(sparseAt, end) }
      sparseAt = end
    }
    if (result.colbert) {
      const end = colbertAt + (length - 1) * dim
      text.colbert = result.colbert.slice(colbertAt, end)
      colbertAt = end
    }
    return text
  })
}
