/** Numbers as people read them. Also used by Node. */

import type { NumberFormat } from './data.js'

const BYTES = ['B', 'kB', 'MB', 'GB', 'TB']

/** `3 min 20 s`, `3 min`. */
function inParts(value: number, size: number, large: string, small: string): string {
  const whole = Math.round(value)
  const rest = whole % size
  return `${Math.floor(whole / size)} ${large}${rest > 0 ? ` ${rest} ${small}` : ''}`
}

/** As it is, without thousands apart: a year is no quantity. */
export function plain(value: number): string {
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)))
}

/** A number of an axis whose ticks are `step` apart: digits enough to tell them apart. */
export function tick(value: number, step: number): string {
  if (!(step > 0) || Math.abs(value) >= 1000) return number(value)
  const digits = Math.min(12, Math.max(0, 1 - Math.floor(Math.log10(step))))
  return String(Number(value.toFixed(digits)))
}

/** Four significant digits, thousands apart. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  if (size >= 1000) return Math.round(value).toLocaleString('en-US')
  if (size !== 0 && size < 1e-4) return value.toExponential(2)
  return String(Number(value.toPrecision(4)))
}

export function formatted(value: number, format: NumberFormat): string {
  if (!Number.isFinite(value)) return '–'
  switch (format) {
    case 'bytes': {
      const unit = Math.min(
        BYTES.length - 1,
        Math.max(0, Math.floor(Math.log10(Math.abs(value) || 1) / 3)),
      )
      return `${Number((value / 1000 ** unit).toPrecision(3))} ${BYTES[unit]}`
    }
    case 'percent':
      return `${Number((value * 100).toPrecision(3))} %`
    case 'milliseconds':
      return Math.abs(value) >= 1000 ? formatted(value / 1000, 'seconds') : `${number(value)} ms`
    case 'seconds':
      if (value < 120) return `${number(value)} s`
      return value < 7200 ? inParts(value, 60, 'min', 's') : inParts(value / 60, 60, 'h', 'min')
    default:
      return number(value)
  }
}
