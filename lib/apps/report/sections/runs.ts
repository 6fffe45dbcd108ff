/** Runs side by side: what they did, how fast, and where the time went. */

import { figure, scrolled, table } from '../html/fragments.js'
import { html } from '../html/markup.js'
import type { BarsSpec, NumberFormat } from '../shared/data.js'
import { formatted, number } from '../shared/format.js'
import type { NamedRun, RunReading } from '../shared/run.js'
import type { Section } from './section.js'

interface Row {
  name: string
  read(run: RunReading): string | number | undefined
  format?: NumberFormat
  /** Shown beside later runs: over the first one's. */
  hasRatio?: boolean
}

const ROWS: readonly Row[] = [
  { name: 'Command', read: ({ command }) => command },
  { name: 'Began', read: ({ startedAt }) => startedAt?.replace('T', ' ').replace(/\..*/, ' UTC') },
  { name: 'Model', read: ({ model }) => model?.name },
  { name: 'Fingerprint', read: ({ model }) => model?.fingerprint },
  { name: 'Interrupted', read: ({ interrupted }) => (interrupted ? 'yes' : undefined) },
  { name: 'Texts', read: ({ texts }) => texts, format: 'number' },
  { name: 'Done by an earlier run', read: ({ skipped }) => skipped, format: 'number' },
  { name: 'Failed', read: ({ failures }) => failures, format: 'number' },
  { name: 'Failed, by code', read: ({ failuresByCode = {} }) => countsOf(failuresByCode) },
  { name: 'Tried again', read: ({ retries }) => retries, format: 'number' },
  { name: 'Tokens', read: ({ tokens }) => tokens, format: 'number' },
  { name: 'From the cache', read: ({ cacheHitRate }) => cacheHitRate, format: 'percent' },
  { name: 'Loading the model', read: ({ loadMs }) => loadMs, format: 'milliseconds' },
  { name: 'Time', read: ({ seconds }) => seconds, format: 'seconds', hasRatio: true },
  {
    name: 'Tokens per second',
    read: ({ tokensPerSecond }) => tokensPerSecond,
    format: 'number',
    hasRatio: true,
  },
  {
    name: 'Texts per second',
    read: ({ textsPerSecond }) => textsPerSecond,
    format: 'number',
    hasRatio: true,
  },
  { name: 'Computing', read: ({ stages }) => stages?.computeMs, format: 'milliseconds' },
  { name: 'Tokenizing', read: ({ stages }) => stages?.tokenizeMs, format: 'milliseconds' },
  {
    name: 'Peak memory',
    read: ({ peakRssBytes }) => peakRssBytes,
    format: 'bytes',
    hasRatio: true,
  },
]

/** @param runs at least two; the first is what the others are held against */
export function runsSection(runs: readonly NamedRun[]): Section {
  const readings = runs.map(({ run }) => run)
  const phases = [...new Set(readings.flatMap(({ phases = {} }) => Object.keys(phases)))]
  const ofPhases = phases.map((phase): Row => {
    const read = ({ phases = {} }: RunReading) => phases[phase]
    return { name: `Batches: ${phase.replace(/Ms$/, '')}`, read, format: 'milliseconds' }
  })
  const ofOptions = optionNames(readings).map((option): Row => {
    const read = ({ options = {} }: RunReading) => shownOption(options[option])
    return { name: `Option ${option}`, read }
  })
  const rows = [...ROWS, ...ofPhases, ...ofOptions].flatMap((row) => cellsOf(row, readings))
  const charts = [rates(runs)]
  const content = table(['', ...runs.map(({ name }) => name)], rows, { rowHeads: true })
  return {
    id: 'runs',
    title: 'Runs side by side',
    charts,
    content: html`<p>Ratios are over ${runs[0]?.name ?? ''}.</p>
${scrolled('Runs side by side', content)}
<div class="charts">${charts.map(figure)}</div>`,
  }
}

/** A line of the table; none where no run has anything to say. */
function cellsOf({ name, read, format, hasRatio }: Row, runs: readonly RunReading[]): string[][] {
  const values = runs.map(read)
  if (values.every((value) => value === undefined || value === '')) return []
  const [first] = values
  const cells = values.map((value, i) => {
    if (value === undefined || value === '') return '–'
    if (typeof value === 'string') return value
    const shown = formatted(value, format ?? 'number')
    if (!hasRatio || i === 0 || typeof first !== 'number' || first === 0) return shown
    return `${shown} (× ${number(value / first)})`
  })
  return [[name, ...cells]]
}

function countsOf(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([code, count]) => `${code}: ${number(count)}`)
    .join(', ')
}

/** Options that differ: what all runs have is no news. */
function optionNames(runs: readonly RunReading[]): string[] {
  const names = new Set(runs.flatMap(({ options = {} }) => Object.keys(options)))
  return [...names].filter((name) => {
    const shown = runs.map(({ options = {} }) => shownOption(options[name]))
    return new Set(shown).size > 1
  })
}

function shownOption(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'object') return String(value)
  const on = Object.entries(value).flatMap(([name, isOn]) => (isOn === true ? [name] : []))
  return on.join(', ')
}

function rates(runs: readonly NamedRun[]): BarsSpec {
  const values = runs.map(({ run }) => run.tokensPerSecond)
  const best = runs[values.indexOf(Math.max(...values))]
  return {
    kind: 'bars',
    id: 'runs-tokens',
    title: 'Tokens per second',
    summary: `The most has ${best?.name ?? ''}: ${number(Math.max(...values))}.`,
    xLabel: 'run',
    yLabel: 'tokens/s',
    categories: runs.map(({ name }) => name),
    series: [{ name: '', values }],
    format: 'number',
  }
}
