/**
 * One call's way through the engine: check, cache, tokenize, wait for memory, compute. Every text ends
 * as an embedding or as its own error.
 */

import type { Asked, CachedOutputs, Limit } from '../cache/entry/types.js'
import { EmbedderError, QueueFullError } from '../common/errors.js'
import { withIndex } from '../common/item-errors.js'
import { type ProgressReporter, reportProgress } from '../common/progress.js'
import type { Embedding, Precision, Settled } from '../common/types.js'
import type { Engine } from '../engine/engine.js'
import type { Job } from '../engine/scheduler/job.js'
import type { Outcome } from '../engine/scheduler/outcome.js'
import {
  countAll,
  invalidText,
  type TokenizedText,
  tokenizeAll,
  tooLong,
  yieldToEventLoop,
} from '../engine/tokenize.js'
import { type CallOptions, outputBits } from './call-options.js'
import { checkFinite, embeddingOf, type RawOutputs } from './call-results.js'
import type { EmbedHooks } from './documents/core.js'

/** What a call needs of the cache. Arrays that it gives may be changed; those it gets, later, too. */
export interface TextCache {
  get(fingerprint: string, text: string, asked: Asked, limit: Limit): CachedOutputs | undefined
  set(fingerprint: string, text: string, outputs: CachedOutputs, limit: Limit): void
}

export interface Services {
  cache: TextCache | undefined
  /** Texts that may wait. */
  maxPending: number
  warn(message: string): void
  /** Whether a fallback will see to a text that failed like this. */
  mayBeRescued(error: EmbedderError): boolean
  /** Milliseconds that tokenizing took. */
  onTokenized(milliseconds: number): void
}

/** UTF-16 units of texts whose ids are kept from the check; more are tokenized again, piece by piece. */
const KEEP_UNITS = 16_000_000
/** Texts tokenized at a time, and tokens that wait for the engine, where ids are not kept. */
const WINDOW_TEXTS = 1024
const WINDOW_TOKENS = 64 * 1024
/** Bytes that an embedding takes beside its numbers. */
const OBJECT_BYTES = 700

type Tokenized = TokenizedText | EmbedderError

export interface EmbedCallOptions {
  /** The text is not one of an array: errors carry no index. */
  single?: boolean
  hooks?: EmbedHooks
  /** The texts are tokens already; the cache, which goes by text, is left alone. */
  ids?: readonly Int32Array[]
}

export class EmbedCall {
  readonly #engine: Engine
  readonly #texts: readonly unknown[]
  readonly #call: CallOptions
  readonly #services: Services
  readonly #hooks: EmbedHooks
  readonly #single: boolean
  readonly #ids: readonly Int32Array[] | undefined
  readonly #results: Settled<Embedding<Precision>>[]
  readonly #started = performance.now()
  #progress: ProgressReporter | undefined

  constructor(
    engine: Engine,
    texts: readonly unknown[],
    call: CallOptions,
    services: Services,
    { single = false, hooks = {}, ids }: EmbedCallOptions = {},
  ) {
    this.#engine = engine
    this.#texts = texts
    this.#call = call
    this.#services = services
    this.#single = single
    this.#hooks = hooks
    this.#ids = ids
    this.#results = new Array(texts.length)
  }

