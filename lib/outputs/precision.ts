/**
 * The precisions an embedding can be handed out in. Everything is computed in float32 and converted
 * last; each definition below is fixed, so vectors made by different runs and machines compare.
 */

import { InvalidInputError } from '../common/errors.js'
import { fromFloat16, toFloat16 } from '../common/float16.js'
import { checkNumbers, checkNumeric } from '../common/given.js'
import type { Precision, PrecisionArrays } from '../common/types.js'

export { fromFloat16, toFloat16 }

export const PRECISIONS: readonly Precision[] = ['float32', 'float16', 'int8', 'binary']

/**
 * int8: **symmetric, scaled by the vector's own largest magnitude**.
 *
 *     data[i] = round(127 * x[i] / max|x|), ties to even        scale = max|x| / 127
 *
 * so `data` spans -127..127 and `x[i]` is about `data[i] * scale`, at most half a step away.
 *
 * Why per vector: a component of a 1024-dimensional unit vector is about 0.03, so one fixed scale for
 * [-1, 1] would leave three or four bits of the eight, and ranges calibrated on a corpus
 * (sentence-transformers' `int8`) make vectors from different corpora incomparable. Cosine does not
 * see the scale, so int8 vectors compare directly by cosine, and a vector that had unit length needs
 * no scale to come back: divide by the norm (`fromInt8`).
 *
 * A zero vector gives zeros and scale 0.
 *
 * @throws InvalidInputError for NaN or infinity, which int8 cannot say.
 */
export function quantizeInt8(values: Float32Array | readonly number[]): {
  data: Int8Array
  scale: number
} {
  const data = new Int8Array(values.length)
  return { data, scale: quantizeRow(values, 0, values.length, data) }
}

/** The int8 components alone: what `precision: 'int8'` hands out. See `quantizeInt8`. */
export function toInt8(values: Float32Array | readonly number[]): Int8Array {
  return quantizeInt8(values).data
}

/**
 * Back to float32. With the `scale` of `quantizeInt8`: `data * scale`. Without it, the vector of
 * unit length that points the same way, which is the original up to rounding if that was normalised.
 */
export function fromInt8(data: Int8Array, scale?: number): Float32Array {
  checkNumbers(data, 'An int8 vector')
  checkNumeric({ scale })
  let factor = scale
  if (factor === undefined) {
    let sum = 0
    for (let i = 0; i < data.length; i++) sum += (data[i] as number) ** 2
    factor = sum === 0 ? 0 : 1 / Math.sqrt(sum)
  }
  const values = new Float32Array(data.length)
  for (let i = 0; i < data.length; i++) values[i] = (data[i] as number) * factor
  return values
}

/**
 * binary: one bit a component, 1 where it is above zero, the first component in the highest bit of the
 * first byte. The same bits as `numpy.packbits(x > 0)` and sentence-transformers' `ubinary`.
 *
 * @param thresholds what the components must be above instead of zero, one for each
 * @throws InvalidInputError unless the length is a multiple of 8, or when a component is NaN.
 */
export function toBinary(
  values: Float32Array | readonly number[],
  thresholds?: readonly number[],
): Uint8Array {
  const bytes = new Uint8Array(packedLength(values.length))
  packRow(values, { start: 0, length: values.length, thresholds }, bytes, 0)
  return bytes
}

/** Packed bits to +1 and -1, in the order `toBinary` packed them. */
export function fromBinary(bytes: Uint8Array): Float32Array {
  checkNumbers(bytes, 'Packed bits')
  const values = new Float32Array(bytes.length * 8)
  for (let i = 0; i < values.length; i++) {
    values[i] = ((bytes[i >> 3] as number) >> (7 - (i & 7))) & 1 ? 1 : -1
  }
  return values
}

/** Converts one vector. `float32` hands back the array it was given. */
export function toPrecision<P extends Precision>(
  values: Float32Array,
  precision: P,
): PrecisionArrays[P]
export function toPrecision(values: Float32Array, precision: Precision) {
  return rowsToPrecision(values, 1, values.length, precision)
}

/**
 * Converts `rows` vectors of `cols` components that lie one after another, each by itself: int8 scales
 * per row. `binary` gives `cols / 8` bytes a row. `float32` hands back the array it was given.
 */
