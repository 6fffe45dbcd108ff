/** The one policy of all stores for what a store may not take whole: one bad item costs the others nothing. */

import { type EmbedderError, InvalidInputError, StoreError } from '../common/errors.js'

/** An item that was not written, and why. */
export interface RefusedItem<T> {
  item: T
  error: EmbedderError
}

/**
 * Writes items; where the store will not take one of them (a constraint of its table, an id that is no value of
 * the key's type), that one is found by halving, and the others are written.
 *
 * @param write all of these or nothing; one call after the other
 * @returns those that were not written
 * @throws what has nothing to do with single items: a connection that is lost, say
 */
export async function writeApart<T>(
  write: (items: readonly T[]) => Promise<unknown>,
  items: readonly T[],
): Promise<RefusedItem<T>[]> {
  try {
    if (items.length > 0) await write(items)
    return []
  } catch (error) {
    if (!isRefusal(error)) throw error
    const [first] = items
    if (items.length === 1) return [{ item: first as T, error }]
    const half = items.length >> 1
    return [
      ...(await writeApart(write, items.slice(0, half))),
      ...(await writeApart(write, items.slice(half))),
    ]
  }
}

function isRefusal(error: unknown): error is StoreError | InvalidInputError {
  return error instanceof InvalidInputError || (error instanceof StoreError && error.refused)
}

/** So many refused, and none taken: it is not the items. */
const MOST_REFUSED = 1000

/** Tells items that a store will not take from a store that takes none. */
export class StoreFit {
  #taken = false
  #refused = 0

  /** @throws the last of the refusals, where a store has taken nothing and refused 1,000 items */
  count(written: number, refused: readonly RefusedItem<unknown>[]): void {
    if (written > 0) this.#taken = true
    this.#refused += refused.length
    if (!this.#taken && this.#refused >= MOST_REFUSED) throw refused.at(-1)?.error
  }
}
