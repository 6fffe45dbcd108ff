import { describe, expect, it } from 'vitest'
import { formatDuration, formatSize, parseDuration, parseSize } from '../../lib/common/units.js'

describe('parseSize', () => {
  it.each([
    ['0', 0],
    ['1500000', 1_500_000],
    ['1B', 1],
    ['2GB', 2e9],
    ['2 gb', 2e9],
    ['2g', 2e9],
    ['1.5GiB', 1_610_612_736],
    ['1.5Gi', 1_610_612_736],
    [' 512 MiB ', 536_870_912],
    ['64MB', 64e6],
    ['1k', 1000],
    ['1Ki', 1024],
    ['0.5T', 5e11],
    ['1TiB', 2 ** 40],
  ])('%j is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })

  it.each([
    '',
    'GB',
    '-1',
    '1e9',
    '1 G B',
    '2GBs',
    '1,5GB',
    '.5GB',
    '0x10',
    'NaN',
    '999999999999TB',
  ])('%j is no size', (text) => {
    expect(parseSize(text)).toBeUndefined()
  })
})

describe('parseDuration', () => {
  it.each([
    ['250', 250],
    ['250ms', 250],
    ['1.5s', 1500],
    ['2 min', 120_000],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['30d', 2_592_000_000],
  ])('%j is %d ms', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds)
  })

  it.each(['', 's', '-1s', '1y', '1:30', 'constructor'])('%j is no duration', (text) => {
    expect(parseDuration(text)).toBeUndefined()
  })
})

describe('formatSize', () => {
  it.each([
    [0, '0 bytes'],
    [999, '999 bytes'],
    [1000, '1.0 kB'],
    [634_553_760, '634.6 MB'],
    [999_990_000, '1.0 GB'],
    [5e15, '5000.0 TB'],
  ])('%d is %j', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text)
  })
})

describe('formatDuration', () => {
  it.each([
    [850, '850 ms'],
    [42_000, '42 s'],
    [185_000, '3 min 05 s'],
    [7_620_000, '2 h 07 min'],
  ])('%d is %j', (milliseconds, text) => {
    expect(formatDuration(milliseconds)).toBe(text)
  })
})
