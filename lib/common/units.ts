/** Sizes and durations as people write them. */

const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['b', 1],
  ['k', 1e3],
  ['kb', 1e3],
  ['m', 1e6],
  ['mb', 1e6],
  ['g', 1e9],
  ['gb', 1e9],
  ['t', 1e12],
  ['tb', 1e12],
  ['ki', 2 ** 10],
  ['kib', 2 ** 10],
  ['mi', 2 ** 20],
  ['mib', 2 ** 20],
  ['gi', 2 ** 30],
  ['gib', 2 ** 30],
  ['ti', 2 ** 40],
  ['tib', 2 ** 40],
])

const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['ms', 1],
  ['s', 1e3],
  ['sec', 1e3],
  ['m', 60e3],
  ['min', 60e3],
  ['h', 3_600e3],
  ['d', 86_400e3],
])

function parse(text: string, units: ReadonlyMap<string, number>): number | undefined {
  const match = /^\s*(\d{1,15}(?:\.\d{1,9})?)\s*([a-z]*)\s*$/i.exec(text)
  if (!match) return undefined
  const factor = units.get((match[2] ?? '').toLowerCase())
  if (factor === undefined) return undefined
  const value = Math.round(Number(match[1]) * factor)
  return Number.isSafeInteger(value) ? value : undefined
}

/**
 * Bytes: "1500000", "2GB" (10^9 bytes each), "1.5GiB" (2^30 each); any case, a blank before the
 * unit is fine. `undefined` when the text says no size.
 */
export function parseSize(text: string): number | undefined {
  return parse(text, SIZE_UNITS)
}

/** Milliseconds: "250", "250ms", "1.5s", "2min", "1h", "30d". `undefined` when the text says none. */
export function parseDuration(text: string): number | undefined {
  return parse(text, DURATION_UNITS)
}

/** "634.6 MB": decimal units, one decimal. */
export function formatSize(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

/** "850 ms", "42 s", "3 min 05 s", "2 h 07 min". */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  const seconds = Math.round(milliseconds / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  const two = (value: number) => String(value).padStart(2, '0')
  if (minutes < 60) return `${minutes} min ${two(seconds % 60)} s`
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`
}
