/** IEEE 754 binary16 ("half"), as bits in a `Uint16Array`. */

import { checkNumbers } from './given.js'
import { isTyped } from './realms.js'

// One scratch word: writing a float and reading its bits costs no allocation.
const scratchFloat = new Float32Array(1)
const scratchBits = new Uint32Array(scratchFloat.buffer)

const MANTISSA_BITS = 23
const HALF_MANTISSA_BITS = 10

/** Bits of `value` as a half: round to nearest, ties to even; beyond 65,504 + half a step, infinity. */
export function float16Bits(value: number): number {
  scratchFloat[0] = value
  return float32BitsToFloat16(scratchBits[0] as number)
}

/** Bits of a float32 to bits of the nearest half (ties to even). NaN stays a quiet NaN. */
export function float32BitsToFloat16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude >= 0x47800000) {
    // 65,536 and above, infinity, NaN
    return magnitude > 0x7f800000 ? sign | 0x7e00 : sign | 0x7c00
  }
  if (magnitude >= 0x38800000) {
    // A normal half. Rebias the exponent (127 -> 15) and round away the 13 low mantissa bits; a carry
    // walks into the exponent, and from 65,504's binade into infinity, as it should.
    const rebiased = magnitude - 0x38000000
    const odd = (rebiased >>> 13) & 1
    return sign | ((rebiased + 0xfff + odd) >>> 13)
  }
  if (magnitude < 0x33000000) return sign // under half of the smallest subnormal
  // A subnormal half: mantissa with its hidden bit, shifted to steps of 2^-24.
  const exponent = magnitude >>> MANTISSA_BITS
  const mantissa = (magnitude & 0x7fffff) | 0x800000
  const shift = 126 - exponent
  const half = 1 << (shift - 1)
  const kept = mantissa >>> shift
  const rest = mantissa & ((1 << shift) - 1)
  return sign | (rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept)
}

/** The number that a half's 16 bits stand for. Exact: every half is a float32. */
export function float16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> HALF_MANTISSA_BITS) & 0x1f
  const mantissa = bits & 0x3ff
  if (exponent === 0) return sign * mantissa * 2 ** -24
  if (exponent === 31) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (1024 + mantissa) * 2 ** (exponent - 25)
}

let decodeTable: Float32Array | undefined

/** All 65,536 halves as float32 (256 KiB), made at first use: decoding is then one load each. */
export function float16Table(): Float32Array {
  if (decodeTable === undefined) {
    decodeTable = new Float32Array(65536)
    for (let bits = 0; bits < 65536; bits++) decodeTable[bits] = float16Value(bits)
  }
  return decodeTable
}

/** Float32 values to half bits, element by element. */
export function toFloat16(values: Float32Array | readonly number[]): Uint16Array {
  const source = isTyped(values, 'Float32Array') ? values : Float32Array.from(values)
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length)
  const halves = new Uint16Array(source.length)
  for (let i = 0; i < bits.length; i++) halves[i] = float32BitsToFloat16(bits[i] as number)
  return halves
}

/** Half bits to float32 values, element by element, exactly. */
export function fromFloat16(halves: Uint16Array): Float32Array {
  checkNumbers(halves, 'Halves')
  const table = float16Table()
  const values = new Float32Array(halves.length)
  for (let i = 0; i < halves.length; i++) values[i] = table[halves[i] as number] as number
  return values
}
