/** What `bge-m3 evaluate` prints for people. */

import { EVALUATION_MODES, METRIC_NAMES } from '../../../quality/evaluation-names.js'
import type { GoldenComparison } from '../../../quality/golden.js'
import type { EvaluationReport, MetricName } from '../../../quality/types.js'
import { table } from '../shared/table.js'

/** What is left to `--json`, for the table to fit 80 columns. */
const LEFT_OUT: readonly MetricName[] = ['accuracy@1', 'accuracy@10', 'precision@10', 'map@100']

/** A row per mode; under each figure its interval. */
export function evaluationTable(report: EvaluationReport): string {
  const modes = EVALUATION_MODES.filter((mode) => report[mode] !== undefined)
  const metrics = METRIC_NAMES.filter(
    (name) => !LEFT_OUT.includes(name) && modes.some((mode) => report[mode]?.[name] !== undefined),
  )
  const rows = modes.flatMap((mode) => {
    const figures = metrics.map((name) => report[mode]?.[name]?.toFixed(4) ?? '-')
    const intervals = metrics.map((name) => {
      const interval = report.ci[mode]?.[name]
      return interval ? interval.map((bound) => bound.toFixed(3)).join('-') : ''
    })
    return [
      [mode, ...figures],
      ['', ...intervals],
    ]
  })
  const columns = metrics.map((_, i) => i + 1)
  return `${table([['', ...metrics], ...rows], columns)}\n${counted(report)}\n`
}

function counted(report: EvaluationReport): string {
  const { corpus, queries, sts, rerank } = report
  const parts: string[] = []
  const reranking = report.colbert
    ? (['colbert', 'hybrid', 'reranker'] as const)
    : (['reranker'] as const)
  const modes = reranking.filter((mode) => report[mode])
  if (corpus && queries) {
    parts.push(`${queries.evaluated} queries, ${corpus.documents} documents`)
    if (rerank !== undefined) parts.push(`${modes.join(' and ')} rerank the best ${rerank}`)
  }
  if (sts) parts.push(`${sts.pairs} pairs`)
  parts.push('ranges are 95 % bootstrap intervals')
  return parts.join('; ')
}

export function goldenTable(comparison: GoldenComparison): string {
  const { outputs, items, compared, missing, changed, added, tolerance, fingerprint } = comparison
  const rows = Object.entries(outputs).map(([output, figures]) => [
    output,
    String(figures.compared),
    String(figures.identical),
    figures.meanDrift.toExponential(2),
    figures.maxDrift.toExponential(2),
    String(figures.failed),
  ])
  const head = ['', 'compared', 'identical', 'mean drift', 'max drift', 'failed']
  const lines = [
    table([head, ...rows], [1, 2, 3, 4, 5]).trimEnd(),
    '',
    `${compared} of ${items} items compared; tolerance ${tolerance} (1 - cosine); the model's fingerprint is ${fingerprint.same ? 'the same' : 'another'}`,
  ]
  if (missing.length > 0) lines.push(`missing or failed: ${listed(missing)}`)
  if (changed.length > 0) lines.push(`of another text: ${listed(changed)}`)
  if (added.length > 0) lines.push(`not in the golden set: ${listed(added)}`)
  lines.push(comparison.passed ? 'passed' : 'FAILED')
  return `${lines.join('\n')}\n`
}

function listed(ids: readonly string[]): string {
  const shown = ids.slice(0, 5).map((id) => JSON.stringify(id))
  return `${shown.join(', ')}${ids.length > 5 ? ` and ${ids.length - 5} more` : ''}`
}
