/** A minute of one number as a small line. */
import { svg } from './dom.js'

const WIDTH = 120
const HEIGHT = 32
const SAMPLES = 60

export interface Sparkline {
  element: SVGElement
  add(value: number): void
}

/** @param top the least value that the chart's upper edge stands for */
export function sparkline(label: string, top: number, format: (n: number) => string): Sparkline {
  const values: number[] = []
  const area = svg('polygon', { class: 'area' })
  const line = svg('polyline', { class: 'line' })
  const element = svg(
    'svg',
    {
      class: 'sparkline',
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': `${label}: no readings yet`,
    },
    area,
    line,
  )
  return {
    element,
    add(value) {
      values.push(value)
      if (values.length > SAMPLES) values.shift()
      const points = polyline(values, Math.max(top, ...values))
      line.setAttribute('points', points.join(' '))
      const [first, last] = [points[0], points.at(-1)] as [string, string]
      const [left, right] = [first.split(',')[0], last.split(',')[0]]
      area.setAttribute('points', `${left},${HEIGHT} ${points.join(' ')} ${right},${HEIGHT}`)
      const [least, most] = [Math.min(...values), Math.max(...values)]
      element.setAttribute(
        'aria-label',
        `${label} over the last ${values.length} s: now ${format(value)}, least ${format(least)}, most ${format(most)}`,
      )
    },
  }
}

/** The newest value at the right edge, one step per reading. */
function polyline(values: readonly number[], top: number): string[] {
  const step = WIDTH / (SAMPLES - 1)
  return values.map((value, i) => {
    const x = WIDTH - (values.length - 1 - i) * step
    const y = HEIGHT - 1 - (top > 0 ? value / top : 0) * (HEIGHT - 3)
    return `${x.toFixed(1)},${y.toFixed(1)}`
  })
}
