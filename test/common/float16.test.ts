import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  float16Bits,
  float16Value,
  float32BitsToFloat16,
  fromFloat16,
  toFloat16,
} from '../../lib/common/float16.js'

const finite = Array.from({ length: 0x7c00 }, (_, bits) => bits)

describe('float16', () => {
  it('knows the landmarks of IEEE 754 binary16', () => {
    // Wikipedia's table of half-precision examples.
    const table: [number, number][] = [
      [0x0000, 0],
      [0x0001, 2 ** -24],
      [0x03ff, 1023 * 2 ** -24],
      [0x0400, 0.00006103515625],
      [0x3555, 0.333251953125],
      [0x3bff, 0.99951171875],
      [0x3c00, 1],
      [0x3c01, 1.0009765625],
      [0x7bff, 65504],
      [0x7c00, Number.POSITIVE_INFINITY],
      [0xc000, -2],
      [0xfc00, Number.NEGATIVE_INFINITY],
    ]
    for (const [bits, value] of table) {
      expect(float16Value(bits)).toBe(value)
      expect(float16Bits(value)).toBe(bits)
    }
    expect(float16Bits(1 / 3)).toBe(0x3555)
    expect(float16Bits(-0)).toBe(0x8000)
    expect(float16Value(float16Bits(Number.NaN))).toBeNaN()
    expect(float16Value(0x7c01)).toBeNaN()
  })

  it('gives every half back', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits).filter(
      (bits) => (bits & 0x7fff) <= 0x7c00,
    )
    expect(toFloat16(fromFloat16(all))).toEqual(all)
  })

  it('rounds to nearest between every two neighbours, ties to even', () => {
    const float = new Float32Array(1)
    const word = new Uint32Array(float.buffer)
    for (const low of finite) {
      const high = low + 1
      // Above 65,504 comes, as for rounding, 65,536.
      const upper = high === 0x7c00 ? 65536 : float16Value(high)
      float[0] = (float16Value(low) + upper) / 2
      const middle = word[0] as number
      const even = low % 2 === 0 ? low : high
      if (float32BitsToFloat16(middle) !== even) expect.fail(`tie above ${low}`)
      if (float32BitsToFloat16(middle - 1) !== low) expect.fail(`below the tie above ${low}`)
      if (float32BitsToFloat16(middle + 1) !== high) expect.fail(`over the tie above ${low}`)
      const negative = (middle | 0x80000000) >>> 0
      if (float32BitsToFloat16(negative) !== (even | 0x8000)) expect.fail(`negative tie ${low}`)
    }
  })

  it('reads a view at its own offset', () => {
    const values = new Float32Array([9, 1, -2, 0.5])
    expect([...toFloat16(values.subarray(1, 3))]).toEqual([0x3c00, 0xc000])
    expect([...toFloat16([1, 65504])]).toEqual([0x3c00, 0x7bff])
  })

  it('errs by at most half a step', () => {
    fc.assert(
      fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (value) => {
        const back = float16Value(float16Bits(value))
        const step = 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(value)))) - 10)
        return Math.abs(back - value) <= step / 2
      }),
    )
  })
})
