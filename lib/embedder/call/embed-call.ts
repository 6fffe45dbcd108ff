/**
 * One call's way through the engine: check, cache, tokenize, wait for memory, compute. Every text ends
 * as an embedding or as its own error.
 */

import { throwIfAborted } from '../../common/abort.js'
import { EmbedderError, InferenceError, QueueFullError } from '../../common/errors.js'
import { isModelFailure, withIndex } from '../../common/item-errors.js'
import { type ProgressReporter, reportProgress } from '../../common/progress.js'
import { nameOf } from '../../common/realms.js'
import { performance } from '../../common/timers.js'
import type { Embedding, Precision, Settled } from '../../common/types.js'
import type { Engine } from '../../engine/engine.js'
import { OBJECT_BYTES } from '../../engine/estimate/estimate.js'
import type { Job, JobCaller } from '../../engine/scheduler/job.js'
import type { Outcome, TextResult } from '../../engine/scheduler/outcome.js'
import {
  countAll,
  invalidText,
  type TokenizedText,
  tokenizeAll,
  tooLong,
  yieldToEventLoop,
} from '../../engine/tokenize.js'
import { fingerprintWith } from '../../model/fingerprint.js'
import { promptText } from '../../model/prompts.js'
import { Output } from '../../native/addon.js'
import { embeddingOf, type TextOutputs } from '../../outputs/embedding.js'
import { type CallOptions, checkAgainstModel, outputBits } from './call-options.js'
import type { CallExtras } from './embed-core.js'
import { withPrompt } from './with-prompt.js'

/** UTF-16 units of texts whose ids are kept from the check; more are tokenized again, piece by piece. */
const KEEP_UNITS = 16_000_000
/** Texts tokenized at a time, and tokens that wait for the engine, where ids are not kept. */
const WINDOW_TEXTS = 1024
const WINDOW_TOKENS = 64 * 1024

/** Texts looked up in the cache at a time. */
const LOOK_UPS = 64

/** Of a call that the cache answers whole. */
const NO_LENGTHS = new Uint32Array()
const NO_FLAGS = new Uint8Array()
const NO_TIMES = new Float64Array()

type Tokenized = TokenizedText | EmbedderError

export class EmbedCall implements JobCaller {
  readonly outputs: number
  readonly priority: 'interactive' | 'bulk'
  /** From the scheduler: a batch that held texts of this call has run. */
  readonly onBatch: CallExtras['onBatch']
  readonly #engine: Engine
  readonly #prompt: string
  /** With the prompt in front. */
  readonly #texts: readonly unknown[]
  readonly #call: CallOptions
  readonly #extras: CallExtras
  readonly #maxTokens: number
  readonly #results: Settled<Embedding<Precision>>[]
  /** Tokens of each text that can be computed; 0 for the others, and none where all came from the cache. */
  #lengths = NO_LENGTHS
  /** Of texts that are with the engine: which lost their end, and what tokenizing them took. */
  #truncated = NO_FLAGS
  #tokenizeMs = NO_TIMES
  readonly #started = performance.now()
  #progress: ProgressReporter | undefined

  /** @throws InvalidInputError for what this model cannot give */
  constructor(
    engine: Engine,
    texts: readonly unknown[],
    call: CallOptions,
    extras: CallExtras = {},
  ) {
    checkAgainstModel(call, engine)
    this.outputs = outputBits(call.outputs) | (extras.states ? Output.states : 0)
    this.priority = call.priority
    this.onBatch = extras.onBatch
    this.#engine = engine
    // token ids are what they are
    this.#prompt = extras.ids ? '' : promptText(engine.prepared.prompts, call.prompt)
    this.#texts = withPrompt(texts, this.#prompt)
    this.#call = call
    this.#extras = extras
    this.#maxTokens = Math.min(call.maxTokens ?? Number.POSITIVE_INFINITY, engine.maxTokens)
    this.#results = new Array(texts.length)
  }

