/** Packed sign bits: Hamming distance, and the inner product of the +1/-1 vectors they stand for. */

import { InvalidInputError } from '../common/errors.js'
import { checkNumbers } from '../common/given.js'
import { isTyped } from '../common/realms.js'
import type { Vector } from './types.js'

/** In how many components two packed vectors differ. */
export function hamming(a: Uint8Array, b: Uint8Array): number {
  checkNumbers(a, 'A packed vector')
  checkNumbers(b, 'A packed vector')
  if (a.length !== b.length) {
    throw new InvalidInputError(
      `Packed vectors of ${a.length * 8} and ${b.length * 8} dimensions do not compare.`,
    )
  }
  let distance = 0
  let i = 0
  for (; i + 4 <= a.length; i += 4) {
    const x = ((a[i] as number) ^ (b[i] as number)) | 0
    const y = (a[i + 1] as number) ^ (b[i + 1] as number)
    const z = (a[i + 2] as number) ^ (b[i + 2] as number)
    const w = (a[i + 3] as number) ^ (b[i + 3] as number)
    distance += popcount32(x | (y << 8) | (z << 16) | (w << 24))
  }
  for (; i < a.length; i++) distance += popcount32((a[i] as number) ^ (b[i] as number))
  return distance
}

/** Inner product of the +1/-1 vectors: dimensions - 2 * hamming. */
export function binaryDot(a: Vector, b: Vector): number {
  if (!(isTyped(a, 'Uint8Array') && isTyped(b, 'Uint8Array'))) {
    throw new InvalidInputError('Packed bits compare only with packed bits.')
  }
  return a.length * 8 - 2 * hamming(a, b)
}

// The usual bit-parallel count (H. S. Warren, Hacker's Delight, 5-1).
function popcount32(bits: number): number {
  let x = bits - ((bits >>> 1) & 0x55555555)
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333)
  x = (x + (x >>> 4)) & 0x0f0f0f0f
  return Math.imul(x, 0x01010101) >>> 24
}