  /**
   * An embedding or an error per text. Without `collect`, nothing is computed when a text is bad: only
   * the bad ones have an entry then.
   */
  async run(): Promise<Settled<Embedding<Precision>>[]> {
    const call = this.#call
    this.#hooks.onModel?.(this.#engine.prepared.fingerprint)
    const misses = await this.#lookUp()
    const { kept, lengths } = await this.#check(misses)
    const good = misses.filter((index) => lengths.has(index))
    const { mayBeRescued } = this.#services
    const isRefused = this.#results.some(
      (result) => result instanceof EmbedderError && !mayBeRescued(result),
    )
    if (isRefused && !call.collect) return withoutEmbeddings(this.#results)
    this.#startProgress(lengths)
    if (good.length === 0) return this.#results

    const { scheduler, memory } = this.#engine
    this.#refuseIfFull(scheduler.pending, good.length)
    const release = await memory.admit(this.#needs(good, lengths), call.signal)
    try {
      await this.#compute(good, kept)
      this.#progress?.finish()
    } finally {
      release()
    }
    return this.#results
  }

  /** Fills in what the cache has; gives the positions of texts that are left, and refuses non-texts. */
  async #lookUp(): Promise<number[]> {
    const { cache } = this.#services
    const call = this.#call
    const { fingerprint } = this.#engine.prepared
    if (this.#ids) return this.#ids.map((_, index) => index)
    const misses: number[] = []
    for (let index = 0; index < this.#texts.length; index++) {
      const text = this.#texts[index]
      const invalid = invalidText(text, this.#single ? undefined : index)
      if (invalid) {
        this.#results[index] = invalid
        continue
      }
      const found =
        cache && call.cached
          ? cache.get(fingerprint, text as string, call.outputs, call)
          : undefined
      if (found) this.#results[index] = this.#fromCache(found)
      else misses.push(index)
      if (index % 64 === 63) {
        call.signal?.throwIfAborted()
        await yieldToEventLoop()
      }
    }
    return misses
  }

  #fromCache(found: RawOutputs): Embedding<Precision> {
    const totalMs = performance.now() - this.#started
    const timings = { tokenizeMs: 0, queueMs: 0, computeMs: 0, totalMs }
    return embeddingOf(found, this.#call, { cached: true, timings })
  }

  /** Tokens of each text that can be computed, and their ids where all of them fit into memory. */
  async #check(
    misses: readonly number[],
  ): Promise<{ kept: readonly Tokenized[] | undefined; lengths: Map<number, number> }> {
    const { signal, maxTokens } = this.#call
    const { model, memory } = this.#engine
    const lengths = new Map<number, number>()
    let units = 0
    if (!this.#ids) for (const index of misses) units += (this.#texts[index] as string).length
    const started = performance.now()
    let kept: readonly Tokenized[] | undefined
    let counts: readonly (number | EmbedderError)[] | undefined
    if (units <= KEEP_UNITS) kept = await this.#tokenize(misses)
    else {
      counts = await countAll(model, this.#texts, this.#single, { signal, positions: misses })
      this.#services.onTokenized(performance.now() - started)
    }
    for (const index of misses) {
      const label = this.#single ? undefined : index
      const found = (kept ?? counts)?.[index] as Tokenized | number
      if (found instanceof EmbedderError) {
        this.#results[index] = found
        continue
      }
      let tokens = typeof found === 'number' ? found : found.ids.length
      if (tokens > maxTokens) {
        if (this.#call.truncate === 'error') {
          this.#results[index] = tooLong(tokens, maxTokens, label)
          continue
        }
        tokens = maxTokens
      }
      if (memory.fits(tokens)) lengths.set(index, tokens)
      else this.#results[index] = memory.refusal(tokens, label)
    }
    return { kept, lengths }
  }

  async #tokenize(positions: readonly number[]): Promise<Tokenized[]> {
    const { maxTokens, truncate, signal } = this.#call
    if (this.#ids) return this.#ids.map((ids) => cut(ids, maxTokens, truncate))
    const started = performance.now()
    const options = { maxTokens, truncate, signal, positions }
    const found = await tokenizeAll(this.#engine.model, this.#texts, options, this.#single)
    this.#services.onTokenized(performance.now() - started)
    return found
  }

  #refuseIfFull(pending: number, more: number): void {
    const { maxPending } = this.#services
    if (pending + more <= maxPending) return
    throw new QueueFullError(
      `${pending} texts wait already, and this call has ${more}; maxPending is ${maxPending}. Try again later, or use embedStream.`,
    )
  }

  /** What the results of these texts will take, with their token ids. */
  #needs(
    good: readonly number[],
    lengths: ReadonlyMap<number, number>,
  ): { results: number; longest: number } {
    const { dim, outputs } = this.#call
    let results = good.length * (OBJECT_BYTES + (outputs.dense ? dim * 4 : 0))
    let longest = 0
    let tokens = 0
    for (const index of good) {
      const length = lengths.get(index) as number
      tokens += length
      longest = Math.max(longest, length)
    }
    if (outputs.sparse) results += tokens * 8
    if (outputs.colbert) results += tokens * dim * 4
    return { results: results + tokens * 4, longest }
  }

  async #compute(good: readonly number[], kept: readonly Tokenized[] | undefined): Promise<void> {
    const { scheduler } = this.#engine
    const { outputs, priority, signal } = this.#call
    const texts = new Map<number, TokenizedText>()
    const job = scheduler.open(
      {
        outputs: outputBits(outputs),
        priority,
        onOutcome: (index, outcome) => {
          const text = texts.get(index) as TokenizedText
          texts.delete(index)
          this.#settle(index, text, outcome)
        },
        onBatch: this.#hooks.onBatch && ((batch, indices) => this.#hooks.onBatch?.(batch, indices)),
      },
      signal,
    )
    const add = (index: number, text: TokenizedText) => {
      texts.set(index, text)
      scheduler.add(job, index, text.ids)
    }
    if (kept) {
      for (const index of good) add(index, kept[index] as TokenizedText)
      scheduler.start(job)
      return job.end()
    }
    return this.#feed(job, good, add)
  }

  /** Tokenizes beside the engine, a window ahead of it, so that ids of a large array never pile up. */
  async #feed(
    job: Job,
    good: readonly number[],
    add: (index: number, text: TokenizedText) => void,
  ): Promise<void> {
    const { scheduler } = this.#engine
    try {
      for (let from = 0; from < good.length && !job.cancelled; from += WINDOW_TEXTS) {
        const window = good.slice(from, from + WINDOW_TEXTS)
        const found = await this.#tokenize(window)
        for (const index of window) add(index, found[index] as TokenizedText)
        scheduler.start(job)
        await job.room(WINDOW_TOKENS)
      }
    } catch (error) {
      scheduler.cancel(job, error)
    }
    await job.end()
  }