  /**
   * An embedding or an error per text. Without `collect`, nothing is computed when a text is bad: only
   * the bad ones have an entry then.
   */
  async run(): Promise<Settled<Embedding<Precision>>[]> {
    const { signal, onError } = this.#call
    this.#extras.onModel?.(callFingerprint(this.#engine, this.#prompt, this.#call))
    const misses: number[] = []
    this.#lookUp(0, misses)
    if (this.#texts.length > LOOK_UPS) await this.#lookUpRest(misses)
    const kept = misses.length > 0 ? await this.#check(misses) : undefined
    const failures = this.#count()
    if (failures > 0 && onError === 'throw' && this.#isRefused()) {
      await yieldToEventLoop()
      return withoutEmbeddings(this.#results)
    }
    this.#startProgress()
    const good = misses.filter((index) => this.#lengths[index] !== 0)
    if (good.length === 0) {
      await yieldToEventLoop()
      return this.#results
    }

    this.#refuseIfFull(good.length)
    const release = await this.#engine.memory.admit(this.#needs(good), signal)
    try {
      await this.#compute(good, kept)
      this.#progress?.finish()
    } finally {
      release()
    }
    return this.#results
  }

  /** From the scheduler: what became of a text. */
  onOutcome(index: number, outcome: Outcome): void {
    this.#deliver(
      index,
      'error' in outcome ? this.#named(outcome.error, index) : this.#finish(index, outcome),
    )
  }

  /** After the first look-ups, which no turn of the event loop parts from the call. */
  async #lookUpRest(misses: number[]): Promise<void> {
    for (let from = LOOK_UPS; from < this.#texts.length; from += LOOK_UPS) {
      throwIfAborted(this.#call.signal)
      await yieldToEventLoop()
      this.#lookUp(from, misses)
    }
  }

  /** Fills in what the cache has, from `from` on; adds the positions of texts that are left to `misses`. */
  #lookUp(from: number, misses: number[]): void {
    const { ids, single } = this.#extras
    const call = this.#call
    const { cache, prepared } = this.#engine
    const limit = { maxTokens: this.#maxTokens, truncate: call.truncate }
    const end = Math.min(this.#texts.length, from + LOOK_UPS)
    for (let index = from; index < end; index++) {
      const text = this.#texts[index]
      const invalid = ids ? undefined : invalidText(text, single ? undefined : index)
      if (invalid) {
        this.#results[index] = invalid
        continue
      }
      const found =
        call.cache && !ids
          ? cache?.find(prepared.fingerprint, text as string, call.outputs, limit)
          : undefined
      if (found) this.#results[index] = this.#fromCache(found)
      else misses.push(index)
    }
  }

  #fromCache(found: TextOutputs): Embedding<Precision> {
    const totalMs = performance.now() - this.#started
    const timings = { tokenizeMs: 0, queueMs: 0, computeMs: 0, totalMs }
    return embeddingOf(found, this.#call, { cached: true, timings })
  }

  /** Tokens of each text that can be computed; gives their ids where all of them fit into memory. */
  async #check(misses: readonly number[]): Promise<readonly Tokenized[] | undefined> {
    const { ids, single = false } = this.#extras
    const { tokenizer, memory } = this.#engine
    this.#lengths = new Uint32Array(this.#texts.length)
    this.#truncated = new Uint8Array(this.#texts.length)
    this.#tokenizeMs = new Float64Array(this.#texts.length)
    let units = 0
    if (!ids) for (const index of misses) units += (this.#texts[index] as string).length
    let kept: readonly Tokenized[] | undefined
    let counts: readonly (number | EmbedderError)[] | undefined
    if (units <= KEEP_UNITS) kept = await this.#tokenize(misses)
    else {
      const started = performance.now()
      const { signal } = this.#call
      counts = await countAll(tokenizer, this.#texts, single, { signal, positions: misses })
      this.#engine.stats.tokenizeMs += performance.now() - started
    }
    let longest = 0
    for (const index of misses) {
      const found = (kept ?? counts)?.[index] as Tokenized | number
      if (found instanceof EmbedderError) {
        this.#results[index] = found
        continue
      }
      const tokens = typeof found === 'number' ? found : found.ids.length
      if (tokens > this.#maxTokens && this.#call.truncate === 'error') {
        this.#results[index] = tooLong(tokens, this.#maxTokens, single ? undefined : index)
        continue
      }
      this.#lengths[index] = Math.min(tokens, this.#maxTokens)
      longest = Math.max(longest, this.#lengths[index] as number)
    }
    if (memory.fits(longest)) return kept
    for (const index of misses) {
      const tokens = this.#lengths[index] as number
      if (tokens === 0 || memory.fits(tokens)) continue
      this.#results[index] = memory.refusal(tokens, single ? undefined : index)
      this.#lengths[index] = 0
    }
    return kept
  }

  async #tokenize(positions: readonly number[]): Promise<Tokenized[]> {
    const { ids, single } = this.#extras
    const { truncate, signal } = this.#call
    const maxTokens = this.#maxTokens
    if (ids) return ids.map((given) => cut(given, maxTokens, truncate))
    const started = performance.now()
    const options = { maxTokens, truncate, signal, positions }
    const found = await tokenizeAll(this.#engine.tokenizer, this.#texts, options, single)
    this.#engine.stats.tokenizeMs += performance.now() - started
    return found
  }

  /** Texts that are refused have failed, too. @returns how many are */
  #count(): number {
    let failures = 0
    for (const result of this.#results) if (result instanceof EmbedderError) failures++
    this.#engine.stats.failures += failures
    return failures
  }

  #isRefused(): boolean {
    const { hasFallback } = this.#extras
    return this.#results.some(
      (result) => result instanceof EmbedderError && !(hasFallback && isModelFailure(result)),
    )
  }

  #refuseIfFull(more: number): void {
    const { scheduler, maxPending } = this.#engine
    const { pending } = scheduler
    if (pending + more <= maxPending) return
    throw new QueueFullError(
      `${pending} texts wait already, and this call has ${more}; maxPending is ${maxPending}. Try again later, or use embedStream.`,
    )
  }

  /** What the results of these texts will take, with their token ids. */
  #needs(good: readonly number[]): { results: number; longest: number } {
    const { info, prepared } = this.#engine
    const { denseDim: dim } = info
    const { outputs } = this.#call
    let results = good.length * (OBJECT_BYTES + (outputs.dense ? dim * 4 : 0))
    let longest = 0
    let tokens = 0
    for (const index of good) {
      const length = this.#lengths[index] as number
      tokens += length
      longest = Math.max(longest, length)
    }
    if (outputs.sparse) results += tokens * 8
    if (outputs.colbert) results += tokens * prepared.colbertDim * 4
    if (this.#extras.states) results += tokens * dim * 4
    return { results: results + tokens * 4, longest }
  }

  async #compute(good: readonly number[], kept: readonly Tokenized[] | undefined): Promise<void> {
    const { scheduler } = this.#engine
    const job = scheduler.open(this, this.#call.signal)
    if (!kept) return this.#feed(job, good)
    for (const index of good) this.#add(job, index, kept[index] as TokenizedText)
    scheduler.start(job)
    return job.end()
  }

  /** Tokenizes beside the engine, a window ahead of it, so that ids of a large array never pile up. */
  async #feed(job: Job, good: readonly number[]): Promise<void> {
    const { scheduler } = this.#engine
    try {
      for (let from = 0; from < good.length && !job.cancelled; from += WINDOW_TEXTS) {
        const window = good.slice(from, from + WINDOW_TEXTS)
        const found = await this.#tokenize(window)
        for (const index of window) this.#add(job, index, found[index] as TokenizedText)
        scheduler.start(job)
        await job.room(WINDOW_TOKENS)
      }
    } catch (error) {
      scheduler.cancel(job, error)
    }
    await job.end()
  }

  #add(job: Job, index: number, { ids, truncated, tokenizeMs }: TokenizedText): void {
    if (truncated) this.#truncated[index] = 1
    this.#tokenizeMs[index] = tokenizeMs
    this.#engine.scheduler.add(job, index, ids, this.#extras.firsts?.[index])
  }

