/**
 * Conversions between float32 and the tensor types this package writes, bit for bit those of
 * ggml: Q8_0 is `quantize_row_q8_0_ref`, Q4_0 `quantize_row_q4_0_ref` (ggml/src/ggml-quants.c).
 */

import { float16Bits, float16Table, toFloat16 } from '../../../common/float16.js'
import { TensorType } from './types.js'

/** Elements of a block of Q8_0 and of Q4_0. */
export const BLOCK_ELEMENTS = 32
/** Bytes of a Q8_0 block: a float16 scale, then 32 int8. */
export const Q8_0_BYTES = 34
/** Of a Q4_0 block: a float16 scale, then 16 pairs of 4 bits, elements i and i + 16 in one byte. */
const Q4_0_BYTES = 18

/**
 * Quantizes whole blocks. `source.length` is a multiple of 32, `target` has 34 bytes per block.
 * Values must be finite.
 */
export function quantizeQ8_0(source: Float32Array, target: Uint8Array): void {
  let at = 0
  for (let start = 0; start < source.length; start += BLOCK_ELEMENTS) {
    let max = 0
    for (let i = start; i < start + BLOCK_ELEMENTS; i++) {
      const magnitude = Math.abs(source[i] as number)
      if (magnitude > max) max = magnitude
    }
    // As in C: float32 throughout, and the inverse is of the scale before it becomes float16.
    const scale = Math.fround(max / 127)
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale)
    const scaleBits = float16Bits(scale)
    target[at] = scaleBits
    target[at + 1] = scaleBits >>> 8
    at += 2
    for (let i = start; i < start + BLOCK_ELEMENTS; i++) {
      const x = Math.fround((source[i] as number) * inverse)
      // roundf: half away from zero. float32 + 0.5 is exact in float64, `| 0` cuts.
      target[at++] = x < 0 ? (x - 0.5) | 0 : (x + 0.5) | 0
    }
  }
}

/**
 * Quantizes whole blocks. `source.length` is a multiple of 32, `target` has 18 bytes per block.
 * Values must be finite.
 */
export function quantizeQ4_0(source: Float32Array, target: Uint8Array): void {
  let at = 0
  for (let start = 0; start < source.length; start += BLOCK_ELEMENTS) {
    let extreme = 0
    for (let i = start; i < start + BLOCK_ELEMENTS; i++) {
      const value = source[i] as number
      if (Math.abs(value) > Math.abs(extreme)) extreme = value
    }
    // the value farthest from zero becomes -8, which 4 bits have and +8 they have not
    const scale = extreme / -8
    const reciprocal = Math.fround(1 / scale)
    // what overflows here is the reciprocal of what is 0 in float16
    const inverse = Number.isFinite(reciprocal) ? reciprocal : 0
    const scaleBits = float16Bits(scale)
    target[at] = scaleBits
    target[at + 1] = scaleBits >>> 8
    at += 2
    const level = (i: number) => {
      const x = Math.fround((source[i] as number) * inverse)
      return Math.min(15, Math.fround(x + 8.5) | 0)
    }
    for (let i = start; i < start + BLOCK_ELEMENTS / 2; i++) {
      target[at++] = level(i) | (level(i + BLOCK_ELEMENTS / 2) << 4)
    }
  }
}

/** Float32 values of Q8_0 blocks. */
export function dequantizeQ8_0(source: Uint8Array, target: Float32Array): void {
  const view = new DataView(source.buffer, source.byteOffset, source.byteLength)
  const halves = float16Table()
  for (let block = 0, at = 0; at < target.length; block += Q8_0_BYTES) {
    const scale = halves[view.getUint16(block, true)] as number
    for (let i = 0; i < BLOCK_ELEMENTS; i++) target[at++] = scale * view.getInt8(block + 2 + i)
  }
}

/** Bytes of float32 `source` as a tensor type this package writes. */
export function encodeTensor(
  source: Float32Array,
  type: (typeof TensorType)['F32' | 'F16' | 'Q8_0' | 'Q4_0'],
): Uint8Array {
  switch (type) {
    case TensorType.F32:
      return new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    case TensorType.F16:
      return new Uint8Array(toFloat16(source).buffer)
    case TensorType.Q8_0: {
      const target = new Uint8Array((source.length / BLOCK_ELEMENTS) * Q8_0_BYTES)
      quantizeQ8_0(source, target)
      return target
    }
    case TensorType.Q4_0: {
      const target = new Uint8Array((source.length / BLOCK_ELEMENTS) * Q4_0_BYTES)
      quantizeQ4_0(source, target)
      return target
    }
  }
}
