/**
 * What state a store is in, and who is told. Trouble turns the writing or the whole tier off; there is
 * one warning of trouble and one of damage, however often either is met.
 */

import type { DiskState } from '../../common/cache-stats.js'
import { performance } from '../../common/timers.js'

/** A disk that was full is tried again after so long. */
const RETRY_MS = 5 * 60_000

export class Health {
  state: DiskState = 'failed'
  reason: string | undefined
  #retryAt: number | undefined
  #warned = new Set<string>()
  readonly #warn: (what: string) => void
  readonly #retryMs: number

  /** @param warn gets what is wrong, as the end of "The disk cache in DIR ..." */
  constructor(warn: (what: string) => void, retryMs = RETRY_MS) {
    this.#warn = warn
    this.#retryMs = retryMs
  }

  set(state: DiskState, reason?: string): void {
    this.state = state
    this.reason = reason
  }

  /** Whether to write; a disk that was full becomes writable again to see whether it still is. */
  isWritable(): boolean {
    if (this.state === 'on') return true
    if (this.#retryAt === undefined || performance.now() < this.#retryAt) return false
    this.#retryAt = undefined
    this.set('on')
    return true
  }

  /** Nothing is written from here on. */
  stopWriting(error: unknown): void {
    this.set('read-only', explain(error))
    if (isDiskFull(error) || isOutOfFiles(error)) {
      this.#retryAt = performance.now() + this.#retryMs
    }
    this.#warnOnce('trouble', `cannot be written (${this.reason}); it is only read from here on.`)
  }

  /** Nothing is read or written from here on. */
  fail(error: unknown): void {
    this.set('failed', explain(error))
    this.#retryAt = undefined
    this.#warnOnce('trouble', `cannot be used (${this.reason}); embeddings are not kept on disk.`)
  }

  damaged(): void {
    this.#warnOnce('damage', 'holds damaged entries; they are dropped and computed anew.')
  }

  #warnOnce(kind: 'trouble' | 'damage', what: string): void {
    if (this.#warned.has(kind)) return
    this.#warned.add(kind)
    this.#warn(what)
  }
}

export function isDiskFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** The process, or the machine, has too many files open: nothing that is wrong with the disk. */
export function isOutOfFiles(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EMFILE' || code === 'ENFILE'
}

export function isReadOnlyError(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EROFS' || code === 'EACCES' || code === 'EPERM'
}

function explain(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC') return 'the disk is full'
  if (code === 'EDQUOT') return 'the disk quota is used up'
  if (code === 'EMFILE' || code === 'ENFILE') return 'too many files are open'
  if (code === 'EROFS') return 'the file system is read-only'
  if (code === 'EACCES' || code === 'EPERM') return 'permission is missing'
  return code ?? message
}
