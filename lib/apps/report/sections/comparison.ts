/** Two sets of embeddings of the same items. */

import type { ComparisonReport, OutputComparison, OutputName } from '../../../quality/types.js'
import { cards, figure, notes, scrolled, table } from '../html/fragments.js'
import { html, type Markup } from '../html/markup.js'
import type { ChartSpec } from '../shared/data.js'
import { formatted, number } from '../shared/format.js'
import { DISTRIBUTION_HEADS, distributionChart, distributionRow } from './distributions.js'
import type { Section } from './section.js'

interface ComparedNames {
  a: string
  b: string
  /** Items that only one of them has. */
  onlyA: number
  onlyB: number
}

export function comparisonSection(report: ComparisonReport, names: ComparedNames): Section {
  const charts = comparisonCharts(report)
  const alone = [
    names.onlyA > 0 ? `${number(names.onlyA)} items are only in A.` : '',
    names.onlyB > 0 ? `${number(names.onlyB)} items are only in B.` : '',
  ]
  return {
    id: 'comparison',
    title: 'Comparison',
    charts,
    content: html`<p>A is <strong>${names.a}</strong>, B is <strong>${names.b}</strong>; ${number(report.items)} items are in both.</p>
${comparisonBody(report)}
<div class="charts">${charts.map(figure)}</div>
${worst(report)}
${notes([...alone, ...report.notes].filter(Boolean))}`,
  }
}

function outputs({ outputs }: ComparisonReport): [OutputName, OutputComparison][] {
  return Object.entries(outputs) as [OutputName, OutputComparison][]
}

/** Figures at a glance, and all of them. */
export function comparisonBody(report: ComparisonReport): Markup {
  const found = outputs(report)
  const [first] = found
  return html`${first && glance(first[1])}
<h3>All figures</h3>
${scrolled(
  'Figures of the comparison',
  table(['', ...found.map(([name]) => name)], figureRows(found.map(([, one]) => one)), {
    rowHeads: true,
    compact: true,
  }),
)}`
}

function glance({ preservation, overlap, drift, clusters }: OutputComparison): Markup {
  return cards([
    {
      label: 'Similarity preserved',
      value: share(preservation.spearman),
      note: `rank correlation over ${number(preservation.pairs)} ${preservation.sampled ? 'sampled ' : ''}pairs`,
    },
    {
      label: `Neighbour overlap@${overlap.k}`,
      value: share(overlap.mean),
      note: `lowest ${share(overlap.min)}, over ${number(overlap.queries)} items`,
    },
    ...(drift
      ? [
          {
            label: 'Median drift',
            value: number(drift.median),
            note: `1 − similarity to itself; at most ${number(drift.max)}`,
          },
        ]
      : []),
    ...(clusters
      ? [
          {
            label: 'Cluster coherence kept',
            value: share(clusters.retained),
            note: `${clusters.k} clusters`,
          },
        ]
      : []),
  ])
}

function share(value: number | null): string {
  return value === null ? '–' : formatted(value, 'percent')
}

/** Figures that at least one of the outputs has. */
function figureRows(found: readonly OutputComparison[]): (string | number | null)[][] {
  const rows: [string, (one: OutputComparison) => number | null][] = [
    ['Spearman correlation of similarities', ({ preservation }) => preservation.spearman],
    ['Pearson correlation of similarities', ({ preservation }) => preservation.pearson],
    ['Mean difference of a similarity', ({ preservation }) => preservation.meanDifference],
    ['Largest difference of a similarity', ({ preservation }) => preservation.maxDifference],
    ['Neighbour overlap, mean', ({ overlap }) => overlap.mean],
    ['Neighbour overlap, lowest', ({ overlap }) => overlap.min],
    ['Coherence of clusters in A', ({ clusters }) => clusters?.coherence.a ?? null],
    ['Coherence of clusters in B', ({ clusters }) => clusters?.coherence.b ?? null],
    ['Items that keep their cluster', ({ clusters }) => clusters?.agreement ?? null],
    ['Silhouette in A', ({ clusters }) => clusters?.silhouette.a ?? null],
    ['Silhouette in B', ({ clusters }) => clusters?.silhouette.b ?? null],
  ]
  return rows
    .map(([name, read]) => [name, ...found.map(read)])
    .filter(([, ...values]) => values.some((value) => value !== null))
}

function comparisonCharts(report: ComparisonReport): ChartSpec[] {
  return outputs(report).flatMap(([name, { drift }]) =>
    drift
      ? [
          distributionChart(
            {
              id: `drift-${name}`,
              title: `Drift per item (${name})`,
              xLabel: '1 − similarity to itself',
              yLabel: 'items',
            },
            drift,
          ),
        ]
      : [],
  )
}

function worst(report: ComparisonReport): Markup[] {
  return outputs(report).flatMap(([name, { drift }]) => {
    if (!drift) return []
    const rows = drift.worst.map(({ id, index, drift }) => [id ?? `#${index}`, drift])
    return [
      html`<h3>Drift (${name})</h3>
${scrolled('Distribution of the drift', table(DISTRIBUTION_HEADS, [distributionRow('drift', drift)], { rowHeads: true }))}
<details><summary>Items that moved most</summary>
${scrolled('Items that moved most', table(['item', 'drift'], rows))}</details>`,
    ]
  })
}
