/** What the dashboard shows of the server's readings, which count and time what embeds. */
import type { WireStats } from '../../core/wire.js'
import { bytes, count, duration, percent } from './format.js'

export interface Chart {
  name: string
  /** What the upper edge stands for at least, so that noise near zero stays small. */
  top: number
  /** Undefined when the server has none. */
  read(stats: WireStats): number | undefined
  format(value: number): string
}

export const CHARTS: readonly Chart[] = [
  {
    name: 'Texts a second',
    top: 1,
    read: ({ throughput }) => throughput.textsPerSecond,
    format: count,
  },
  {
    name: 'Tokens a second',
    top: 100,
    read: ({ throughput }) => throughput.tokensPerSecond,
    format: count,
  },
  {
    name: 'Texts in the queue',
    top: 4,
    read: ({ queue }) => queue.pendingTexts,
    format: count,
  },
  {
    name: 'Memory',
    top: 1,
    read: ({ memory }) => memory.rss,
    format: bytes,
  },
  {
    name: 'Cache hit rate',
    top: 1,
    read: ({ cache }) => cache?.hitRate,
    format: percent,
  },
]

interface Fact {
  name: string
  read(stats: WireStats): string
}

const ms = (value: number) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`

/** Times of the last seconds; none when no text was embedded in them. */
function times({ throughput }: WireStats, ...values: readonly number[]): string {
  return throughput.textsPerSecond > 0 ? values.map(ms).join(', ') : '–'
}

export const FACTS: readonly Fact[] = [
  {
    name: 'State, up for',
    read: ({ state, uptimeSeconds }) => `${state}, ${duration(uptimeSeconds)}`,
  },
  { name: 'Requests', read: ({ totals }) => count(totals.requests) },
  {
    name: 'Texts, tokens',
    read: ({ totals }) => `${count(totals.texts)}, ${count(totals.tokens)}`,
  },
  {
    name: 'Running, waiting',
    read: ({ queue }) =>
      `${queue.running} of ${queue.concurrency}, ${queue.waiting} of ${queue.capacity}`,
  },
  {
    name: 'Latency p50, p99',
    read: (stats) => times(stats, stats.latency.p50Ms, stats.latency.p99Ms),
  },
  {
    name: 'Wait: mean, longest',
    read: (stats) => times(stats, stats.queue.waitMs.mean, stats.queue.waitMs.max),
  },
  {
    name: 'A text: queue, compute',
    read: (stats) => times(stats, stats.stages.queueMs, stats.stages.computeMs),
  },
  {
    name: 'Weights, context',
    read: ({ memory }) => `${bytes(memory.weights)}, ${bytes(memory.context)}`,
  },
  {
    name: 'Cache',
    read: ({ cache }) =>
      cache ? `${count(cache.entries)} texts, ${bytes(cache.bytes)}` : 'switched off',
  },
  {
    name: 'Errors, refusals',
    read: ({ totals }) => `${count(totals.errors)}, ${count(totals.refused)}`,
  },
]
