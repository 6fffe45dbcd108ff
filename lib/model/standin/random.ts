/**
 * Random numbers whose bits are the same on every platform: integer arithmetic, and of floating
 * point only IEEE additions, multiplications and divisions (no sin, exp or log, whose last bits
 * differ between engines).
 */

/** Standard deviation of the sum of four uniform bytes: sqrt(4 * (256^2 - 1) / 12). */
const SUM_STD_DEV = 147.80054127

/** FNV-1a, 32 bits, over UTF-16 code units. */
function hash32(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  return hash >>> 0
}

/** xoshiro128** 1.1 (Blackman, Vigna 2018), seeded through splitmix32. */
export class Random {
  private a: number
  private b: number
  private c: number
  private d: number

  /** Streams of one seed with different names are independent of each other. */
  constructor(seed: number, name: string) {
    let state = (hash32(name) ^ Math.imul(seed, 0x9e3779b9)) >>> 0
    const next = () => {
      state = (state + 0x9e3779b9) >>> 0
      let z = state
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
      return (z ^ (z >>> 15)) | 0
    }
    this.a = next()
    this.b = next()
    this.c = next()
    this.d = next() | 1 // not all zero
  }

  /**
   * Fills `out` with bell-shaped values: the sum of the four bytes of a draw (Irwin–Hall, no
   * value beyond 3.45 standard deviations), so one draw makes one value.
   */
  fill(out: Float32Array, mean: number, stdDev: number): void {
    const factor = stdDev / SUM_STD_DEV
    let { a, b, c, d } = this
    for (let i = 0; i < out.length; i++) {
      const r = Math.imul(b, 5)
      const x = Math.imul((r << 7) | (r >>> 25), 9)
      const t = b << 9
      c ^= a
      d ^= b
      b ^= c
      a ^= d
      c ^= t
      d = (d << 11) | (d >>> 21)
      const sum = (x & 255) + ((x >>> 8) & 255) + ((x >>> 16) & 255) + (x >>> 24) - 510
      out[i] = mean + sum * factor
    }
    this.a = a
    this.b = b
    this.c = c
    this.d = d
  }
}
