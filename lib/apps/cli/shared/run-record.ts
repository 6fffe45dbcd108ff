/** A record of a run, for `embed --stats` and the report that reads it. */

import { writeFile } from 'node:fs/promises'
import { clearInterval, performance, setInterval } from '../../../common/timers.js'
import type { RunStats } from '../../../common/types.js'
import { UsageError } from './errors.js'

export interface Sample {
  /** Since the start. */
  seconds: number
  texts: number
  tokens: number
  /** Rates since the sample before. */
  textsPerSecond: number
  tokensPerSecond: number
  rssBytes: number
  /** Texts that came from the cache, so far. */
  cached: number
}

export interface RunRecord {
  /** ISO 8601. */
  startedAt: string
  seconds: number
  /** Texts that are done, failed ones included. */
  texts: number
  /** Of texts that did not fail. */
  tokens: number
  failures: number
  textsPerSecond: number
  tokensPerSecond: number
  /** Most memory the process has had, loading included. */
  peakRssBytes: number
  /** Texts that came from the cache, and their share of those that did not fail. */
  cached: number
  cacheHitRate: number
  /** Milliseconds: tokenizing and waiting summed over texts, computing over batches. */
  stages: RunStats['stages']
  /** Whether the run ended before its input did. */
  interrupted: boolean
  model: Readonly<Record<string, unknown>>
  options: Readonly<Record<string, unknown>>
  /** A sample a second; in a long run every other one is dropped as often as needed. */
  timeline: Sample[]
}

const MAX_SAMPLES = 3600

/** What a record takes of an embedding. */
export interface Done {
  tokenCount: number
  cached?: boolean
  timings?: { tokenizeMs: number; queueMs: number }
}

export class RunRecorder {
  texts = 0
  tokens = 0
  failures = 0
  cached = 0
  readonly #stages = { tokenizeMs: 0, queueMs: 0 }
  readonly #startedAt = new Date()
  readonly #started = performance.now()
  #timeline: Sample[] = []
  #every = 1
  #ticks = 0
  readonly #timer: NodeJS.Timeout

  constructor(intervalMs = 1000) {
    this.#timer = setInterval(() => this.#tick(), intervalMs)
    this.#timer.unref()
  }

  /** One text is done. @param result `undefined` if it failed */
  add(result: Done | undefined): void {
    this.texts++
    if (result === undefined) {
      this.failures++
      return
    }
    const { tokenCount, cached, timings } = result
    this.tokens += tokenCount
    if (cached) this.cached++
    this.#stages.tokenizeMs += timings?.tokenizeMs ?? 0
    this.#stages.queueMs += timings?.queueMs ?? 0
  }

  get seconds(): number {
    return (performance.now() - this.#started) / 1000
  }

  /** Ends the sampling. @param computeMs of all batches, which several texts share */
  finish(about: Pick<RunRecord, 'interrupted' | 'model' | 'options'>, computeMs = 0): RunRecord {
    this.stop()
    this.#sample()
    const { seconds, texts, tokens, failures, cached } = this
    return {
      startedAt: this.#startedAt.toISOString(),
      seconds: round(seconds),
      texts,
      tokens,
      failures,
      textsPerSecond: round(texts / seconds),
      tokensPerSecond: round(tokens / seconds),
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
      cached,
      cacheHitRate: round(cached / Math.max(1, texts - failures)),
      stages: {
        tokenizeMs: round(this.#stages.tokenizeMs),
        queueMs: round(this.#stages.queueMs),
        computeMs: round(computeMs),
      },
      ...about,
      timeline: this.#timeline,
    }
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    this.#ticks++
    if (this.#ticks % this.#every === 0) this.#sample()
    if (this.#timeline.length < MAX_SAMPLES) return
    this.#every *= 2
    this.#timeline = merged(this.#timeline)
  }

  #sample(): void {
    const { seconds, texts, tokens, cached } = this
    const rssBytes = process.memoryUsage.rss()
    this.#timeline.push(since(this.#timeline.at(-1), { seconds, texts, tokens, rssBytes, cached }))
  }
}

type Reading = Omit<Sample, 'textsPerSecond' | 'tokensPerSecond'>

/** Every second sample, its rates over the two that it stands for. */
function merged(timeline: readonly Sample[]): Sample[] {
  const kept: Sample[] = []
  for (let i = 1; i < timeline.length; i += 2) {
    kept.push(since(kept.at(-1), timeline[i] as Sample))
  }
  return kept
}

function since(before: Reading | undefined, now: Reading): Sample {
  const { seconds, texts, tokens, rssBytes, cached } = now
  const span = Math.max(seconds - (before?.seconds ?? 0), 1e-3)
  return {
    seconds: round(seconds),
    texts,
    tokens,
    textsPerSecond: round((texts - (before?.texts ?? 0)) / span),
    tokensPerSecond: round((tokens - (before?.tokens ?? 0)) / span),
    rssBytes,
    cached,
  }
}

const round = (value: number) => Math.round(value * 1000) / 1000

/** Creates or empties the file, so that a path that cannot be written is known before the work. */
export async function openRunRecord(path: string): Promise<void> {
  await writeFile(path, '').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`Cannot write ${path} (${error.code}).`)
  })
}

export async function writeRunRecord(path: string, record: RunRecord): Promise<void> {
  await writeFile(path, `${JSON.stringify(record, null, 2)}\n`)
}
