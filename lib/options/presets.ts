/** What `preset` means: defaults for what the user did not set. */
import type { Config } from './table.js'

export interface Tuning {
  /** Token budget of a batch. */
  batchTokens: number
  /** Batches handed to the engine at a time. */
  inFlight: number
  /** The longest that a batch should take, in milliseconds: others wait for it. */
  targetMs: number
  /** Bytes of the memory cache. */
  cache: number
  /** Milliseconds without work after which the weights are given back; never when undefined. */
  unloadAfter: number | undefined
}

const MB = 1_000_000

/** Beyond 512 tokens a batch gains hardly any speed (`bge-m3 bench`), and others wait for it longer. */
const BALANCED: Tuning = {
  batchTokens: 512,
  inFlight: 2,
  targetMs: 1000,
  cache: 64 * MB,
  unloadAfter: undefined,
}
const THROUGHPUT: Tuning = {
  batchTokens: 1024,
  inFlight: 3,
  targetMs: 4000,
  cache: 256 * MB,
  unloadAfter: undefined,
}
const MEMORY: Tuning = {
  batchTokens: 256,
  inFlight: 1,
  targetMs: 1000,
  cache: 8 * MB,
  unloadAfter: 60_000,
}

export const PRESETS: Readonly<Record<Config['preset'], Tuning>> = {
  balanced: BALANCED,
  throughput: THROUGHPUT,
  'low-memory': MEMORY,
}
