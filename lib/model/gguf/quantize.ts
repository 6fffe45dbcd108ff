/**
 * Conversions between float32 and the tensor types this package writes, bit for bit those of
 * ggml: F16 rounds to nearest even; Q8_0 is `quantize_row_q8_0_ref` (ggml/src/ggml-quants.c).
 */

import { TensorType } from './types.js'

/** Elements and bytes of a Q8_0 block: a float16 scale, then 32 int8. */
export const Q8_0_ELEMENTS = 32
export const Q8_0_BYTES = 34

const floatBits = new Float32Array(1)
const intBits = new Uint32Array(floatBits.buffer)

/** float16 bits of the nearest float16, ties to even; overflow gives infinity. */
export function toFloat16(value: number): number {
  floatBits[0] = value
  return bitsToFloat16(intBits[0] ?? 0)
}

function bitsToFloat16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00 // NaN
  if (magnitude >= 0x47800000) return sign | 0x7c00 // 2^16 and above, infinity
  if (magnitude >= 0x38800000) {
    // Normal: adding half a unit (less one if even) carries into the bits that stay.
    return sign | ((magnitude + 0xfff + ((magnitude >>> 13) & 1) - 0x38000000) >>> 13)
  }
  const shift = 126 - (magnitude >>> 23)
  if (shift > 24) return sign
  const mantissa = (magnitude & 0x7fffff) | 0x800000
  const kept = mantissa >>> shift
  const rest = mantissa & ((1 << shift) - 1)
  const half = 1 << (shift - 1)
  return sign | (rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept)
}

/** The value of float16 bits. */
export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/**
 * Quantizes whole blocks. `source.length` is a multiple of 32, `target` has 34 bytes per block.
 * Values must be finite.
 */
export function quantizeQ8_0(source: Float32Array, target: Uint8Array): void {
  let at = 0
  for (let start = 0; start < source.length; start += Q8_0_ELEMENTS) {
    let max = 0
    for (let i = start; i < start + Q8_0_ELEMENTS; i++) {
      const magnitude = Math.abs(source[i] as number)
      if (magnitude > max) max = magnitude
    }
    // As in C: float32 throughout, and the inverse is of the scale before it becomes float16.
    const scale = Math.fround(max / 127)
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale)
    const scaleBits = toFloat16(scale)
    target[at] = scaleBits
    target[at + 1] = scaleBits >>> 8
    at += 2
    for (let i = start; i < start + Q8_0_ELEMENTS; i++) {
      const x = Math.fround((source[i] as number) * inverse)
      // roundf: half away from zero. float32 + 0.5 is exact in float64, `| 0` cuts.
      target[at++] = x < 0 ? (x - 0.5) | 0 : (x + 0.5) | 0
    }
  }
}

/** Float32 values of Q8_0 blocks. */
export function dequantizeQ8_0(source: Uint8Array, target: Float32Array): void {
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength)
  for (let block = 0, at = 0; at < target.length; block += Q8_0_BYTES) {
    const scale = fromFloat16(view.getUint16(block, true))
    for (let i = 0; i < Q8_0_ELEMENTS; i++) target[at++] = scale * view.getInt8(block + 2 + i)
  }
}

/** Bytes of float32 `source` as a tensor type this package writes. */
export function encodeTensor(
  source: Float32Array,
  type: typeof TensorType.F32 | typeof TensorType.F16 | typeof TensorType.Q8_0,
): Uint8Array {
  switch (type) {
    case TensorType.F32:
      return new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    case TensorType.F16: {
      const bits = new Uint32Array(source.buffer, source.byteOffset, source.length)
      const halves = new Uint16Array(source.length)
      for (let i = 0; i < bits.length; i++) halves[i] = bitsToFloat16(bits[i] as number)
      return new Uint8Array(halves.buffer)
    }
    case TensorType.Q8_0: {
      const target = new Uint8Array((source.length / Q8_0_ELEMENTS) * Q8_0_BYTES)
      quantizeQ8_0(source, target)
      return target
    }
  }
}
