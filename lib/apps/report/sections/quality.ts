/** Whether the vectors of a set are sound: what a quality report found. */

import type { IssueKind, ItemIssue, QualityReport } from '../../../quality/types.js'
import { cards, figure, notes, scrolled, table } from '../html/fragments.js'
import { html, type Markup } from '../html/markup.js'
import type { ChartSpec } from '../shared/data.js'
import { formatted, number } from '../shared/format.js'
import type { VectorTable } from '../vectors/table.js'
import { DISTRIBUTION_HEADS, distributionChart, distributionRow, varies } from './distributions.js'
import type { Section } from './section.js'

/** Issues that are listed in a report; the quality report itself may hold more. */
const LISTED = 200

/** @param failures texts that have no vector: error code -> how many */
export function qualitySection(report: QualityReport, failures: VectorTable['failures']): Section {
  const charts = qualityCharts(report)
  return {
    id: 'soundness',
    title: 'Soundness of the vectors',
    charts,
    content: html`<p class="note">Whether the vectors are sound, not whether the model is good: 1, nothing was found; 0, of no use.</p>
${qualityCards(report, failures)}
<div class="charts">${charts.map(figure)}</div>
${issuesTable(report)}
${nearPairs(report)}
${distributions(report)}
${notes([report.outliers.description, ...report.notes].filter(Boolean))}`,
  }
}

export function qualityCards(
  report: QualityReport,
  failures: VectorTable['failures'] = new Map(),
): Markup {
  const { score, parts, flagged, vectors, duplicates, anisotropy, effectiveDimension } = report
  return cards([
    {
      label: 'Soundness',
      value: score.toFixed(3),
      note: `vectors ${parts.vectors.toFixed(3)} × unique ${parts.unique.toFixed(3)} × diversity ${parts.diversity.toFixed(3)}`,
    },
    {
      label: 'Vectors with an error',
      value: number(flagged),
      note: `of ${number(vectors)}; ${number(issueTotal(report))} issues in all`,
    },
    {
      label: 'Duplicates',
      value: number(duplicates.exact),
      note: `${number(duplicates.near)} pairs at or above a cosine of ${duplicates.threshold}`,
    },
    {
      label: 'Outliers',
      value: number(report.outliers.count),
      note: `of ${number(report.outliers.rows)} measured`,
    },
    ...(anisotropy === null
      ? []
      : [
          {
            label: 'Mean similarity',
            value: number(anisotropy),
            note: 'anisotropy: 0 spread evenly, 1 collapsed',
          },
        ]),
    ...(effectiveDimension === null
      ? []
      : [
          {
            label: 'Effective dimension',
            value: number(effectiveDimension),
            note: `of ${report.dimensions ?? '–'}: directions in use`,
          },
        ]),
    ...failedTexts(failures),
  ])
}

function failedTexts(failures: VectorTable['failures']) {
  if (failures.size === 0) return []
  const failed = [...failures.values()].reduce((sum, count) => sum + count, 0)
  const codes = [...failures].map(([code, count]) => `${number(count)} × ${code}`)
  return [{ label: 'Texts without a vector', value: number(failed), note: codes.join(', ') }]
}

function issueTotal({ counts }: QualityReport): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

function qualityCharts(report: QualityReport): ChartSpec[] {
  const { similarities, norms, scores, variance } = report
  const charts: ChartSpec[] = []
  if (similarities) {
    const pairs = `${number(similarities.pairs)} ${similarities.sampled ? 'sampled ' : ''}pairs`
    charts.push(
      distributionChart(
        { id: 'similarities', title: `Similarity of ${pairs}`, xLabel: 'cosine', yLabel: 'pairs' },
        similarities,
      ),
    )
  }
  if (norms && varies(norms)) {
    charts.push(
      distributionChart(
        {
          id: 'norms',
          title: 'Lengths of the vectors',
          xLabel: 'Euclidean length',
          yLabel: 'vectors',
        },
        norms,
      ),
    )
  }
  if (variance.length > 0) {
    charts.push({
      kind: 'bars',
      id: 'variance',
      title: 'Variance along the principal directions',
      summary: `The first holds ${formatted(variance[0] as number, 'percent')}.`,
      xLabel: 'principal direction',
      yLabel: 'share of the variance',
      categories: variance.map((_, i) => String(i + 1)),
      series: [{ name: '', values: variance }],
      format: 'percent',
    })
  }
  if (scores && scores.min < 1) {
    charts.push(
      distributionChart(
        {
          id: 'scores',
          title: 'Soundness of each vector',
          xLabel: 'soundness',
          yLabel: 'vectors',
        },
        scores,
      ),
    )
  }
  return charts
}

const MEANING: Readonly<Record<IssueKind, string>> = {
  dimension: 'has another length than expected',
  'not-finite': 'NaN or infinite components',
  zero: 'all components are zero',
  norm: 'its Euclidean length is unusual',
  collapsed: 'its components are all alike, or a few carry everything',
  truncated: 'ends in a run of zeros',
  duplicate: 'equals the vector of a different text',
  outlier: 'lies apart from the others',
  mismatch: 'not the vector that the same text gives',
}

export function issueCounts({ counts }: QualityReport): Markup | null {
  const rows = (Object.entries(counts) as [IssueKind, number][])
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => [kind, count, MEANING[kind]])
  return rows.length === 0
    ? html`<p>No issue was found in any vector.</p>`
    : table(['issue', 'vectors', 'meaning'], rows, { rowHeads: true, compact: true })
}

function issuesTable(report: QualityReport): Markup {
  const { issues, issuesLeftOut } = report
  if (issues.length === 0) return html`<h3>Issues</h3>${issueCounts(report)}`
  const shown = issues.slice(0, LISTED)
  const left = issues.length - shown.length + issuesLeftOut
  return html`<h3>Issues</h3>
${issueCounts(report)}
<details><summary>The vectors concerned</summary>
${scrolled(
  'Vectors with issues',
  table(
    ['vector', 'severity', 'issue', 'what was found'],
    shown.map((issue) => [nameOf(issue), issue.severity, issue.kind, issue.message]),
  ),
)}
${left > 0 && html`<p class="note">${number(left)} more are not listed.</p>`}</details>`
}

function nameOf({ id, index }: Pick<ItemIssue, 'id' | 'index'>): string {
  return id ?? `#${index}`
}

function nearPairs({ duplicates }: QualityReport): Markup | null {
  const { pairs } = duplicates
  if (pairs.length === 0) return null
  const rows = pairs
    .slice(0, 50)
    .map(({ a, b, idA, idB, cosine }) => [idA ?? `#${a}`, idB ?? `#${b}`, cosine])
  return html`<details><summary>The most similar pairs</summary>
${scrolled('The most similar pairs', table(['vector', 'vector', 'cosine'], rows))}</details>`
}

export function distributions({ norms, similarities, scores }: QualityReport): Markup {
  const rows = [
    similarities && distributionRow('similarity (cosine)', similarities),
    norms && varies(norms) && distributionRow('length', norms),
    scores && scores.min < 1 && distributionRow('soundness', scores),
  ].filter((row) => row !== null && row !== false)
  return html`${rows.length > 0 && html`<h3>Distributions</h3>${scrolled('Distributions', table(DISTRIBUTION_HEADS, rows, { rowHeads: true }))}`}
${norms && !varies(norms) && html`<p class="note">Every vector has the length ${number(norms.median)}.</p>`}`
}
