import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../lib/common/errors.js'
import { toFloat16 } from '../../lib/common/float16.js'
import {
  cosine,
  dot,
  euclidean,
  hamming,
  type Metric,
  manhattan,
  norm,
  normalize,
  type Vector,
} from '../../lib/exports/scoring.js'
import { toBinary, toInt8 } from '../../lib/outputs/precision.js'
import { metricFunction } from '../../lib/scoring/dense.js'
import { exactSum, naiveCosine, naiveDot, unitVector } from './reference.js'

// Down to where squares do not vanish.
const number = fc
  .double({ min: -1e6, max: 1e6, noNaN: true })
  .map((x) => (Math.abs(x) < 1e-70 ? 0 : x))
const pair = fc
  .integer({ min: 0, max: 37 })
  .chain((n) =>
    fc.tuple(
      fc.array(number, { minLength: n, maxLength: n }),
      fc.array(number, { minLength: n, maxLength: n }),
    ),
  )

describe('dense scores', () => {
  it('match worked examples', () => {
    expect(dot([1, 2, 3], [4, -5, 6])).toBe(12)
    expect(cosine([1, 0], [1, 1])).toBeCloseTo(Math.SQRT1_2, 15)
    expect(cosine([3, 4], [-3, -4])).toBe(-1)
    expect(euclidean([1, 2], [4, 6])).toBe(5)
    expect(manhattan([1, 2, 3, 4, 5], [2, 0, 3, 8, -5])).toBe(17)
    expect(norm([3, 4])).toBe(5)
    expect([...normalize([3, 4])]).toEqual([Math.fround(0.6), Math.fround(0.8)])
    expect(dot([], [])).toBe(0)
  })

  it('agree with the definitions at every length', () => {
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const scale = Math.sqrt(naiveDot(a, a) * naiveDot(b, b)) + 1e-300
        expect(Math.abs(dot(a, b) - naiveDot(a, b))).toBeLessThanOrEqual(scale * 1e-13)
        const differences = a.map((x, i) => x - (b[i] as number))
        expect(euclidean(a, b)).toBeCloseTo(Math.sqrt(naiveDot(differences, differences)), 6)
        expect(manhattan(a, b)).toBeCloseTo(exactSum(differences.map(Math.abs)), 5)
        if (norm(a) > 1e-100 && norm(b) > 1e-100) {
          expect(Math.abs(cosine(a, b) - naiveCosine(a, b))).toBeLessThan(1e-12)
        }
      }),
    )
  })

  it('are symmetric, and cosine stays within -1 and 1 whatever the scale', () => {
    fc.assert(
      fc.property(pair, fc.double({ min: 1e-3, max: 1e3, noNaN: true }), ([a, b], factor) => {
        for (const score of [dot, cosine, euclidean, manhattan]) {
          expect(score(a, b)).toBe(score(b, a))
        }
        const scaled = a.map((x) => x * factor)
        expect(Math.abs(cosine(a, scaled))).toBeLessThanOrEqual(1)
        expect(cosine(scaled, b)).toBeCloseTo(cosine(a, b), 10)
      }),
    )
  })

  it('keep the triangle inequality', () => {
    const triple = fc.array(fc.tuple(number, number, number), { minLength: 1, maxLength: 9 })
    fc.assert(
      fc.property(triple, (rows) => {
        const [a, b, c] = [0, 1, 2].map((i) => rows.map((row) => row[i] as number)) as number[][]
        for (const distance of [euclidean, manhattan]) {
          const detour =
            distance(a as number[], b as number[]) + distance(b as number[], c as number[])
          expect(distance(a as number[], c as number[])).toBeLessThanOrEqual(detour * (1 + 1e-12))
        }
      }),
    )
  })

  it('take a zero vector for having no direction, and pass NaN on', () => {
    expect(cosine([0, 0], [1, 2])).toBe(0)
    expect([...normalize([0, 0])]).toEqual([0, 0])
    for (const score of [dot, cosine, euclidean, manhattan]) {
      expect(score([Number.NaN, 1, 1, 1, 1], [1, 1, 1, 1, 1])).toBeNaN()
      expect(score([1, 1, 1, 1, Number.NaN], [1, 1, 1, 1, 1])).toBeNaN()
    }
  })

  it('take every precision, close to what it was made from', () => {
    const a = unitVector(1024, 1)
    const b = unitVector(1024, 2).map((x, i) => x + (a[i] as number))
    const exact = naiveCosine(a, b)
    const kinds: [number, (v: Float32Array) => Vector][] = [
      [1e-12, (v) => v],
      [1e-12, (v) => Float64Array.from(v)],
      [1e-12, (v) => Array.from(v)],
      [1e-4, toFloat16],
      [1e-3, toInt8],
    ]
    for (const [tolerance, to] of kinds) {
      expect(Math.abs(cosine(to(a), to(b)) - exact)).toBeLessThan(tolerance)
      expect(Math.abs(cosine(a, to(b)) - exact)).toBeLessThan(tolerance)
    }
    // The sign of two Gaussian-like vectors agrees with probability 1 - angle / pi.
    expect(cosine(toBinary(a), toBinary(b))).toBeCloseTo(1 - (2 * Math.acos(exact)) / Math.PI, 1)
    expect(norm(toBinary(a))).toBe(32)
  })

  it('count differing bits', () => {
    const a = Uint8Array.of(0xff, 0x00, 0x81, 0x10, 0x01)
    const b = Uint8Array.of(0x00, 0x00, 0x80, 0x30, 0x03)
    expect(hamming(a, b)).toBe(8 + 0 + 1 + 1 + 1)
    expect(dot(a, b)).toBe(40 - 22)
    expect(euclidean(a, b)).toBeCloseTo(Math.sqrt(4 * 11), 12)
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 33 }), (bytes) => {
        const flipped = bytes.map((byte) => ~byte)
        expect(hamming(bytes, flipped)).toBe(bytes.length * 8)
        expect(hamming(bytes, bytes)).toBe(0)
        expect(cosine(bytes, flipped)).toBe(-1)
      }),
    )
    expect(cosine(new Uint8Array(0), new Uint8Array(0))).toBe(0)
  })

  it('refuse what does not compare', () => {
    for (const score of [dot, cosine, euclidean, manhattan]) {
      expect(() => score([1, 2], [1])).toThrow(InvalidInputError)
      expect(() => score('ab' as unknown as Vector, [1])).toThrow(InvalidInputError)
      expect(() => score(new Int32Array(1) as unknown as Vector, [1])).toThrow(InvalidInputError)
    }
    expect(() => cosine(new Uint8Array(1), new Float32Array(8))).toThrow(/Packed bits/)
    expect(() => dot(new Float32Array(8), new Uint8Array(1))).toThrow(InvalidInputError)
    expect(() => hamming(new Uint8Array(1), new Uint8Array(2))).toThrow(InvalidInputError)
    expect(() => metricFunction('toString' as Metric)).toThrow(/cosine, dot/)
  })
})