  /** The embedding of a text, kept for the next time; what cannot be converted is its failure alone. */
  #finish(index: number, raw: TextResult): Settled<Embedding<Precision>> {
    try {
      raw.truncated = this.#truncated[index] === 1
      this.#remember(index, raw)
      const timings = {
        tokenizeMs: this.#tokenizeMs[index] as number,
        queueMs: raw.queueMs,
        computeMs: raw.computeMs,
        totalMs: performance.now() - this.#started,
      }
      return embeddingOf(raw, this.#call, { cached: false, timings })
    } catch (error) {
      this.#engine.stats.failures++
      return this.#named(
        error instanceof EmbedderError
          ? error
          : new InferenceError('The result could not be converted.', { cause: error }),
        index,
      )
    }
  }

  /** A cache that fails costs its own use, never a result. */
  #remember(index: number, raw: TextOutputs): void {
    const { cache, prepared, log } = this.#engine
    if (!cache || !this.#call.cache || this.#extras.ids) return
    const limit = { maxTokens: this.#maxTokens, truncate: this.#call.truncate }
    try {
      cache.keep(prepared.fingerprint, this.#texts[index] as string, raw, limit)
    } catch (error) {
      log.warn(`A result could not be cached: ${nameOf(error)}.`)
    }
  }

  #deliver(index: number, result: Settled<Embedding<Precision>>): void {
    this.#results[index] = result
    this.#progress?.(this.#lengths[index] as number)
    this.#extras.onResult?.(index, result)
  }

  #named(error: EmbedderError, index: number): EmbedderError {
    return withIndex(error, this.#extras.single ? undefined : index)
  }

  /** Texts from the cache, and bad ones among collected results, are done when the work begins. */
  #startProgress(): void {
    const { onProgress, onResult } = this.#extras
    if (!onProgress && !onResult) return
    let totalTokens = 0
    for (const tokens of this.#lengths) totalTokens += tokens
    for (const result of this.#results) {
      if (result && !(result instanceof EmbedderError)) totalTokens += result.tokenCount
    }
    const onThrow = (error: unknown) => this.#engine.log.warn(`onProgress threw: ${nameOf(error)}`)
    if (onProgress)
      this.#progress = reportProgress(onProgress, this.#texts.length, onThrow, { totalTokens })
    this.#results.forEach((result, index) => {
      this.#progress?.(result instanceof EmbedderError ? 0 : result.tokenCount)
      onResult?.(index, result)
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

/** What tells these vectors from others: the model's own, unless documents have another prompt or a calibration. */
function callFingerprint(
  { prepared }: Engine,
  prompt: string,
  { calibration }: CallOptions,
): string {
  const { fingerprint, prompts } = prepared
  const isOwn = prompt === promptText(prompts, 'passage')
  const prompted = isOwn ? fingerprint : fingerprintWith(fingerprint, prompt)
  return calibration === undefined
    ? prompted
    : fingerprintWith(prompted, JSON.stringify(calibration))
}

/** A call that was refused computed nothing, so it gives nothing. */
function withoutEmbeddings<T>(results: readonly (T | EmbedderError)[]): (T | EmbedderError)[] {
  const errors: (T | EmbedderError)[] = new Array(results.length)
  results.forEach((result, index) => {
    if (result instanceof EmbedderError) errors[index] = result
  })
  return errors
}
