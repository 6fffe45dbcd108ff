import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { float16Bits, fromFloat16 } from '../../lib/common/float16.js'
import { shortestFloat16, shortestFloat32 } from '../../lib/outputs/shortest-decimal.js'

/** Digits of a number as it is printed, without leading and trailing zeros. */
function digits(value: number): number {
  return String(Math.abs(value))
    .replace(/e.*/, '')
    .replace('.', '')
    .replace(/^0+|0+$/g, '').length
}

/** The slow way: try every length. */
function searched(value: number): number {
  for (let n = 1; n < 10; n++) {
    const decimal = Number(value.toPrecision(n))
    if (Math.fround(decimal) === value) return decimal
  }
  return value
}

/** Doubles right beside: what a reader that does not go through doubles might round differently. */
const neighbours = (value: number) => [value * (1 - 2 ** -52), value * (1 + 2 ** -52)]

const float32 = fc.float({ noNaN: true, noDefaultInfinity: true })
const component = fc.float({ min: Math.fround(-0.3), max: Math.fround(0.3), noNaN: true })

describe('shortestFloat32', () => {
  for (const [what, arbitrary] of [
    ['any float32', float32],
    ['components of a unit vector', component],
  ] as const) {
    it(`reads back as ${what}, in 9 digits at most`, () => {
      fc.assert(
        fc.property(arbitrary, (value) => {
          const decimal = shortestFloat32(value)
          // the sign of zero is lost, as in JSON.stringify
          expect(Math.fround(Number(String(decimal))) === value).toBe(true)
          for (const near of neighbours(decimal)) expect(Math.fround(near) === value).toBe(true)
          expect(digits(decimal)).toBeLessThanOrEqual(9)
        }),
        { numRuns: 5000 },
      )
    })
  }

  it('is as short as can be for components', () => {
    fc.assert(
      fc.property(component, (value) => {
        expect(digits(shortestFloat32(value))).toBeLessThanOrEqual(digits(searched(value)))
      }),
      { numRuns: 5000 },
    )
  })

  it('gives back decimals of up to 6 digits', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -999_999, max: 999_999 }),
        fc.integer({ min: 0, max: 12 }),
        (n, scale) => {
          const decimal = Number(`${n}e-${scale}`)
          expect(shortestFloat32(Math.fround(decimal))).toBe(decimal)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('leaves what has no decimals', () => {
    for (const value of [0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(shortestFloat32(value)).toBe(value)
    }
    expect(shortestFloat32(Math.fround(3.4028234663852886e38))).toBe(3.4028235e38)
    expect(shortestFloat32(Math.fround(1.401298464324817e-45))).toBe(1e-45)
    expect(shortestFloat32(16_777_216)).toBe(16_777_216)
  })
})

describe('shortestFloat16', () => {
  it('reads back as every finite half, in 5 digits at most', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      if ((bits & 0x7c00) === 0x7c00) continue
      const decimal = shortestFloat16(bits)
      if (float16Bits(decimal) !== bits || digits(decimal) > 5) expect.fail(`${bits}: ${decimal}`)
    }
  })

  it('is shorter than the half itself', () => {
    const [half] = fromFloat16(Uint16Array.of(float16Bits(0.1)))
    expect(half).toBe(0.0999755859375)
    expect(shortestFloat16(float16Bits(0.1))).toBe(0.1)
  })
})
