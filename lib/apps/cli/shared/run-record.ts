/** A record of a run, for `--stats` and the report that reads it. */

import { writeFile } from 'node:fs/promises'
import { EmbedderError } from '../../../common/errors.js'
import { clearInterval, performance, setInterval } from '../../../common/timers.js'
import type { RunStats } from '../../../common/types.js'
import type { Embedder } from '../../../embedder/embedder.js'
import { type BatchReport, codeOf } from '../../../integrations/batch-report.js'
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
  /** Such as `load postgres`. */
  command: string
  /** ISO 8601. */
  startedAt: string
  /** Without the time that the model took to load. */
  seconds: number
  /** Until the model was there, in milliseconds. */
  loadMs: number
  /** Texts that are done, failed ones included. */
  texts: number
  /** Of texts that did not fail. */
  tokens: number
  failures: number
  /** With SQLSTATE where PostgreSQL refused them: `STORE 23514`. */
  failuresByCode: Record<string, number>
  /** Texts that were done by an earlier run. */
  skipped: number
  /** Texts that the engine tried again, and requests and statements of a store. */
  retries: number
  textsPerSecond: number
  tokensPerSecond: number
  /** Most memory the process has had, loading included. */
  peakRssBytes: number
  /** Texts that came from the cache, and their share of those that did not fail. */
  cached: number
  cacheHitRate: number
  /** Milliseconds: tokenizing and waiting summed over texts, computing over batches. */
  stages: RunStats['stages']
  /** Milliseconds by phase of batches, which run side by side: claiming, embedding, writing. Of loaders and workers. */
  phases?: Record<string, number>
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

type About = Pick<
  RunRecord,
  'command' | 'loadMs' | 'skipped' | 'retries' | 'interrupted' | 'model' | 'options'
>

export class RunRecorder {
  texts = 0
  tokens = 0
  failures = 0
  cached = 0
  readonly #stages = { tokenizeMs: 0, queueMs: 0 }
  readonly #codes: Record<string, number> = {}
  #phases: Record<string, number> | undefined
  #startedAt = new Date()
  #started = performance.now()
  #timeline: Sample[] = []
  #every = 1
  #ticks = 0
  readonly #timer: NodeJS.Timeout

  constructor(intervalMs = 1000) {
    this.#timer = setInterval(() => this.#tick(), intervalMs)
    this.#timer.unref()
  }

  /** The model is loaded: the work begins now. */
  restart(): void {
    this.#startedAt = new Date()
    this.#started = performance.now()
    this.#timeline = []
  }

  /** One text is done. */
  add(result: Done | EmbedderError): void {
    this.texts++
    if (result instanceof EmbedderError) {
      this.#fail(codeOf(result), 1)
      return
    }
    this.tokens += result.tokenCount
    this.shared(result)
  }

  /** A batch is done: counts its texts, whose embeddings `shared` was told of. */
  batch({ texts, tokens, failed, phases }: BatchReport): void {
    this.texts += texts
    this.tokens += tokens
    for (const [code, count] of Object.entries(failed)) this.#fail(code, count)
    this.#phases ??= {}
    for (const [name, ms] of Object.entries(phases)) {
      this.#phases[name] = (this.#phases[name] ?? 0) + ms
    }
  }

  /** What the engine says of a text: not a count of it. */
  shared(result: Done | EmbedderError): void {
    if (result instanceof EmbedderError) return
    const { cached, timings } = result
    if (cached) this.cached++
    this.#stages.tokenizeMs += timings?.tokenizeMs ?? 0
    this.#stages.queueMs += timings?.queueMs ?? 0
  }

  #fail(code: string, count: number): void {
    this.failures += count
    this.#codes[code] = (this.#codes[code] ?? 0) + count
  }

  get seconds(): number {
    return (performance.now() - this.#started) / 1000
  }

  /** Ends the sampling. @param computeMs of all batches, which several texts share */
  finish({ command, loadMs, ...about }: About, computeMs = 0): RunRecord {
    this.stop()
    this.#sample()
    const { seconds, texts, tokens, failures, cached } = this
    return {
      command,
      startedAt: this.#startedAt.toISOString(),
      seconds: round(seconds),
      loadMs: round(loadMs),
      texts,
      tokens,
      failures,
      failuresByCode: { ...this.#codes },
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
      ...(this.#phases && { phases: rounded(this.#phases) }),
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

const rounded = (phases: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(phases).map(([name, ms]) => [name, round(ms)]))

const round = (value: number) => Math.round(value * 1000) / 1000

/** What a record says of a model. */
export function describeModel({ info }: Pick<Embedder, 'info'>) {
  const { model: path, name, fingerprint, architecture, dimensions, threads, standin } = info
  return { model: { path, name, fingerprint, architecture, dimensions, standin }, threads }
}

/** Creates or empties the file, so that a path that cannot be written is known before the work. */
export async function openRunRecord(path: string): Promise<void> {
  await writeFile(path, '').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`Cannot write ${path} (${error.code}).`)
  })
}

export async function writeRunRecord(path: string, record: RunRecord): Promise<void> {
  await writeFile(path, `${JSON.stringify(record, null, 2)}\n`)
}
