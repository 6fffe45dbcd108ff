import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { float16Value } from '../../../../lib/common/float16.js'
import {
  dequantizeQ8_0,
  encodeTensor,
  Q8_0_BYTES,
  quantizeQ8_0,
} from '../../../../lib/model/formats/gguf/quantize.js'
import { TensorType } from '../../../../lib/model/formats/gguf/types.js'
import golden from './quantized.json' with { type: 'json' }

function floats(base64: string): Float32Array {
  const bytes = Buffer.from(base64, 'base64')
  return new Float32Array(new Uint8Array(bytes).buffer)
}

describe('Q8_0', () => {
  it('gives gguf-py’s bytes, ties and subnormal scales included', () => {
    const encoded = encodeTensor(floats(golden.input), TensorType.Q8_0)
    expect(Buffer.from(encoded).toString('base64')).toBe(golden.q8_0)
  })

  it('is off by at most half a step, plus the rounding of the scale to float16', () => {
    const block = fc.array(fc.float({ min: -1e4, max: 1e4, noNaN: true }), {
      minLength: 32,
      maxLength: 32,
    })
    fc.assert(
      fc.property(block, (values) => {
        const source = Float32Array.from(values)
        const bytes = new Uint8Array(Q8_0_BYTES)
        quantizeQ8_0(source, bytes)
        const back = new Float32Array(32)
        dequantizeQ8_0(bytes, back)
        const max = Math.max(...values.map(Math.abs))
        // Half a step; 127 steps times the scale's error (2^-11 relative, or half of 2^-24).
        const limit = (max / 127) * 0.5 * 1.001 + Math.max(max * 2 ** -11, 127 * 2 ** -25)
        for (const [i, value] of source.entries()) {
          expect(Math.abs(value - (back[i] ?? Number.NaN))).toBeLessThanOrEqual(limit)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('Q4_0', () => {
  it('gives gguf-py’s bytes', () => {
    const encoded = encodeTensor(floats(golden.input), TensorType.Q4_0)
    expect(Buffer.from(encoded).toString('base64')).toBe(golden.q4_0)
  })
})

describe('F16 and F32', () => {
  it('gives gguf-py’s halves', () => {
    const encoded = encodeTensor(floats(golden.input).subarray(0, 5 * 32), TensorType.F16)
    expect(Buffer.from(encoded).toString('base64')).toBe(golden.f16)
  })

  it('keeps float32 as it is', () => {
    const source = Float32Array.of(1, -2.5, float16Value(0x3555))
    const encoded = encodeTensor(source, TensorType.F32)
    expect(new Float32Array(new Uint8Array(encoded).buffer)).toEqual(source)
  })
})
