/** One call's texts on their way through the scheduler. */
import { createHash } from 'node:crypto'
import type { BatchInfo } from '../../common/types.js'
import type { Outcome } from './outcome.js'

/** Up to this many ids are their own name; longer texts are named by a hash. */
const SHORT = 64

export type Priority = 'interactive' | 'bulk'

/** Who wants texts computed, and hears what becomes of them. */
export interface JobCaller {
  /** Sum of `Output` bits. */
  readonly outputs: number
  readonly priority: Priority
  /** Called once per text that was added, unless the job is cancelled. It must not throw. */
  onOutcome(index: number, outcome: Outcome): void
  /** Called for each micro-batch that held texts of this job, with their numbers. */
  onBatch?: ((batch: BatchInfo, indices: readonly number[]) => void) | undefined
}

export interface Waiter {
  job: Job
  /** The caller's own number for the text. */
  index: number
  /** `performance.now()` when it was submitted. */
  since: number
}

/** Identical texts that are wanted with the same outputs at the same time are one entry. */
export interface Entry {
  readonly key: string
  readonly ids: Int32Array
  /** Of a pair: the tokens of its first part, separators included. */
  readonly first?: number | undefined
  /** Sum of `Output` bits. */
  readonly outputs: number
  /** Empty when every caller has left: it is dropped when its turn comes. */
  waiters: Waiter[]
  state: 'waiting' | 'running' | 'done'
  failures: number
}

/** How many entries are looked through for one that still fits a batch. */
export const LOOK_AHEAD = 32

/** Names a text's tokens, where a pair's first part ends, and outputs, to tell identical work. */
export function entryKey(ids: Int32Array, outputs: number, first?: number): string {
  const what = first === undefined ? `${outputs}` : `${outputs}/${first}`
  const bytes = Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength)
  if (ids.length <= SHORT) return `${what}:${bytes.toString('latin1')}`
  // 256 bits: two texts never share one by chance or by design
  return `${what}#${createHash('sha256').update(bytes).digest('base64')}`
}

export class Job {
  readonly caller: JobCaller
  readonly outputs: number
  readonly priority: Priority
  /** Every entry that may still have this job among its waiters. */
  readonly entries = new Set<Entry>()
  /** Texts without an outcome. */
  left = 0
  cancelled = false
  /** Whether a text of it has been in a batch. */
  served = false
  /** Kept by `Lanes`. */
  inLane = false
  /** Called once, when the job has come to its end. Set by the scheduler. */
  release: () => void = () => {}
  #waiting: Entry[] = []
  #head = 0
  #tokens = 0
  #ended = false
  #failure: { reason: unknown } | undefined
  #finish: ((error?: unknown) => void) | undefined
  #onDrain: (() => void) | undefined

  constructor(caller: JobCaller) {
    this.caller = caller
    this.outputs = caller.outputs
    this.priority = caller.priority
  }

  /** Tokens that wait. */
  get waitingTokens(): number {
    return this.#tokens
  }

  get waiting(): number {
    return this.#waiting.length - this.#head
  }

  push(entry: Entry): void {
    this.#waiting.push(entry)
    this.#tokens += entry.ids.length
  }

  /** Puts entries back whose batch did not run, in their old order. */
  putBack(entries: readonly Entry[]): void {
    this.#waiting.splice(0, this.#head, ...entries)
    this.#head = 0
    for (const entry of entries) this.#tokens += entry.ids.length
  }

  /** The next entry of at most `room` tokens among the first few; entries that nobody waits for go. */
  take(room: number): Entry | undefined {
    this.#dropDone()
    const end = Math.min(this.#waiting.length, this.#head + LOOK_AHEAD)
    for (let i = this.#head; i < end; i++) {
      const entry = this.#waiting[i] as Entry
      if (entry.state !== 'waiting' || entry.ids.length > room) continue
      if (i === this.#head) this.#head++
      else this.#waiting.splice(i, 1)
      this.#drained(entry.ids.length)
      this.#compact()
      return entry
    }
    return undefined
  }

  /** Whether any entry waits; drops the ones that were computed for others meanwhile. */
  get hasWork(): boolean {
    this.#dropDone()
    return this.waiting > 0
  }

  /** Resolves when fewer than `tokens` tokens wait, or the job has come to its end. */
  async room(tokens: number): Promise<void> {
    while (this.#tokens >= tokens && !this.cancelled) {
      await new Promise<void>((resolve) => {
        this.#onDrain = resolve
      })
    }
  }

  /** No more texts will come. Resolves when each has its outcome, rejects when cancelled. */
  end(): Promise<void> {
    this.#ended = true
    return new Promise((resolve, reject) => {
      this.#finish = (error) => (error === undefined ? resolve() : reject(error))
      if (this.#failure) reject(this.#failure.reason)
      else this.settleIfDone()
    })
  }

  settleIfDone(): void {
    if (!this.#ended || this.left > 0 || this.cancelled) return
    this.release()
    this.#finish?.()
  }

  cancel(reason: unknown): void {
    this.cancelled = true
    this.#failure = { reason }
    this.#waiting = []
    this.#head = 0
    this.#tokens = 0
    this.#onDrain?.()
    this.release()
    this.#finish?.(reason)
  }

  #dropDone(): void {
    while (this.#head < this.#waiting.length) {
      const entry = this.#waiting[this.#head] as Entry
      if (entry.state === 'waiting' && entry.waiters.length > 0) return
      this.#head++
      this.#drained(entry.ids.length)
    }
  }

  #drained(tokens: number): void {
    this.#tokens -= tokens
    const wake = this.#onDrain
    this.#onDrain = undefined
    wake?.()
  }

  #compact(): void {
    if (this.#head < 1024 || this.#head * 2 < this.#waiting.length) return
    this.#waiting = this.#waiting.slice(this.#head)
    this.#head = 0
  }
}