  #settle(index: number, text: TokenizedText, outcome: Outcome): void {
    if ('error' in outcome) {
      this.#deliver(index, withIndex(outcome.error, this.#single ? undefined : index), text)
      return
    }
    checkFinite(outcome.pooled)
    const { cache } = this.#services
    const raw: RawOutputs = {
      tokenCount: text.ids.length,
      truncated: text.truncated,
      pooled: outcome.pooled,
      ...(outcome.sparse && { sparse: outcome.sparse }),
      ...(outcome.colbert && { colbert: outcome.colbert }),
    }
    const { fingerprint } = this.#engine.prepared
    if (cache && this.#call.cached && !this.#ids) {
      cache.set(fingerprint, this.#texts[index] as string, raw, this.#call)
    }
    const { tokenizeMs } = text
    const { queueMs, computeMs } = outcome
    const totalMs = performance.now() - this.#started
    const timings = { tokenizeMs, queueMs, computeMs, totalMs }
    this.#deliver(index, embeddingOf(raw, this.#call, { cached: false, timings }), text)
  }

  #deliver(index: number, result: Settled<Embedding<Precision>>, text: TokenizedText): void {
    this.#results[index] = result
    this.#progress?.(text.ids.length)
    this.#hooks.onResult?.(index, result)
  }

  /** Texts from the cache, and bad ones among collected results, are done when the work begins. */
  #startProgress(lengths: ReadonlyMap<number, number>): void {
    const { onProgress } = this.#call
    const { warn } = this.#services
    const onThrow = (error: unknown) =>
      warn(`onProgress threw: ${(error as Error)?.name ?? typeof error}`)
    let totalTokens = 0
    for (const tokens of lengths.values()) totalTokens += tokens
    for (const result of this.#results) {
      if (result && !(result instanceof EmbedderError)) totalTokens += result.tokenCount
    }
    this.#progress = reportProgress(onProgress, this.#texts.length, onThrow, { totalTokens })
    this.#results.forEach((result, index) => {
      this.#progress?.(result instanceof EmbedderError ? 0 : result.tokenCount)
      this.#hooks.onResult?.(index, result)
    })
  }
}

/** The first tokens and the last, which ends every text. */
function cut(ids: Int32Array, maxTokens: number, truncate: 'error' | 'end'): TokenizedText {
  const truncated = truncate === 'end' && ids.length > maxTokens
  if (!truncated) return { ids, truncated, tokenizeMs: 0 }
  const kept = ids.slice(0, maxTokens)
  kept[maxTokens - 1] = ids.at(-1) as number
  return { ids: kept, truncated, tokenizeMs: 0 }
}

/** A call that was refused computed nothing, so it gives nothing. */
function withoutEmbeddings<T>(results: readonly (T | EmbedderError)[]): (T | EmbedderError)[] {
  const errors: (T | EmbedderError)[] = new Array(results.length)
  results.forEach((result, index) => {
    if (result instanceof EmbedderError) errors[index] = result
  })
  return errors
}
