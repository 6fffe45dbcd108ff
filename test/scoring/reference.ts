/** Plain definitions to compare with, and seeded vectors to compare on. */

import { seededRandom } from '../../lib/scoring/random.js'

/** Compensated (Neumaier) summation: as good as exact for what is compared with it. */
export function exactSum(values: Iterable<number>): number {
  let sum = 0
  let lost = 0
  for (const value of values) {
    const next = sum + value
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum
    sum = next
  }
  return sum + lost
}

export function naiveDot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return exactSum(Array.from({ length: a.length }, (_, i) => (a[i] as number) * (b[i] as number)))
}

export function naiveCosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return naiveDot(a, b) / Math.sqrt(naiveDot(a, a)) / Math.sqrt(naiveDot(b, b))
}

/** Components from a bell-shaped distribution, length 1. */
export function unitVector(dimensions: number, seed: number): Float32Array {
  const random = seededRandom(seed)
  const raw = Array.from({ length: dimensions }, () => random() + random() + random() - 1.5)
  const length = Math.sqrt(naiveDot(raw, raw))
  return Float32Array.from(raw, (x) => x / length)
}

export function unitVectors(count: number, dimensions: number, seed: number): Float32Array[] {
  return Array.from({ length: count }, (_, i) => unitVector(dimensions, seed * 1000 + i))
}

export function multiVector(rows: number, cols: number, seed: number) {
  const data = new Float32Array(rows * cols)
  unitVectors(rows, cols, seed).forEach((row, i) => {
    data.set(row, i * cols)
  })
  return { data, rows, cols }
}
