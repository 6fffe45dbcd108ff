/** What results look like in a notebook: HTML without scripts, in the notebook's own colours. */

import type { EmbeddedChunk, EmbedderStats, Precision } from '../../common/types.js'
import type { EmbeddingResult } from '../../embedder/documents/types.js'
import type { ComparisonReport, EvaluationReport, QualityReport } from '../../quality/types.js'
import { components } from '../../scoring/components.js'
import { facts, notes, table } from './html/fragments.js'
import { html, type Markup, raw } from './html/markup.js'
import { histogramSvg, pointsSvg } from './html/svg.js'
import { mapClusters } from './project/clusters.js'
import { principalComponents } from './project/pca.js'
import { comparisonBody } from './sections/comparison.js'
import { varies } from './sections/distributions.js'
import { evaluationTable } from './sections/evaluation.js'
import { distributions, issueCounts, qualityCards } from './sections/quality.js'
import { runCards } from './sections/run.js'
import { formatted, number } from './shared/format.js'

const STYLE = `<style>
.bge-m3 { font: 13px/1.45 system-ui, sans-serif; max-width: 62rem; }
.bge-m3 h4 { margin: .75rem 0 .35rem; font-size: 1.05em; }
.bge-m3 .cards { display: flex; flex-wrap: wrap; gap: .5rem; margin: 0 0 .5rem; }
.bge-m3 .cards > div { border: 1px solid rgb(128 128 128 / .4); border-radius: .35rem; padding: .35rem .6rem; min-width: 7.5rem; max-width: 14rem; }
.bge-m3 .cards dt, .bge-m3 small, .bge-m3 figcaption { opacity: .8; font-weight: normal; }
.bge-m3 .cards dd { margin: 0; font-size: 1.25em; }
.bge-m3 small { display: block; font-size: .7rem; }
.bge-m3 td small { display: inline; }
.bge-m3 table { border-collapse: collapse; }
.bge-m3 th, .bge-m3 td { text-align: left; padding: .15rem .9rem .15rem 0; border-bottom: 1px solid rgb(128 128 128 / .3); background: none; }
.bge-m3 .number { text-align: right; }
.bge-m3 .facts { margin: 0; } .bge-m3 .facts > div { display: flex; gap: 1rem; } .bge-m3 .facts dt { min-width: 11rem; opacity: .8; font-weight: normal; } .bge-m3 .facts dd { margin: 0; }
.bge-m3 figure { display: inline-block; margin: .4rem 1.5rem .4rem 0; vertical-align: top; }
.bge-m3 .scroll { max-height: 20rem; overflow: auto; }
.bge-m3 .track { background: rgb(128 128 128 / .3); border-radius: .3rem; height: .8rem; width: 22rem; max-width: 100%; overflow: hidden; }
.bge-m3 .bar { background: #4c7dd8; height: 100%; }
</style>`

/** Framed for a notebook. */
export function framed(content: Markup): string {
  return html`<div class="bge-m3">${raw(STYLE)}${content}</div>`.text
}

export function qualityHtml(report: QualityReport): Markup {
  const { similarities, norms } = report
  return html`<h4>Soundness of ${number(report.vectors)} vectors</h4>
${qualityCards(report)}
${similarities && histogramSvg('Similarity of pairs (cosine)', similarities.histogram)}
${norms && varies(norms) && histogramSvg('Lengths of the vectors', norms.histogram)}
${issueCounts(report)}
${distributions(report)}
${notes(report.notes)}`
}

export function comparisonHtml(report: ComparisonReport): Markup {
  const drifts = Object.entries(report.outputs).flatMap(([name, { drift }]) =>
    drift ? [histogramSvg(`Drift per item (${name})`, drift.histogram)] : [],
  )
  return html`<h4>Comparison of ${number(report.items)} items</h4>
${comparisonBody(report)}
${drifts}
${notes(report.notes)}`
}

export function evaluationHtml(report: EvaluationReport): Markup {
  return html`<h4>Evaluation</h4>
${evaluationTable(report)}
${notes(report.notes ?? [])}`
}

export function embedderStatsHtml(stats: EmbedderStats): Markup {
  const { memory, computeMs, tokenizeMs, queueMs: _, ...counts } = stats
  const times = { tokenizing: tokenizeMs, computing: computeMs }
  return html`<h4>Since the embedder was loaded</h4>
${facts([
  ...figures(counts, number),
  ...figures(times, (value) => formatted(value, 'milliseconds')),
  ...figures(memory, (value) => formatted(value, 'bytes'), 'memory: '),
])}`
}

