/** Numbers as people read them. Also used by Node. */

import type { NumberFormat } from '../../data.js'

const BYTES = ['B', 'kB', 'MB', 'GB', 'TB']

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
      return value >= 120
        ? `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`
        : `${number(value)} s`
    default:
      return number(value)
  }
}
