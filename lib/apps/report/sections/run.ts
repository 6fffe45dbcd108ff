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
${runCards(run)}
${charts.length > 0 && html`<div class="charts">${charts.map(figure)}</div>`}
${options(run)}`,
  }
}

export function runCards(run: RunReading): Markup {
  const { texts, tokens, failures, seconds, peakRssBytes, stages } = run
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
    ...(stages
      ? [
          {
            label: 'Computing',
            value: formatted(stages.computeMs, 'milliseconds'),
            note: `${formatted(stages.computeMs / 1000 / seconds, 'percent')} of the time; tokenizing ${formatted(stages.tokenizeMs, 'milliseconds')}`,
          },
        ]
      : []),
    ...(peakRssBytes ? [{ label: 'Peak memory', value: formatted(peakRssBytes, 'bytes') }] : []),
    ...(hitRate
      ? [
          {
            label: 'From the cache',
            value: formatted(hitRate, 'percent'),
            note: `${number(run.cached ?? 0)} texts`,
          },
        ]
      : []),
  ])
}

/** Of a run that was long enough for a line: a point is none. */
function runCharts({ timeline = [] }: RunReading): ChartSpec[] {
  if (timeline.length < 2) return []
  const charts = [
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
  ]
  if (timeline.some(({ cached = 0 }) => cached > 0)) {
    const rate = ({ cached = 0, texts }: RunSample) => (texts > 0 ? cached / texts : 0)
    charts.push(
      overTime(timeline, 'cache', 'Texts from the cache so far', 'share', 'percent', rate),
    )
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
    values,
    xFormat: 'seconds',
    yFormat,
  }
}

/** The options of the run by their names, but for those whose value is an object of its own. */
function options({ options = {} }: RunReading): Markup | null {
  const { outputs, ...others } = options
  const chosen = Object.entries(outputs ?? {}).flatMap(([name, isOn]) => (isOn ? [name] : []))
  const lines = Object.entries({ outputs: chosen.join(', '), ...others }).filter(
    ([, value]) => value !== '' && ['string', 'number', 'boolean'].includes(typeof value),
  )
  if (lines.length === 0) return null
  return html`<h3>Options</h3>${facts(lines.map(([name, value]) => [name, String(value)]))}`
}
