/** Seeded samples, so that what is sampled can be repeated. */

import { seededRandom } from '../scoring/random.js'

/** All of `0 .. count - 1`, or `limit` of them drawn without replacement; ascending either way. */
export function sampleIndices(count: number, limit: number, seed: number): Uint32Array {
  const all = Uint32Array.from({ length: count }, (_, i) => i)
  if (count <= limit) return all
  const random = seededRandom(seed)
  // the first `limit` steps of a Fisher-Yates shuffle
  for (let i = 0; i < limit; i++) {
    const j = i + Math.floor(random() * (count - i))
    const drawn = all[j] as number
    all[j] = all[i] as number
    all[i] = drawn
  }
  return all.slice(0, limit).sort()
}

export interface Pairs {
  /** `a[i] < b[i]`. */
  a: Uint32Array
  b: Uint32Array
  /** Drawn with replacement, since there are too many; otherwise all, once each. */
  sampled: boolean
}

/** Pairs of different items of `count`. */
export function samplePairs(count: number, limit: number, seed: number): Pairs {
  const all = (count * (count - 1)) / 2
  const sampled = all > limit
  const size = sampled ? limit : all
  const a = new Uint32Array(size)
  const b = new Uint32Array(size)
  if (!sampled) {
    let at = 0
    for (let i = 0; i < count; i++) {
      for (let j = i + 1; j < count; j++) {
        a[at] = i
        b[at++] = j
      }
    }
    return { a, b, sampled }
  }
  const random = seededRandom(seed)
  for (let at = 0; at < size; at++) {
    const i = Math.floor(random() * count)
    let j = Math.floor(random() * (count - 1))
    if (j >= i) j++
    a[at] = Math.min(i, j)
    b[at] = Math.max(i, j)
  }
  return { a, b, sampled }
}
