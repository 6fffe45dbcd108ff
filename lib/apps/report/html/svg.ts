/** Small pictures for where no script runs: a notebook's output. */

import type { Histogram } from '../../../quality/types.js'
import { tick } from '../shared/format.js'
import { html, type Markup } from './markup.js'

const SIZE = { width: 320, height: 120, foot: 16 }

/** Bars whose heights are the counts. */
export function histogramSvg(label: string, { from, to, counts }: Histogram): Markup {
  const { width, height, foot } = SIZE
  const most = Math.max(1, ...counts)
  const step = width / Math.max(1, counts.length)
  const bars = counts.map((count, i) => {
    const tall = (count / most) * (height - foot)
    const [x, y] = [i * step, height - foot - tall].map(rounded)
    return html`<rect x="${x}" y="${y}" width="${rounded(step * 0.92)}" height="${rounded(tall)}"><title>${count}</title></rect>`
  })
  const bin = (to - from) / Math.max(1, counts.length)
  return html`<figure><figcaption>${label}</figcaption>
<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${label}">
<g fill="#4c7dd8">${bars}</g>
<g fill="currentColor" font-size="11"><text x="0" y="${height - 3}">${tick(from, bin)}</text><text x="${width}" y="${height - 3}" text-anchor="end">${tick(to, bin)}</text></g>
</svg></figure>`
}

interface DrawnPoint {
  x: number
  y: number
  name: string
  group: number
}

const GROUPS = [
  '#2f62c8',
  '#d0620f',
  '#138a5b',
  '#8a4fc7',
  '#c2275f',
  '#857100',
  '#0a8296',
  '#8c5a3c',
  '#d0509f',
  '#6d7a8c',
]

/** Points in a square, named where the pointer rests. */
export function pointsSvg(label: string, points: readonly DrawnPoint[]): Markup {
  const side = 320
  const margin = 8
  const xs = span(points.map(({ x }) => x))
  const ys = span(points.map(({ y }) => y))
  // one scale for both axes: distances are to be compared
  const scale = (side - 2 * margin) / Math.max(xs.high - xs.low, ys.high - ys.low, 1e-9)
  const dots = points.map(({ x, y, name, group }) => {
    const cx = rounded(side / 2 + (x - (xs.low + xs.high) / 2) * scale)
    const cy = rounded(side / 2 - (y - (ys.low + ys.high) / 2) * scale)
    const fill = GROUPS[group % GROUPS.length] as string
    return html`<circle cx="${cx}" cy="${cy}" r="${points.length > 500 ? 2 : 3}" fill="${fill}"><title>${name}</title></circle>`
  })
  return html`<figure><figcaption>${label}</figcaption>
<svg viewBox="0 0 ${side} ${side}" width="${side}" height="${side}" role="img" aria-label="${label}"><g fill-opacity=".85">${dots}</g></svg></figure>`
}

function span(values: readonly number[]): { low: number; high: number } {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const value of values) {
    low = Math.min(low, value)
    high = Math.max(high, value)
  }
  return { low, high }
}

const rounded = (value: number) => Math.round(value * 100) / 100
