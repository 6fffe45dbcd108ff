/**
 * The one loop that everything heavy here comes down to, and a place to hand in a faster one.
 * Scoring imports nothing native: who has loaded the addon calls `useSimd`.
 */

/** What the addon can do better. */
export interface SimdHelpers {
  /**
   * `out[i * n + j] = sum over t of a[i * k + t] * b[j * k + t]`: row-major `a` (m x k) times the
   * transpose of row-major `b` (n x k), into row-major `out` (m x n). The arrays hold at least
   * `m * k`, `n * k` and `m * n` elements, and `out` overlaps neither input. An entry must depend
   * on its own two rows only, not on where they stand, so that scores do not change with the batch.
   */
  matmulTransposed(
    a: Float32Array,
    b: Float32Array,
    out: Float32Array,
    m: number,
    n: number,
    k: number,
  ): void
}

// Below this many multiplications the call into the addon costs more than it saves.
const SIMD_FROM = 1 << 14

let helpers: SimdHelpers | undefined

/** Takes the addon's helpers for all later scores; `undefined` goes back to TypeScript. */
export function useSimd(simd: SimdHelpers | undefined): void {
  helpers = simd
}

/** See {@link SimdHelpers.matmulTransposed}. Without SIMD, sums are in float64. */
export function matmulTransposed(
  a: Float32Array,
  b: Float32Array,
  out: Float32Array,
  m: number,
  n: number,
  k: number,
): void {
  if (helpers !== undefined && m * n * k >= SIMD_FROM) helpers.matmulTransposed(a, b, out, m, n, k)
  else multiply(a, b, out, m, n, k)
}

/**
 * Blocks of 4 x 2: six loads feed eight multiply-adds, which is what V8's register allocator can
 * hold. Every entry is summed in order of `t`, in the block and at the edges alike.
 */
function multiply(
  a: Float32Array,
  b: Float32Array,
  out: Float32Array,
  m: number,
  n: number,
  k: number,
): void {
  const blockRows = m - (m % 4)
  const blockCols = n - (n % 2)
  for (let j = 0; j < blockCols; j += 2) {
    for (let i = 0; i < blockRows; i += 4) block4x2(a, b, out, i, j, n, k)
    for (let i = blockRows; i < m; i++) {
      out[i * n + j] = dotRows(a, b, i * k, j * k, k)
      out[i * n + j + 1] = dotRows(a, b, i * k, (j + 1) * k, k)
    }
  }
  for (let j = blockCols; j < n; j++) {
    for (let i = 0; i < m; i++) out[i * n + j] = dotRows(a, b, i * k, j * k, k)
  }
}

function block4x2(
  a: Float32Array,
  b: Float32Array,
  out: Float32Array,
  i: number,
  j: number,
  n: number,
  k: number,
): void {
  const a1 = k
  const a2 = 2 * k
  const a3 = 3 * k
  let s00 = 0
  let s01 = 0
  let s10 = 0
  let s11 = 0
  let s20 = 0
  let s21 = 0
  let s30 = 0
  let s31 = 0
  let p = i * k
  let q = j * k
  for (const end = p + k; p < end; p++, q++) {
    const y0 = b[q] as number
    const y1 = b[q + k] as number
    const x0 = a[p] as number
    const x1 = a[p + a1] as number
    const x2 = a[p + a2] as number
    const x3 = a[p + a3] as number
    s00 += x0 * y0
    s01 += x0 * y1
    s10 += x1 * y0
    s11 += x1 * y1
    s20 += x2 * y0
    s21 += x2 * y1
    s30 += x3 * y0
    s31 += x3 * y1
  }
  const o = i * n + j
  out[o] = s00
  out[o + 1] = s01
  out[o + n] = s10
  out[o + n + 1] = s11
  out[o + 2 * n] = s20
  out[o + 2 * n + 1] = s21
  out[o + 3 * n] = s30
  out[o + 3 * n + 1] = s31
}

function dotRows(a: Float32Array, b: Float32Array, p: number, q: number, k: number): number {
  let sum = 0
  for (let t = 0; t < k; t++) sum += (a[p + t] as number) * (b[q + t] as number)
  return sum
}
