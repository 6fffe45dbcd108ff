/** Counts what an update does, for its result and its progress. */

import { performance } from '../../common/timers.js'
import type { FileFailure, SkipReason, UpdateProgress, UpdateResult } from './types.js'

const LISTED = 1000
/** Milliseconds between two reports. */
const REPORT_MS = 100

export class UpdateReport {
  readonly #onProgress: ((progress: UpdateProgress) => void) | undefined
  readonly #started = performance.now()
  readonly #result: UpdateResult = {
    files: { new: 0, changed: 0, renamed: 0, unchanged: 0, removed: 0, skipped: 0, failed: 0 },
    chunks: { embedded: 0, reused: 0 },
    tokens: 0,
    seconds: 0,
    skippedBy: {},
    skipped: [],
    failures: [],
  }
  readonly #files = { seen: 0, todo: 0, done: 0 }
  readonly #bytes = { todo: 0, done: 0 }
  #phase: UpdateProgress['phase'] = 'scan'
  #embeddingSince = 0
  #reported = Number.NEGATIVE_INFINITY

  constructor(onProgress: ((progress: UpdateProgress) => void) | undefined) {
    this.#onProgress = onProgress
  }

  found(size: number, isUnchanged: boolean): void {
    this.#files.seen++
    if (isUnchanged) this.#result.files.unchanged++
    else {
      this.#files.todo++
      this.#bytes.todo += size
    }
    this.#tell()
  }

  skipped(path: string, reason: SkipReason): void {
    const { files, skipped, skippedBy } = this.#result
    files.skipped++
    skippedBy[reason] = (skippedBy[reason] ?? 0) + 1
    if (skipped.length < LISTED) skipped.push({ path, reason })
  }

  failed(failure: FileFailure): void {
    this.#result.files.failed++
    if (this.#result.failures.length < LISTED) this.#result.failures.push(failure)
  }

  startEmbedding(): void {
    this.#phase = 'embed'
    this.#embeddingSince = performance.now()
    this.#tell(true)
  }

  /** Nothing more is to be done about a file of this size. */
  read(size: number): void {
    this.#files.done++
    this.#bytes.done += size
    this.#tell()
  }

  unchanged(size: number): void {
    this.#result.files.unchanged++
    this.read(size)
  }

  changed(how: 'new' | 'changed' | 'renamed'): void {
    this.#result.files[how]++
  }

  removed(count: number): void {
    this.#result.files.removed += count
  }

  embedded(tokens: number): void {
    this.#result.chunks.embedded++
    this.#result.tokens += tokens
    this.#tell()
  }

  reused(chunks: number): void {
    this.#result.chunks.reused += chunks
  }

  finish(): UpdateResult {
    this.#tell(true)
    this.#result.seconds = (performance.now() - this.#started) / 1000
    return this.#result
  }

  #tell(now = false): void {
    const time = performance.now()
    if (!this.#onProgress || (!now && time - this.#reported < REPORT_MS)) return
    this.#reported = time
    const { todo, done } = this.#bytes
    const seconds = (time - this.#embeddingSince) / 1000
    const isRunning = this.#phase === 'embed' && seconds > 0
    const progress: UpdateProgress = {
      phase: this.#phase,
      files: { ...this.#files },
      bytes: { todo, done },
      chunks: { ...this.#result.chunks },
      tokens: this.#result.tokens,
      rate: isRunning ? this.#result.tokens / seconds : 0,
      eta: isRunning && done > 0 ? ((todo - done) / done) * seconds : null,
    }
    try {
      this.#onProgress(progress)
    } catch {
      // a broken display must not cost the work
    }
  }
}
