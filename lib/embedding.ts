/** From a pooled state to what the caller asked for: cut, normalised, converted. */
import { InvalidInputError } from './errors.js'
import { toPrecision } from './precision.js'
import type { Precision, PrecisionArrays } from './types.js'

/** Divides by the Euclidean norm, summed in float64 in index order. A zero vector stays zero. */
export function normalizeInPlace(vector: Float32Array): void {
  let sum = 0
  for (let i = 0; i < vector.length; i++) sum += (vector[i] as number) ** 2
  if (sum === 0) return
  const scale = 1 / Math.sqrt(sum)
  for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] as number) * scale
}

/** Refuses a cut the model cannot give. */
export function checkDimensions(dimensions: number | undefined, dim: number): void {
  if (dimensions !== undefined && dimensions > dim) {
    throw new InvalidInputError(
      `The option \`dimensions\` is ${dimensions}, and this model's vectors have ${dim}.`,
    )
  }
}

export interface DenseOptions<P extends Precision> {
  dimensions?: number | undefined
  normalize: boolean
  precision: P
}

/** The dense vector: the first `dimensions` of the pooled state, then normalised, then converted. */
export function finishDense<P extends Precision>(
  pooled: Float32Array,
  { dimensions, normalize, precision }: DenseOptions<P>,
): PrecisionArrays[P] {
  const vector = dimensions === undefined ? pooled : pooled.slice(0, dimensions)
  if (normalize) normalizeInPlace(vector)
  return toPrecision(vector, precision)
}
