/** What entries of tests hold: numbers that follow from a seed. Used by child processes, too. */
import type { Asked, CachedOutputs, Limit } from '../../lib/cache/entry/types.js'

export const DAY = 86_400_000
export const DENSE: Asked = { dense: true, sparse: false, colbert: false }
export const ALL: Asked = { dense: true, sparse: true, colbert: true }
export const LIMIT: Limit = { maxTokens: 8192, truncate: 'error' }

export function floats(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.fround(Math.sin(seed * 7919 + i * 31) * 3))
}

export function dense(seed: number, dim = 64): CachedOutputs {
  return { tokenCount: 5, truncated: false, pooled: floats(dim, seed) }
}

/** All three outputs. */
export function everything(seed: number, tokenCount = 5, dim = 16): CachedOutputs {
  const count = seed % 4
  return {
    tokenCount,
    truncated: false,
    pooled: floats(dim, seed),
    sparse: {
      indices: Uint32Array.from({ length: count }, (_, i) => i * 1000 + (seed % 999)),
      values: floats(count, seed + 1),
    },
    colbert: floats((tokenCount - 1) * dim, seed + 2),
  }
}

/** A generator of numbers from 0 to 1 (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
