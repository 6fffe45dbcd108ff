/** The readings of `GET /stats`. */

import type { EmbedderInfo, EmbedderStats } from '../../common/types.js'
import type { RerankerStats } from '../../embedder/reranker.js'
import type { LoadedReranker } from './core/context.js'
import type { Gate } from './core/limits.js'
import type { ServerMetrics } from './core/metrics.js'
import type { WireStats } from './core/wire.js'

interface StatsSources {
  state: WireStats['state']
  startedAt: number
  gate: Pick<Gate, 'readings'>
  metrics: ServerMetrics
  /** Both `undefined` until the model is loaded. */
  info: EmbedderInfo | undefined
  engine: EmbedderStats | undefined
  reranker: LoadedReranker | undefined
}

export function readStats({
  state,
  startedAt,
  gate,
  metrics,
  info,
  engine,
  reranker,
}: StatsSources): WireStats {
  const { running, waiting, concurrency, capacity } = gate.readings
  const { recent, totals } = metrics
  const sums = recent.sums
  const uptimeSeconds = (Date.now() - startedAt) / 1000
  // a server that has just begun divides by what there was
  const scorer = reranker?.model.stats()
  const seconds = Math.max(1, Math.min(recent.seconds, uptimeSeconds))
  const cache = cacheOf(engine)
  const each = (sum: number) => (sums.texts > 0 ? sum / sums.texts : 0)
  const [p50Ms = 0, p90Ms = 0, p99Ms = 0] = recent.percentiles(0.5, 0.9, 0.99)
  return {
    state,
    uptimeSeconds,
    ...(info && { model: modelOf(info) }),
    ...(reranker && scorer && { reranker: rerankerOf(reranker, scorer) }),
    throughput: {
      seconds: recent.seconds,
      requestsPerSecond: sums.requests / seconds,
      textsPerSecond: sums.texts / seconds,
      tokensPerSecond: sums.tokens / seconds,
      errorsPerSecond: sums.errors / seconds,
    },
    totals: { ...totals },
    queue: {
      running,
      concurrency,
      waiting,
      capacity,
      pendingTexts: engine?.pending ?? 0,
      waitMs: { mean: sums.waits > 0 ? sums.waitMs / sums.waits : 0, max: sums.maxWaitMs },
    },
    memory: {
      rss: engine?.memory.rss ?? process.memoryUsage.rss(),
      weights: (engine?.memory.weights ?? 0) + (scorer?.memory.weights ?? 0),
      context: (engine?.memory.context ?? 0) + (scorer?.memory.context ?? 0),
      heapUsed: process.memoryUsage().heapUsed,
      ...(engine?.memory.limit && { limit: engine.memory.limit }),
    },
    ...(cache && { cache }),
    stages: {
      tokenizeMs: each(sums.stages.tokenizeMs),
      queueMs: each(sums.stages.queueMs),
      computeMs: each(sums.stages.computeMs),
      totalMs: each(sums.stages.totalMs),
    },
    latency: { p50Ms, p90Ms, p99Ms },
  }
}

/** The embedder's cache; what is on disk counts as hits, too. */
function cacheOf(engine: EmbedderStats | undefined): WireStats['cache'] {
  const cache = engine?.cache
  if (!cache) return undefined
  const { hits, misses, hitRate } = cache
  const { entries, bytes, maxBytes } = cache.memory
  return { hits, misses, hitRate, entries, bytes, limit: maxBytes }
}

function rerankerOf(
  { info }: LoadedReranker,
  { texts, tokens, pending }: RerankerStats,
): NonNullable<WireStats['reranker']> {
  const { name, fingerprint, architecture, layers, maxTokens } = info
  return {
    name,
    fingerprint,
    architecture,
    layers,
    maxTokens,
    pairs: texts,
    tokens,
    pendingPairs: pending,
  }
}

function modelOf(info: EmbedderInfo): NonNullable<WireStats['model']> {
  const { name, fingerprint, architecture, dimensions, layers, maxTokens } = info
  const { threads, isa, outputs } = info
  return {
    name,
    fingerprint,
    architecture,
    dimensions,
    layers,
    maxTokens,
    threads,
    isa,
    outputs,
  }
}
