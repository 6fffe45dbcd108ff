/**
 * The shortest decimals that read back as the same float32 or float16.
 *
 * A number is not turned into text here, but into the double that prints as that text: JavaScript
 * prints a double as the shortest decimal that names it, and the double nearest to a decimal of up to
 * 15 digits prints as just that decimal. `JSON.stringify` does the rest.
 */

import { float16Bits, fromFloat16 } from '../common/float16.js'

/** 10^0 to 10^22: the powers of ten that doubles hold exactly, so that dividing by one rounds once. */
const POWERS = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))

/**
 * The double that prints as the shortest decimal (9 digits at most) which reads back as the float32
 * `value`, whether the reader goes through a double, as JavaScript and Python do, or not.
 */
export function shortestFloat32(value: number): number {
  const magnitude = Math.abs(value)
  if (!(magnitude >= 1e-12 && magnitude < 1e7)) return searchShortest(value)
  let exponent = 7
  while (magnitude * (POWERS[8 - exponent] as number) < 1e7) exponent--
  // Now magnitude is below 10^exponent, and `scale` leaves `digits` digits before the point.
  let scale = 8 - exponent
  let best = roundTo(magnitude, scale)
  if (!readsBack(best, magnitude)) {
    best = roundTo(magnitude, scale + 1)
    if (!readsBack(best, magnitude)) return searchShortest(value)
  } else {
    // If no decimal of n digits is near enough, none of fewer is.
    while (scale > 0) {
      const shorter = roundTo(magnitude, --scale)
      if (!readsBack(shorter, magnitude)) break
      best = shorter
    }
  }
  return value < 0 ? -best : best
}

let halves: Float64Array | undefined

/** The same for the bits of a half: 5 digits at most. */
export function shortestFloat16(bits: number): number {
  halves ??= Float64Array.from({ length: 0x10000 }, (_, half) => shortestOfHalf(half))
  return halves[bits] as number
}

function shortestOfHalf(bits: number): number {
  const value = fromFloat16(Uint16Array.of(bits))[0] as number
  for (let digits = 1; digits < 6; digits++) {
    const decimal = Number(value.toPrecision(digits))
    if (float16Bits(decimal) === bits) return decimal
  }
  return value
}

function roundTo(magnitude: number, scale: number): number {
  const power = POWERS[scale] as number
  return Math.round(magnitude * power) / power
}

/** Nudged by more than the rounding to a double, so that a decimal beside a midpoint does not pass. */
function readsBack(decimal: number, float: number): boolean {
  return (
    Math.fround(decimal * (1 - Number.EPSILON)) === float &&
    Math.fround(decimal * (1 + Number.EPSILON)) === float
  )
}

/** For what the fast way leaves: very large and very small numbers, zero, NaN and infinities. */
function searchShortest(value: number): number {
  if (value === 0 || !Number.isFinite(value)) return value
  for (let digits = 1; digits < 10; digits++) {
    const decimal = Number(value.toPrecision(digits))
    if (readsBack(decimal, value)) return decimal
  }
  return value
}