export function rowsToPrecision<P extends Precision>(
  values: Float32Array,
  rows: number,
  cols: number,
  precision: P,
): PrecisionArrays[P]
export function rowsToPrecision(
  values: Float32Array,
  rows: number,
  cols: number,
  precision: Precision,
): PrecisionArrays[Precision] {
  if (values.length !== rows * cols) {
    throw new InvalidInputError(`${values.length} values are not ${rows} rows of ${cols}.`)
  }
  switch (precision) {
    case 'float32':
      return values
    case 'float16':
      return toFloat16(values)
    case 'int8': {
      const data = new Int8Array(values.length)
      for (let row = 0; row < rows; row++) quantizeRow(values, row * cols, cols, data)
      return data
    }
    case 'binary': {
      const stride = packedLength(cols)
      const bytes = new Uint8Array(rows * stride)
      for (let row = 0; row < rows; row++) {
        packRow(values, { start: row * cols, length: cols }, bytes, row * stride)
      }
      return bytes
    }
    default:
      throw new InvalidInputError(
        `precision must be one of ${PRECISIONS.join(', ')}, not ${String(precision)}.`,
      )
  }
}

/**
 * The first `dimensions` components, of unit length again when `normalize` is left on: what
 * `truncate_dim` does in FlagEmbedding and sentence-transformers. A copy, never a view.
 *
 * @throws InvalidInputError unless `1 <= dimensions <= values.length`.
 */
export function truncateDimensions(
  values: Float32Array,
  dimensions: number,
  normalize = true,
): Float32Array {
  if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > values.length) {
    throw new InvalidInputError(
      `dimensions must be a whole number from 1 to ${values.length}, not ${dimensions}.`,
    )
  }
  const cut = values.slice(0, dimensions)
  if (!normalize) return cut
  let sum = 0
  for (let i = 0; i < cut.length; i++) sum += (cut[i] as number) ** 2
  if (sum === 0) return cut
  const factor = 1 / Math.sqrt(sum)
  for (let i = 0; i < cut.length; i++) cut[i] = (cut[i] as number) * factor
  return cut
}

// Adding and taking away 1.5 * 2^52 rounds a small double to a whole number, ties to even.
const ROUND_TO_EVEN = 6755399441055744

function quantizeRow(
  values: Float32Array | readonly number[],
  start: number,
  length: number,
  out: Int8Array,
): number {
  let largest = 0
  for (let i = start; i < start + length; i++) {
    const magnitude = Math.abs(values[i] as number)
    // `!(<=)` also catches NaN, which would otherwise pass by unseen.
    if (!(magnitude <= largest)) largest = magnitude
    if (!Number.isFinite(magnitude)) throw notFinite(i - start, 'int8')
  }
  if (largest === 0) return 0
  for (let i = start; i < start + length; i++) {
    // 127 * x is exact in a double, so the quotient is rounded once.
    out[i] = ((values[i] as number) * 127) / largest + ROUND_TO_EVEN - ROUND_TO_EVEN
  }
  return largest / 127
}

function packRow(
  values: Float32Array | readonly number[],
  {
    start,
    length,
    thresholds,
  }: { start: number; length: number; thresholds?: readonly number[] | undefined },
  out: Uint8Array,
  offset: number,
): void {
  for (let i = 0; i < length; i++) {
    const value = values[start + i] as number
    if (value > (thresholds === undefined ? 0 : (thresholds[i] as number))) {
      const at = offset + (i >> 3)
      out[at] = (out[at] as number) | (0x80 >> (i & 7))
    } else if (Number.isNaN(value)) throw notFinite(i, 'binary')
  }
}

function packedLength(dimensions: number): number {
  if (dimensions % 8 !== 0) {
    throw new InvalidInputError(
      `precision binary packs eight components in a byte: ${dimensions} is no multiple of 8.`,
    )
  }
  return dimensions / 8
}

function notFinite(component: number, precision: Precision): InvalidInputError {
  return new InvalidInputError(
    `Component ${component} is not a finite number: ${precision} cannot hold it.`,
  )
}
