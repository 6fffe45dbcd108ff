/** What a loader remembers of rows without a vector, so that it tries none of them for ever. */

import type { LeasedRow } from './leases.js'

/** A row whose vector never stays is given up: a trigger keeps it away, or the text changes all the time. */
const MOST_PASSES = 3

export class TriedRows {
  /** Not to be tried again as long as they have the same text: hashes by id. */
  #failed = new Map<string, string>()
  /** Those of them that were met again. */
  #met = new Map<string, string>()
  readonly #passes = new Map<string, number>()

  fail({ id, hash }: LeasedRow): void {
    this.#passes.delete(id)
    this.#failed.set(id, hash)
  }

  hasFailed({ id, hash }: LeasedRow): boolean {
    if (this.#failed.get(id) !== hash) return false
    this.#met.set(id, hash)
    return true
  }

  /** It was embedded and has no vector. @returns whether to give it up */
  passOver({ id }: LeasedRow): boolean {
    const passes = (this.#passes.get(id) ?? 0) + 1
    this.#passes.set(id, passes)
    return passes >= MOST_PASSES
  }

  /** After a look at all rows: what runs for weeks keeps nothing of rows that are done, marked, changed or gone. */
  forgetOthers(): void {
    this.#passes.clear()
    this.#failed = this.#met
    this.#met = new Map()
  }
}
