/** From token states' outputs to what the caller asked for: cut, normalised, converted. */
import { InvalidInputError } from '../common/errors.js'
import type { ColbertEmbedding, Precision, PrecisionArrays } from '../common/types.js'
import { rowsToPrecision, toPrecision } from './precision.js'

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

export interface FinishOptions<P extends Precision> {
  dimensions?: number | undefined
  normalize: boolean
  precision: P
}

/** The dense vector: the first `dimensions` of the pooled state, then normalised, then converted. */
export function finishDense<P extends Precision>(
  pooled: Float32Array,
  { dimensions, normalize, precision }: FinishOptions<P>,
): PrecisionArrays[P] {
  const vector = dimensions === undefined ? pooled : pooled.slice(0, dimensions)
  if (normalize) normalizeInPlace(vector)
  return toPrecision(vector, precision)
}

/**
 * ColBERT rows: the first `dimensions` of each, then normalised again, then converted. `rows` holds
 * rows of `cols` floats, each of length 1; the rows are of length 1 whatever `normalize` says, since
 * their scores are cosines.
 */
export function finishColbert<P extends Precision>(
  rows: Float32Array,
  cols: number,
  { dimensions, precision }: FinishOptions<P>,
): ColbertEmbedding<P> {
  const count = rows.length / cols
  const width = dimensions ?? cols
  if (width === cols) {
    return { data: rowsToPrecision(rows, count, cols, precision), rows: count, cols }
  }
  const cut = new Float32Array(count * width)
  for (let row = 0; row < count; row++) {
    const target = cut.subarray(row * width, (row + 1) * width)
    target.set(rows.subarray(row * cols, row * cols + width))
    normalizeInPlace(target)
  }
  return { data: rowsToPrecision(cut, count, width, precision), rows: count, cols: width }
}
