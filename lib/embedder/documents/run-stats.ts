/** Statistics of one call, gathered while it runs. */
import { clearInterval, setInterval } from '../../common/timers.js'
import type { BatchInfo, EmbeddedChunk, Precision, RunStats } from '../../common/types.js'

const SAMPLE_MS = 100

/** The most memory that the process has while work runs. */
export class PeakMemory {
  #peak = process.memoryUsage.rss()
  readonly #before = maxRss()
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS)
    this.#timer.unref()
  }

  /** Bytes. Exact when it is the most that the process ever had, else from ten samples a second. */
  stop(): number {
    clearInterval(this.#timer)
    this.#sample()
    const ever = maxRss()
    return ever > this.#before ? Math.max(ever, this.#peak) : this.#peak
  }

  #sample(): void {
    this.#peak = Math.max(this.#peak, process.memoryUsage.rss())
  }
}

function maxRss(): number {
  return process.resourceUsage().maxRSS * 1024
}

export interface RunParts {
  items: readonly EmbeddedChunk<Precision>[]
  failures: number
  batches: readonly BatchInfo[]
  seconds: number
  peakRssBytes: number
}

/** `computeMs` of a batch that was shared counts by this call's part of the tokens. */
export function runStats({ items, failures, batches, seconds, peakRssBytes }: RunParts): RunStats {
  let tokens = 0
  let cached = 0
  const stages = { tokenizeMs: 0, queueMs: 0, computeMs: 0 }
  for (const { embedding, timings } of items) {
    tokens += embedding.tokenCount
    if (embedding.cached) cached++
    stages.tokenizeMs += timings.tokenizeMs
    stages.queueMs += timings.queueMs
  }
  for (const batch of batches) {
    stages.computeMs += batch.computeMs * (batch.tokens / Math.max(1, batch.allTokens))
  }
  const divisor = Math.max(seconds, 1e-6)
  return {
    texts: items.length + failures,
    tokens,
    failures,
    cached,
    cacheHitRate: items.length === 0 ? 0 : cached / items.length,
    seconds,
    textsPerSecond: items.length / divisor,
    tokensPerSecond: tokens / divisor,
    peakRssBytes,
    stages,
  }
}
