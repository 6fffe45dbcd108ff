import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../lib/common/errors.js'
import type { Precision } from '../../lib/common/types.js'
import { cosine } from '../../lib/exports/scoring.js'
import {
  fromBinary,
  fromInt8,
  quantizeInt8,
  rowsToPrecision,
  toBinary,
  toInt8,
  toPrecision,
  truncateDimensions,
} from '../../lib/outputs/precision.js'
import { unitVector } from '../scoring/reference.js'

const floats = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), {
  minLength: 1,
  maxLength: 40,
})

describe('int8', () => {
  it('scales by the largest magnitude, ties to even', () => {
    // 127 / 254: half steps fall on .5 exactly.
    const { data, scale } = quantizeInt8([254, -254, 1, 3, 5, -1, -3, 0])
    expect([...data]).toEqual([127, -127, 0, 2, 2, 0, -2, 0])
    expect(scale).toBe(2)
    expect([...fromInt8(data, scale)]).toEqual([254, -254, 0, 4, 4, 0, -4, 0])
  })

  it('errs by at most half a step, and spans the whole range', () => {
    fc.assert(
      fc.property(floats, (values) => {
        const { data, scale } = quantizeInt8(values)
        const largest = Math.max(...values.map(Math.abs))
        if (largest === 0) return scale === 0 && data.every((x) => x === 0)
        return (
          data.some((x) => Math.abs(x) === 127) &&
          values.every((x, i) => Math.abs(x - (data[i] as number) * scale) <= scale * 0.5000001)
        )
      }),
    )
  })

  it('keeps the direction of an embedding, where one fixed scale would not', () => {
    const vector = unitVector(1024, 7)
    expect(cosine(toInt8(vector), vector)).toBeGreaterThan(0.9999)
    const fixed = Int8Array.from(vector, (x) => Math.round(x * 127))
    expect(cosine(fixed, vector)).toBeLessThan(0.999)
    // A vector of unit length comes back without its scale.
    const back = fromInt8(toInt8(vector))
    expect(Math.max(...back.map((x, i) => Math.abs(x - (vector[i] as number))))).toBeLessThan(0.001)
    expect([...fromInt8(new Int8Array(3))]).toEqual([0, 0, 0])
  })

  it('refuses what is not finite', () => {
    expect(() => toInt8([1, Number.NaN])).toThrow(InvalidInputError)
    expect(() => toInt8([Number.NEGATIVE_INFINITY, 1])).toThrow(/Component 0/)
    expect(() => toInt8([Number.NaN, 1])).toThrow(InvalidInputError)
  })
})

describe('binary', () => {
  it('packs signs as numpy.packbits(x > 0) does', () => {
    const x = [0.1, -0.1, 0, 2, -3, -4, 5, 6, 0, 0, 0, 0, 0, 0, 0, 1]
    expect([...toBinary(x)]).toEqual([0b10010011, 1])
    expect([...fromBinary(Uint8Array.of(0b10010011))]).toEqual([1, -1, -1, 1, -1, -1, 1, 1])
  })

  it('refuses what it cannot say', () => {
    expect(() => toBinary([1, 2, 3])).toThrow(InvalidInputError)
    expect(() => toBinary([1, 2, 3, 4, 5, 6, 7, Number.NaN])).toThrow(InvalidInputError)
  })

  it('round-trips', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
        expect(toBinary(fromBinary(bytes))).toEqual(bytes)
      }),
    )
  })
})

describe('toPrecision', () => {
  it('converts rows each by itself', () => {
    const rows = new Float32Array([1, 0, 0, -1, 0, 0, 0, 0, 100, 50, 0, 0, 0, 0, 0, 0])
    expect([...rowsToPrecision(rows, 2, 8, 'int8')]).toEqual([
      127, 0, 0, -127, 0, 0, 0, 0, 127, 64, 0, 0, 0, 0, 0, 0,
    ])
    expect([...rowsToPrecision(rows, 2, 8, 'binary')]).toEqual([0x80, 0xc0])
    expect(rowsToPrecision(rows, 2, 8, 'float16')[8]).toBe(0x5640)
    expect(rowsToPrecision(rows, 2, 8, 'float32')).toBe(rows)
    expect([...toPrecision(rows.subarray(8), 'binary')]).toEqual([0xc0])
  })

  it('refuses wrong shapes and names', () => {
    const rows = new Float32Array(16)
    expect(() => rowsToPrecision(rows, 3, 8, 'int8')).toThrow(InvalidInputError)
    expect(() => toPrecision(rows, 'int4' as Precision)).toThrow(/float32, float16, int8, binary/)
  })
})

describe('truncateDimensions', () => {
  it('cuts, then normalises', () => {
    const vector = new Float32Array([3, 4, 12])
    expect([...truncateDimensions(vector, 2)]).toEqual([Math.fround(0.6), Math.fround(0.8)])
    expect([...truncateDimensions(vector, 2, false)]).toEqual([3, 4])
    expect([...truncateDimensions(new Float32Array(4), 2)]).toEqual([0, 0])
    expect([...vector]).toEqual([3, 4, 12])
  })

  it.each([0, 4, 1.5, Number.NaN])('refuses %s dimensions of 3', (dimensions) => {
    expect(() => truncateDimensions(new Float32Array(3), dimensions)).toThrow(InvalidInputError)
  })
})
