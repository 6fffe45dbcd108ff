/**
 * How many tokens a batch may have: as many as asked for, fewer on a machine where that would take
 * long (others wait for a batch to end), and fewer for a while after memory ran out.
 */

/** No batch is planned to take longer than this. */
export const TARGET_MS = 1000
/** Below this, packing has nothing to gain from a smaller batch. */
const SMALLEST = 64
/** Batches after which a budget that was cut is tried larger again. */
const RECOVERY = 16
/** Weight of the newest reading. */
const NEWEST = 0.1

export class BatchSize {
  #limit: number
  #targetMs: number
  #pressure = 1
  #quiet = 0
  #msPerToken: number | undefined

  constructor(limit: number, targetMs: number = TARGET_MS) {
    this.#limit = limit
    this.#targetMs = targetMs
  }

  /** Tokens that the next batch may have. */
  get tokens(): number {
    const fast =
      this.#msPerToken === undefined
        ? this.#limit
        : Math.floor(this.#targetMs / Math.max(this.#msPerToken, 1e-6))
    const wanted = Math.floor(Math.min(this.#limit, fast) * this.#pressure)
    return Math.max(Math.min(wanted, this.#limit), Math.min(SMALLEST, this.#limit))
  }

  /** A batch ran. Only those of a fair size say something about speed. */
  ran(tokens: number, computeMs: number): void {
    if (tokens >= SMALLEST) {
      const now = computeMs / tokens
      const old = this.#msPerToken ?? now
      this.#msPerToken = old + NEWEST * (now - old)
    }
    if (this.#pressure < 1 && ++this.#quiet >= RECOVERY) {
      this.#quiet = 0
      this.#pressure = Math.min(1, this.#pressure * 2)
    }
  }

  /** A batch did not find the memory it needed. */
  outOfMemory(): void {
    this.#quiet = 0
    this.#pressure = Math.max(this.#pressure / 2, SMALLEST / Math.max(this.#limit, SMALLEST))
  }
}
