/** What `bge-m3 evaluate --json` gave. */

import { EVALUATION_MODES, METRIC_NAMES } from '../../../quality/evaluation-names.js'
import type { EvaluationMode, EvaluationReport, MetricName } from '../../../quality/types.js'
import { facts, figure, notes, scrolled, table } from '../html/fragments.js'
import { html, type Markup } from '../html/markup.js'
import type { BarsSpec } from '../shared/data.js'
import { number } from '../shared/format.js'
import type { Section } from './section.js'

export function evaluationSection(report: EvaluationReport): Section {
  const chart = evaluationChart(report)
  return {
    id: 'evaluation',
    title: 'Evaluation',
    charts: [chart],
    content: html`${facts(about(report))}
${scrolled('Measures by mode', evaluationTable(report))}
<div class="charts">${figure(chart)}</div>
${notes(report.notes ?? [])}`,
  }
}

function about({ model, corpus, queries, sts, bootstrap, rerank }: EvaluationReport) {
  const lines: [string, string][] = []
  if (model) lines.push(['Model', model])
  if (corpus) lines.push(['Documents', number(corpus.documents)])
  if (queries) lines.push(['Queries', number(queries.evaluated)])
  if (sts) lines.push(['Pairs', number(sts.pairs)])
  if (rerank !== undefined) lines.push(['Candidates put in order', number(rerank)])
  if (bootstrap) {
    const { confidence, samples } = bootstrap
    lines.push(['Intervals', `${number(confidence * 100)} %, ${number(samples)} bootstrap samples`])
  }
  return lines
}

function present(report: EvaluationReport): { modes: EvaluationMode[]; metrics: MetricName[] } {
  const modes = EVALUATION_MODES.filter((mode) => report[mode] !== undefined)
  const metrics = METRIC_NAMES.filter((metric) =>
    modes.some((mode) => report[mode]?.[metric] !== undefined),
  )
  return { modes, metrics }
}

export function evaluationTable(report: EvaluationReport): Markup {
  const { modes, metrics } = present(report)
  const rows = modes.map((mode) => [
    mode,
    ...metrics.map((metric) => {
      const value = report[mode]?.[metric]
      if (value === undefined) return '–'
      const interval = report.ci?.[mode]?.[metric]
      if (!interval) return value.toFixed(4)
      const [low, high] = interval
      return html`${value.toFixed(4)} <small>${low.toFixed(3)} to ${high.toFixed(3)}</small>`
    }),
  ])
  return table(['mode', ...metrics], rows, { rowHeads: true })
}

function evaluationChart(report: EvaluationReport): BarsSpec {
  const { modes, metrics } = present(report)
  const best = metrics.map((metric) => {
    const values = modes.map((mode) => report[mode]?.[metric] ?? Number.NEGATIVE_INFINITY)
    return `${metric}: ${modes[values.indexOf(Math.max(...values))]}`
  })
  return {
    kind: 'bars',
    id: 'evaluation',
    title: 'Measures by mode, with confidence intervals',
    summary: `Best by measure: ${best.join(', ')}.`,
    xLabel: '',
    yLabel: '',
    categories: metrics,
    series: modes.map((mode) => ({
      name: mode,
      values: metrics.map((metric) => report[mode]?.[metric] ?? null),
      intervals: metrics.map((metric) => report.ci?.[mode]?.[metric] ?? null),
    })),
    format: 'number',
    max: 1,
  }
}
