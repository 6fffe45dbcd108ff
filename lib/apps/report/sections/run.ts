/** How a run went: rates, memory and cache over time, and where the time went. */

import { cards, facts, figure } from '../html/fragments.js'
import { html, type Markup } from '../html/markup.js'
import type { ChartSpec, LineSpec, NumberFormat } from '../shared/data.js'
import { formatted, number } from '../shared/format.js'
import type { RunReading, RunSample } from '../shared/run.js'
import type { Section } from './section.js'

export function runSection(run: RunReading): Section {
  const charts = runCharts(run)
  return {
    id: 'run',
    title: 'Run',
    charts,
    content: html`${run.interrupted && html`<p class="warning">The run was interrupted: it had not come to the end of its input.</p>`}
${run.model?.standin === true && html`<p class="warning">The model is a stand-in with random weights: its embeddings mean nothing.</p>`}
${runCards(run)}
<div class="charts">${charts.map(figure)}</div>
${about('Model', run.model)}
${about('Options', run.options)}`,
  }
}

export function runCards(run: RunReading): Markup {
  const { texts, tokens, failures, seconds, peakRssBytes } = run
  const hitRate =
    run.cacheHitRate ?? (run.cached !== undefined && texts > 0 ? run.cached / texts : undefined)
  return cards([
    {
      label: 'Texts',
      value: number(texts),
      note: failures > 0 ? `${number(failures)} failed` : 'none failed',
    },
    {
      label: 'Tokens',
      value: number(tokens),
      note: `${number(tokens / Math.max(1, texts - failures))} a text`,
    },
    {
      label: 'Time',
      value: formatted(seconds, 'seconds'),
      ...(run.startedAt && {
        note: `from ${run.startedAt.replace('T', ' ').replace(/\..*/, '')} UTC`,
      }),
    },
    {
      label: 'Tokens per second',
      value: number(run.tokensPerSecond),
      note: `${number(run.textsPerSecond)} texts per second`,
    },
    ...(peakRssBytes ? [{ label: 'Peak memory', value: formatted(peakRssBytes, 'bytes') }] : []),
    ...(hitRate === undefined
      ? []
      : [
          {
            label: 'From the cache',
            value: formatted(hitRate, 'percent'),
            note: `${number(run.cached ?? 0)} texts`,
          },
        ]),
  ])
}

export function runCharts(run: RunReading): ChartSpec[] {
  const timeline = run.timeline ?? []
  const charts: ChartSpec[] = []
  if (timeline.length > 0) {
    charts.push(
      overTime(
        timeline,
        'tokens',
        'Tokens per second',
        'tokens/s',
        'number',
        (s) => s.tokensPerSecond,
      ),
      overTime(timeline, 'texts', 'Texts per second', 'texts/s', 'number', (s) => s.textsPerSecond),
      overTime(timeline, 'memory', 'Resident memory', 'memory', 'bytes', (s) => s.rssBytes),
    )
    if (timeline.some(({ cached }) => cached !== undefined)) {
      const rate = ({ cached = 0, texts }: RunSample) => (texts > 0 ? cached / texts : 0)
      charts.push(
        overTime(timeline, 'cache', 'Texts from the cache so far', 'share', 'percent', rate),
      )
    }
  }
  if (run.stages) {
    const { tokenizeMs, queueMs, computeMs } = run.stages
    charts.push({
      kind: 'bars',
      id: 'stages',
      title: 'Where the time went (tokenize and wait: of texts; compute: of batches)',
      summary: 'Tokenizing and waiting are summed over texts, computing over batches.',
      xLabel: 'time, summed',
      yLabel: '',
      categories: ['tokenize', 'wait', 'compute'],
      series: [{ name: '', values: [tokenizeMs, queueMs, computeMs] }],
      horizontal: true,
      format: 'milliseconds',
    })
  }
  return charts
}

function overTime(
  timeline: readonly RunSample[],
  id: string,
  title: string,
  yLabel: string,
  yFormat: NumberFormat,
  read: (sample: RunSample) => number,
): LineSpec {
  const values = timeline.map(read)
  const last = formatted(values.at(-1) ?? 0, yFormat)
  const most = formatted(Math.max(...values), yFormat)
  return {
    kind: 'line',
    id: `run-${id}`,
    title,
    summary: `At most ${most}, ${last} at the end.`,
    xLabel: 'time',
    yLabel,
    x: timeline.map(({ seconds }) => seconds),
    series: [{ name: '', values }],
    xFormat: 'seconds',
    yFormat,
  }
}

function about(
  title: string,
  record: Readonly<Record<string, unknown>> | undefined,
): Markup | null {
  const lines = Object.entries(record ?? {}).flatMap(([name, value]): [string, string][] => {
    if (value === null || value === undefined) return []
    return [[name, typeof value === 'object' ? JSON.stringify(value) : String(value)]]
  })
  return lines.length === 0 ? null : html`<h3>${title}</h3>${facts(lines)}`
}
