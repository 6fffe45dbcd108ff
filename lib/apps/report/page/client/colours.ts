/** What the points are coloured by. */

import type { Attribute } from '../../shared/data.js'
import { NO_CODE } from '../../shared/data.js'
import { property } from './dom.js'
import { mixed, pixelOf } from './splat.js'
import { unpack } from './unpack.js'

/** Colours that can be told apart; the rest of the labels share one. */
const CATEGORY_COLOURS = 10

export interface LegendEntry {
  label: string
  colour: string
  count: number
  /** Of points that belong to it. */
  codes: number[]
}

/** An attribute of all items, unpacked. */
export type Column =
  | { kind: 'category'; name: string; labels: string[]; codes: Uint16Array; counts: number[] }
  | { kind: 'number'; name: string; values: Float32Array; min: number; max: number }

export function columnOf(attribute: Attribute): Column {
  if (attribute.kind === 'category') {
    const codes = unpack.uint16(attribute.codes)
    const counts = new Array<number>(attribute.labels.length).fill(0)
    for (const code of codes) if (code !== NO_CODE) counts[code] = (counts[code] as number) + 1
    return { kind: 'category', name: attribute.name, labels: attribute.labels, codes, counts }
  }
  const values = unpack.float32(attribute.values)
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  for (const value of values) {
    if (value < min) min = value
    if (value > max) max = value
  }
  return { kind: 'number', name: attribute.name, values, min, max }
}

function categoryColour(code: number): string {
  return code < CATEGORY_COLOURS ? property(`--category-${code + 1}`) : property('--category-other')
}

/** Entries of the legend: the labels with colours of their own, then all others, then none. */
export function legendOf(column: Column & { kind: 'category' }, items: number): LegendEntry[] {
  const { labels, counts } = column
  const entries: LegendEntry[] = []
  labels.slice(0, CATEGORY_COLOURS).forEach((label, code) => {
    entries.push({ label, colour: categoryColour(code), count: counts[code] ?? 0, codes: [code] })
  })
  const rest = labels.map((_, code) => code).slice(CATEGORY_COLOURS)
  const sum = (codes: number[]) => codes.reduce((total, code) => total + (counts[code] ?? 0), 0)
  if (rest.length > 0) {
    const label = `${rest.length} others`
    entries.push({ label, colour: property('--category-other'), count: sum(rest), codes: rest })
  }
  const none = items - sum(labels.map((_, code) => code))
  if (none > 0) {
    const colour = property('--category-none')
    entries.push({ label: 'none', colour, count: none, codes: [NO_CODE] })
  }
  return entries
}

/** Colours of all items, 0xAABBGGRR. */
export function colourItems(column: Column, items: number): Uint32Array {
  const colours = new Uint32Array(items)
  if (column.kind === 'category') {
    const palette = column.labels.map((_, code) => pixelOf(categoryColour(code)))
    const none = pixelOf(property('--category-none'))
    for (let i = 0; i < items; i++) colours[i] = palette[column.codes[i] as number] ?? none
    return colours
  }
  const ramp = rampColours().map(pixelOf)
  const none = pixelOf(property('--category-none'))
  const range = column.max - column.min || 1
  for (let i = 0; i < items; i++) {
    const value = column.values[i] as number
    if (!Number.isFinite(value)) {
      colours[i] = none
      continue
    }
    const at = ((value - column.min) / range) * (ramp.length - 1)
    const from = Math.min(ramp.length - 2, Math.floor(at))
    colours[i] = mixed(ramp[from] as number, ramp[from + 1] as number, at - from)
  }
  return colours
}

/** Low to high. */
export function rampColours(): string[] {
  return [1, 2, 3, 4, 5].map((step) => property(`--ramp-${step}`))
}

/** An item's value as people read it. */
export function textOf(column: Column, item: number, format: (value: number) => string): string {
  if (column.kind === 'category') return column.labels[column.codes[item] as number] ?? '–'
  const value = column.values[item] as number
  return Number.isFinite(value) ? format(value) : '–'
}
