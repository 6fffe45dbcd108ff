/** The metrics that are read when somebody asks. */

import type { Registry } from 'prom-client'
import { setImmediate } from '../../../common/timers.js'
import type { DriftReadings } from './drift.js'
import type { WireStats } from './wire.js'

type PromClient = typeof import('prom-client')

export interface Readings {
  stats: WireStats
  drift: Readonly<DriftReadings>
  engine: EngineReadings
  /** Absent where there is no re-ranker. */
  reranker: EngineReadings | undefined
}

interface EngineReadings {
  batches: number
  texts: number
  tokens: number
  failures: number
  computeMs: number
}

interface Reading {
  name: string
  help: string
  /** `undefined` while there is nothing to read. */
  value(readings: Readings): number | undefined
}

const GAUGES: readonly Reading[] = [
  {
    name: 'bge_m3_ready',
    help: '1 while the model is loaded and new work is taken.',
    value: ({ stats }) => Number(stats.state === 'ready'),
  },
  {
    name: 'bge_m3_queue_running',
    help: 'Requests with the embedder.',
    value: ({ stats }) => stats.queue.running,
  },
  {
    name: 'bge_m3_queue_depth',
    help: 'Requests that wait for their turn.',
    value: ({ stats }) => stats.queue.waiting,
  },
  {
    name: 'bge_m3_queue_capacity',
    help: 'Requests that may wait.',
    value: ({ stats }) => stats.queue.capacity,
  },
  {
    name: 'bge_m3_engine_pending_texts',
    help: 'Texts that wait or run in the engine.',
    value: ({ stats }) => stats.queue.pendingTexts,
  },
  {
    name: 'bge_m3_memory_resident_bytes',
    help: 'Resident memory of the process.',
    value: ({ stats }) => stats.memory.rss,
  },
  {
    name: 'bge_m3_memory_weights_bytes',
    help: 'Weights, of the re-ranker too.',
    value: ({ stats }) => stats.memory.weights,
  },
  {
    name: 'bge_m3_memory_context_bytes',
    help: 'Contexts, of the re-ranker too.',
    value: ({ stats }) => stats.memory.context,
  },
  {
    name: 'bge_m3_memory_heap_bytes',
    help: 'JavaScript heap in use.',
    value: ({ stats }) => stats.memory.heapUsed,
  },
  {
    name: 'bge_m3_cache_entries',
    help: 'Entries in the embedder’s cache.',
    value: ({ stats }) => stats.cache?.entries,
  },
  {
    name: 'bge_m3_cache_bytes',
    help: 'Bytes in the embedder’s cache.',
    value: ({ stats }) => stats.cache?.bytes,
  },
  {
    name: 'bge_m3_error_rate',
    help: 'Share of the requests of the last seconds that failed (refusals and hang-ups apart).',
    value: ({ stats: { throughput } }) =>
      throughput.requestsPerSecond > 0
        ? throughput.errorsPerSecond / throughput.requestsPerSecond
        : 0,
  },
  {
    name: 'bge_m3_drift_reference_norm_ratio',
    help: 'Mean length of the reference texts’ vectors over that at the start.',
    value: ({ drift }) => drift.normRatio,
  },
  {
    name: 'bge_m3_drift_reference_cosine',
    help: 'Smallest cosine of a reference text’s vector with that at the start.',
    value: ({ drift }) => drift.referenceCosine,
  },
  {
    name: 'bge_m3_drift_similarity_baseline',
    help: 'Mean of bge_m3_drift_similarity over the first 200 answers.',
    value: ({ drift }) => finite(drift.baseline),
  },
  {
    name: 'bge_m3_drift_similarity_recent',
    help: 'Mean of bge_m3_drift_similarity over about the last 100 answers.',
    value: ({ drift }) => finite(drift.recent),
  },
]

const COUNTERS: readonly Reading[] = [
  {
    name: 'bge_m3_engine_batches_total',
    help: 'Batches computed.',
    value: ({ engine }) => engine.batches,
  },
  {
    name: 'bge_m3_engine_texts_total',
    help: 'Texts computed; over batches, the mean size of a batch.',
    value: ({ engine }) => engine.texts,
  },
  {
    name: 'bge_m3_engine_tokens_total',
    help: 'Tokens computed.',
    value: ({ engine }) => engine.tokens,
  },
  {
    name: 'bge_m3_engine_failures_total',
    help: 'Texts the engine failed on.',
    value: ({ engine }) => engine.failures,
  },
  {
    name: 'bge_m3_engine_compute_seconds_total',
    help: 'Time in the engine.',
    value: ({ engine }) => engine.computeMs / 1000,
  },
  {
    name: 'bge_m3_reranker_batches_total',
    help: 'Batches of pairs computed by the re-ranker.',
    value: ({ reranker }) => reranker?.batches,
  },
  {
    name: 'bge_m3_reranker_pairs_total',
    help: 'Pairs computed by the re-ranker.',
    value: ({ reranker }) => reranker?.texts,
  },
  {
    name: 'bge_m3_reranker_tokens_total',
    help: 'Tokens computed by the re-ranker.',
    value: ({ reranker }) => reranker?.tokens,
  },
  {
    name: 'bge_m3_reranker_failures_total',
    help: 'Pairs the re-ranker failed on.',
    value: ({ reranker }) => reranker?.failures,
  },
  {
    name: 'bge_m3_reranker_compute_seconds_total',
    help: 'Time in the re-ranker.',
    value: ({ reranker }) => reranker && reranker.computeMs / 1000,
  },
  {
    name: 'bge_m3_cache_hits_total',
    help: 'Texts that the cache had.',
    value: ({ stats }) => stats.cache?.hits,
  },
  {
    name: 'bge_m3_cache_misses_total',
    help: 'Texts that the cache had not.',
    value: ({ stats }) => stats.cache?.misses,
  },
  {
    name: 'bge_m3_drift_checks_total',
    help: 'How often the reference texts were embedded again.',
    value: ({ drift }) => drift.checks,
  },
  {
    name: 'process_cpu_seconds_total',
    help: 'Processor time of the process.',
    value: () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1e6
    },
  },
]

/** Registers them all; `readings` is called once a scrape. */
export function gauges(
  Gauge: PromClient['Gauge'],
  Counter: PromClient['Counter'],
  registry: Registry,
  readings: () => Readings,
): void {
  const registers = [registry]
  let latest: Readings | undefined
  const read = () => {
    // one scrape collects all metrics in one go: what was read serves until the loop turns
    if (!latest) setImmediate(() => (latest = undefined))
    latest ??= readings()
    return latest
  }
  for (const { name, help, value } of GAUGES) {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const now = value(read())
        if (now === undefined) this.remove()
        else this.set(now)
      },
    })
  }
  for (const { name, help, value } of COUNTERS) {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(value(read()) ?? 0)
      },
    })
  }
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined
}
