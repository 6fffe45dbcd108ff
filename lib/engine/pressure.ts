/** Smaller batches while the machine or the container is short of memory, before an allocation fails. */

import { freeMemory } from '../common/free-memory.js'
import { performance } from '../common/timers.js'
import type { MemoryReading } from '../common/types.js'

/** Milliseconds that a reading is good for: it takes 40 microseconds, 220 in a container (Zen 3). */
const FRESH = 100
/** Bytes that are left to the program around us. */
const RESERVE = 64_000_000
/** Below this, a smaller batch frees nothing to speak of. */
const SMALLEST = 64

export interface PressureOptions {
  /** Tokens of an ordinary batch. */
  batchTokens: number
  contextBytes(tokens: number): number
  /** Bytes of the context that is held now, and may be used again. */
  heldBytes(): number
  onMemory?: ((reading: MemoryReading) => void) | undefined
  /** For tests. Default: what the machine and the container have. */
  free?: () => number
}

export class Pressure {
  readonly #options: PressureOptions
  readonly #bytes = new Map<number, number>()
  #limit: number
  #read = Number.NEGATIVE_INFINITY

  constructor(options: PressureOptions) {
    this.#options = options
    this.#limit = options.batchTokens
  }

  /**
   * The most tokens that a batch should have now: so many that its context takes no more than half of what is
   * free beyond a reserve. The other half is for its results and for batches of others.
   */
  get batchTokens(): number {
    const now = performance.now()
    if (now - this.#read < FRESH) return this.#limit
    this.#read = now
    const { batchTokens, heldBytes, free = freeMemory, onMemory } = this.#options
    const freeBytes = free()
    const room = (freeBytes - RESERVE + heldBytes()) / 2
    let tokens = batchTokens
    while (tokens > SMALLEST && this.#bytesOf(tokens) > room)
      tokens = Math.max(SMALLEST, tokens >> 1)
    if (tokens === this.#limit) return tokens
    this.#limit = tokens
    try {
      onMemory?.({ freeBytes, batchTokens: tokens })
    } catch {
      // it is told, not asked
    }
    return tokens
  }

  /** A native call for each size, once. */
  #bytesOf(tokens: number): number {
    const known = this.#bytes.get(tokens)
    if (known !== undefined) return known
    const bytes = this.#options.contextBytes(tokens)
    this.#bytes.set(tokens, bytes)
    return bytes
  }
}
