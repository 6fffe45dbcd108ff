/** Outputs as plain arrays of numbers. */

import { isTyped } from '../common/realms.js'
import type { ColbertEmbedding, Precision, PrecisionArrays } from '../common/types.js'
import { shortestFloat16, shortestFloat32 } from './shortest-decimal.js'

/**
 * The components of a vector: floats as the shortest decimals that read back as the same float32 (or
 * float16), but for the sign of zero; int8 as integers, binary as its bytes.
 */
export function numbersOf(vector: PrecisionArrays[Precision]): number[] {
  const read = isTyped(vector, 'Float32Array')
    ? shortestFloat32
    : isTyped(vector, 'Uint16Array')
      ? shortestFloat16
      : (value: number) => value
  // `Array.from(vector, read)`, twice as fast
  const out = new Array<number>(vector.length)
  for (let i = 0; i < out.length; i++) out[i] = read(vector[i] as number)
  return out
}

/** One array a token. */
export function rowsOf({ data, rows }: ColbertEmbedding<Precision>): number[][] {
  // for packed bits a row is shorter than `cols`
  const stride = rows === 0 ? 0 : data.length / rows
  return Array.from({ length: rows }, (_, row) =>
    numbersOf(data.subarray(row * stride, (row + 1) * stride)),
  )
}
