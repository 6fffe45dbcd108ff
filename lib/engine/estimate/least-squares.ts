/** Small weighted least squares with coefficients that may not be negative. */

/** One equation: `x . c` should be `y`; it counts `weight` times. */
export interface Equation {
  x: readonly number[]
  y: number
  weight: number
}

/**
 * The c >= 0 that minimises the weighted sum of squares, exactly: every subset of coefficients is tried
 * (there are at most four), so that a feature that cannot be told apart is left out rather than made
 * negative.
 */
export function nonNegativeLeastSquares(equations: readonly Equation[], size: number): number[] {
  const scale = columnScales(equations, size)
  const { gram, moment, square } = normalEquations(equations, scale)
  let best = new Array<number>(size).fill(0)
  let least = square
  for (let subset = 1; subset < 1 << size; subset++) {
    const columns = Array.from({ length: size }, (_, i) => i).filter((i) => subset & (1 << i))
    const solved = solve(gram, moment, columns)
    if (!solved?.every((value) => value >= 0 && Number.isFinite(value))) continue
    const error = columns.reduce(
      (sum, c, i) => sum - (solved[i] as number) * (moment[c] as number),
      square,
    )
    if (error >= least) continue
    least = error
    best = new Array<number>(size).fill(0)
    columns.forEach((column, i) => {
      best[column] = (solved[i] as number) / (scale[column] as number)
    })
  }
  return best
}

/** Columns are brought to the same size, or squares of long texts would drown all else. */
function columnScales(equations: readonly Equation[], size: number): number[] {
  return Array.from({ length: size }, (_, i) => {
    let sum = 0
    for (const { x, weight } of equations) sum += weight * (x[i] as number) ** 2
    return Math.sqrt(sum) || 1
  })
}

function normalEquations(
  equations: readonly Equation[],
  scale: readonly number[],
): { gram: number[][]; moment: number[]; square: number } {
  const size = scale.length
  const gram = Array.from({ length: size }, () => new Array<number>(size).fill(0))
  const moment = new Array<number>(size).fill(0)
  let square = 0
  for (const { x, y, weight } of equations) {
    square += weight * y * y
    for (let i = 0; i < size; i++) {
      const xi = (x[i] as number) / (scale[i] as number)
      moment[i] = (moment[i] as number) + weight * xi * y
      const row = gram[i] as number[]
      for (let j = 0; j < size; j++) {
        row[j] = (row[j] as number) + (weight * xi * (x[j] as number)) / (scale[j] as number)
      }
    }
  }
  return { gram, moment, square }
}

/** Gaussian elimination with pivoting on some rows and columns; `undefined` when they depend on each other. */
function solve(
  gram: readonly (readonly number[])[],
  moment: readonly number[],
  columns: readonly number[],
): number[] | undefined {
  const n = columns.length
  const a = columns.map((r) => [...columns.map((c) => gram[r]?.[c] as number), moment[r] as number])
  for (let k = 0; k < n; k++) {
    let pivot = k
    for (let r = k + 1; r < n; r++) {
      if (Math.abs(a[r]?.[k] as number) > Math.abs(a[pivot]?.[k] as number)) pivot = r
    }
    const row = a[pivot] as number[]
    if (Math.abs(row[k] as number) < 1e-9) return undefined
    a[pivot] = a[k] as number[]
    a[k] = row
    for (let r = k + 1; r < n; r++) {
      const other = a[r] as number[]
      const factor = (other[k] as number) / (row[k] as number)
      for (let c = k; c <= n; c++) other[c] = (other[c] as number) - factor * (row[c] as number)
    }
  }
  const out = new Array<number>(n).fill(0)
  for (let k = n - 1; k >= 0; k--) {
    const row = a[k] as number[]
    let sum = row[n] as number
    for (let c = k + 1; c < n; c++) sum -= (row[c] as number) * (out[c] as number)
    out[k] = sum / (row[k] as number)
  }
  return out
}
