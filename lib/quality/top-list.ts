/** The best few of a stream of scored documents. */

export interface Scored {
  document: number
  score: number
}

/** Keeps the `capacity` best. Of equal scores the larger document comes first; NaN never ranks. */
export class TopList<T extends Scored = Scored> {
  readonly #capacity: number
  #entries: T[] = []
  /** The least score that a new entry can rank with, once the list is full. */
  #least = Number.NEGATIVE_INFINITY

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** Whether an entry with this score would be kept: asked first, it saves making the entry. */
  accepts(score: number): boolean {
    return score >= this.#least
  }

  add(entry: T): void {
    if (!this.accepts(entry.score)) return
    this.#entries.push(entry)
    if (this.#entries.length >= 2 * this.#capacity + 16) this.#cut()
  }

  /** Best first. */
  entries(): readonly T[] {
    this.#cut()
    return this.#entries
  }

  #cut(): void {
    this.#entries.sort((a, b) => b.score - a.score || b.document - a.document)
    if (this.#entries.length < this.#capacity) return
    this.#entries.length = this.#capacity
    this.#least = this.#entries.at(-1)?.score ?? Number.NEGATIVE_INFINITY
  }
}
