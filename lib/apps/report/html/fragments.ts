/** Pieces that reports and notebooks are made of. */

import type { ChartSpec } from '../shared/data.js'
import { formatted, number, tick } from '../shared/format.js'
import { html, type Markup } from './markup.js'

type Cell = string | number | Markup | null

interface TableOptions {
  caption?: string
  /** The first cell of a row names it. */
  rowHeads?: boolean
  /** No wider than it needs to be. */
  compact?: boolean
}

/** Numbers are formatted and end in line. */
export function table(
  heads: readonly string[],
  rows: readonly (readonly Cell[])[],
  { caption, rowHeads = false, compact = false }: TableOptions = {},
): Markup {
  const isNumber = (column: number) =>
    rows.length > 0 && rows.every((row) => typeof (row[column] ?? 0) === 'number')
  const cell = (value: Cell, column: number) => {
    const shown = typeof value === 'number' ? number(value) : (value ?? '–')
    if (rowHeads && column === 0) return html`<th scope="row">${shown}</th>`
    return isNumber(column) ? html`<td class="number">${shown}</td>` : html`<td>${shown}</td>`
  }
  const head = heads.map((name, column) =>
    isNumber(column)
      ? html`<th scope="col" class="number">${name}</th>`
      : html`<th scope="col">${name}</th>`,
  )
  return html`<table${compact && html` class="compact"`}>${caption && html`<caption>${caption}</caption>`}
<thead><tr>${head}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map(cell)}</tr>\n`)}</tbody></table>`
}

/** A table that scrolls within its own frame, also by keyboard. */
export function scrolled(label: string, content: Markup): Markup {
  return html`<div class="scroll" tabindex="0" role="group" aria-label="${label}">${content}</div>`
}

/** Figures large enough to be read from afar. */
export function cards(items: readonly { label: string; value: string; note?: string }[]): Markup {
  return html`<dl class="cards">${items.map(
    ({ label, value, note }) =>
      html`<div><dt>${label}</dt><dd>${value}${note && html`<small>${note}</small>`}</dd></div>`,
  )}</dl>`
}

/** Names and what they stand for, in two columns. */
export function facts(items: readonly (readonly [string, string | Markup])[]): Markup {
  return html`<dl class="facts">${items.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`
}

export function notes(lines: readonly string[]): Markup | null {
  if (lines.length === 0) return null
  return html`<ul class="notes">${lines.map((line) => html`<li>${line}</li>`)}</ul>`
}

/** Where the page draws a chart, and the same figures as a table. */
export function figure(spec: ChartSpec): Markup {
  return html`<figure class="chart" id="chart-${spec.id}">
<figcaption>${spec.title}</figcaption>
<div class="plot" role="img" aria-label="${`${spec.title}. ${spec.summary}`}"></div>
<details><summary>As a table<span class="hidden">: ${spec.title}</span></summary>
${scrolled(`${spec.title}, as a table`, chartTable(spec))}</details>
</figure>`
}

/** Rows of a chart's table; more samples than that are thinned out evenly. */
const MOST_ROWS = 120

function chartTable(spec: ChartSpec): Markup {
  switch (spec.kind) {
    case 'histogram': {
      const width = (spec.to - spec.from) / spec.counts.length
      const rows = spec.counts.map((count, i) => [
        tick(spec.from + i * width, width),
        tick(spec.from + (i + 1) * width, width),
        count,
      ])
      return table(['from', 'to', spec.yLabel], rows, { compact: true })
    }
    case 'line': {
      const step = Math.ceil(spec.x.length / MOST_ROWS)
      const kept = spec.x.map((_, i) => i).filter((i) => i % step === 0 || i === spec.x.length - 1)
      const rows = kept.map((i) => [
        formatted(spec.x[i] as number, spec.xFormat),
        formatted(spec.values[i] as number, spec.yFormat),
      ])
      return table([spec.xLabel, spec.yLabel], rows, { compact: true })
    }
    case 'bars': {
      const rows = spec.categories.map((name, i) => [
        name,
        ...spec.series.map(({ values, intervals }) => {
          const value = values[i]
          if (value === null || value === undefined) return '–'
          const ends = intervals?.[i]?.map((end) => formatted(end, spec.format)).join(' to ')
          return `${formatted(value, spec.format)}${ends ? ` (${ends})` : ''}`
        }),
      ])
      const values = spec.series.map(({ name }) => name || spec.yLabel)
      return table([spec.xLabel || 'name', ...values], rows, { rowHeads: true, compact: true })
    }
  }
}
