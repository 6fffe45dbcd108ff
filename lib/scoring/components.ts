/** From any kind of vector to plain numbers. */

import { InvalidInputError } from '../common/errors.js'
import { fromFloat16 } from '../common/float16.js'
import { checkNumbers } from '../common/given.js'
import { isTyped } from '../common/realms.js'
import { fromBinary } from '../outputs/precision.js'
import { type DenseInput, denseOf } from './outputs-of.js'

export type Numbers = Float32Array | Float64Array | Int8Array | readonly number[]

/** The components of a vector: itself, but for halves and packed bits, which are unpacked. */
export function components(input: DenseInput): Numbers {
  const vector = denseOf(input)
  if (isTyped(vector, 'Uint16Array')) return fromFloat16(vector)
  if (isTyped(vector, 'Uint8Array')) return fromBinary(vector)
  if (ArrayBuffer.isView(vector)) {
    if (
      isTyped(vector, 'Float32Array') ||
      isTyped(vector, 'Float64Array') ||
      isTyped(vector, 'Int8Array')
    ) {
      return vector
    }
  } else if (Array.isArray(vector)) {
    checkNumbers(vector, 'A vector')
    return vector
  }
  throw new InvalidInputError(
    'A vector is a number[], Float32Array, Float64Array, Int8Array, Uint16Array (halves) or Uint8Array (bits).',
  )
}
