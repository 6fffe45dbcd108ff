/** What `preset` and `optimizeFor` mean: defaults for what the user did not set. */
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

/** Beyond 512 tokens a batch gains hardly any speed (bench/e2e.mjs), and others wait for it longer. */
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
const LATENCY: Tuning = {
  batchTokens: 128,
  inFlight: 1,
  targetMs: 150,
  cache: 64 * MB,
  unloadAfter: undefined,
}
const MEMORY: Tuning = {
  batchTokens: 256,
  inFlight: 1,
  targetMs: 1000,
  cache: 8 * MB,
  unloadAfter: 60_000,
}

const PRESETS = { balanced: BALANCED, throughput: THROUGHPUT, 'low-memory': MEMORY } as const

/** `optimizeFor` where it was given, else the preset. */
export function tuningOf(config: Pick<Config, 'preset' | 'optimizeFor'>): Tuning {
  const { optimizeFor } = config
  if (!optimizeFor) return PRESETS[config.preset]
  return mix([
    [THROUGHPUT, optimizeFor.throughput],
    [LATENCY, optimizeFor.latency],
    [MEMORY, optimizeFor.memory],
  ])
}

/** Weighted geometric means: between 128 and 1024 tokens, half and half is 362. */
function mix(parts: readonly (readonly [Tuning, number])[]): Tuning {
  const sum = parts.reduce((total, [, weight]) => total + weight, 0)
  const mean = (key: 'batchTokens' | 'inFlight' | 'targetMs' | 'cache') =>
    Math.round(
      Math.exp(parts.reduce((log, [tuning, w]) => log + (w / sum) * Math.log(tuning[key]), 0)),
    )
  const memory = parts.find(([tuning]) => tuning === MEMORY)?.[1] ?? 0
  return {
    batchTokens: mean('batchTokens'),
    inFlight: mean('inFlight'),
    targetMs: mean('targetMs'),
    cache: mean('cache'),
    // giving the weights back costs whoever comes next: only for those to whom memory matters most
    unloadAfter: memory * 2 >= sum ? MEMORY.unloadAfter : undefined,
  }
}