/** The numbers of a record that are not zero. */
function figures(record: object, shown: (value: number) => string, prefix = '') {
  return Object.entries(record).flatMap(([name, value]): [string, string][] =>
    typeof value === 'number' && value > 0 ? [[`${prefix}${name}`, shown(value)]] : [],
  )
}

/** Chunks that are listed, drawn, and checked: a notebook is no place for thousands. */
const LISTED = 8
const DRAWN = 2000
const CHECKED = 5000

export function resultHtml(result: EmbeddingResult<Precision>): Markup {
  const { items, failures, stats } = result
  const quality = items.length <= CHECKED ? result.quality : undefined
  const codes = failures.map(({ id, error }) => [id, error.code])
  return html`<h4>${number(items.length)} chunks embedded${failures.length > 0 && `, ${number(failures.length)} failed`}</h4>
${runCards(stats)}
${items.length > 1 && mapHtml(items)}
${quality?.similarities && histogramSvg('Similarity of pairs (cosine)', quality.similarities.histogram)}
${chunkTable(items)}
${codes.length > 0 && html`<h4>Failures</h4>${table(['id', 'error'], codes.slice(0, LISTED))}`}
${quality && html`<details><summary>Soundness ${quality.score.toFixed(3)}</summary>${qualityHtml(quality)}</details>`}`
}

/** Results of several documents. */
export function documentsHtml(results: ReadonlyMap<string, EmbeddingResult<Precision>>): Markup {
  const rows = [...results].map(([id, { items, failures, stats }]) => [
    id,
    items.length,
    failures.length,
    stats.tokens,
  ])
  return html`<h4>${number(results.size)} documents</h4>
<div class="scroll">${table(['document', 'chunks', 'failed', 'tokens'], rows)}</div>`
}

function chunkTable(items: readonly EmbeddedChunk<Precision>[]): Markup {
  const rows = items
    .slice(0, LISTED)
    .map(({ id, embedding }) => [
      id,
      embedding.tokenCount,
      `${outputsOf(embedding)}${embedding.cached ? ', cached' : ''}`,
    ])
  const left = items.length - rows.length
  return html`${table(['id', 'tokens', 'outputs'], rows)}
${left > 0 && html`<p>and ${number(left)} more</p>`}`
}

function outputsOf({ dense, sparse, colbert }: EmbeddedChunk<Precision>['embedding']): string {
  return [
    dense && `dense ${dense.length}`,
    sparse && `sparse ${sparse.indices.length}`,
    colbert && `colbert ${colbert.rows} × ${colbert.cols}`,
  ]
    .filter(Boolean)
    .join(', ')
}

/** Two principal components, in colours of clusters. */
function mapHtml(items: readonly EmbeddedChunk<Precision>[]): Markup | null {
  const step = Math.ceil(items.length / DRAWN)
  const some = items.filter((item, i) => i % step === 0 && item.embedding.dense !== undefined)
  const vectors = some.map(({ embedding }) => unit(components(embedding.dense as Float32Array)))
  const cols = vectors[0]?.length ?? 0
  if (vectors.length < 2 || vectors.some((vector) => vector.length !== cols)) return null
  const data = new Float32Array(vectors.length * cols)
  vectors.forEach((vector, i) => {
    data.set(vector, i * cols)
  })
  if (!data.every(Number.isFinite)) return null
  const { scores, explained } = principalComponents({ data, rows: vectors.length, cols }, 8)
  const { labels } = mapClusters(scores)
  const share = (explained[0] ?? 0) + (explained[1] ?? 0)
  const points = some.map(({ id }, i) => ({
    x: scores.data[i * scores.cols] ?? 0,
    y: scores.cols > 1 ? (scores.data[i * scores.cols + 1] as number) : 0,
    name: id,
    group: labels[i] as number,
  }))
  return pointsSvg(
    `Two principal components, ${formatted(share, 'percent')} of the variance, by cluster`,
    points,
  )
}

function unit(values: ArrayLike<number>): Float32Array {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += (values[i] as number) ** 2
  const scale = sum > 0 ? 1 / Math.sqrt(sum) : 0
  return Float32Array.from({ length: values.length }, (_, i) => (values[i] as number) * scale)
}
