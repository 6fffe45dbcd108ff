/** The embedder: the one object most users hold. */
import { Engine } from './batching/engine.js'
import type { Outcome, TextResult } from './batching/scheduler.js'
import { countAll, type TokenizedText, tokenizeAll } from './batching/tokens.js'
import { checkOptions, resolveOptions } from './config.js'
import { checkDimensions, finishColbert, finishDense } from './embedding.js'
import {
  BatchError,
  DisposedError,
  EmbedderError,
  InvalidInputError,
  type ItemFailure,
  TimeoutError,
} from './errors.js'
import { findModel } from './model/locations.js'
import { Output } from './native/addon.js'
import { loadAddon } from './native/load.js'
import { followLog, warn } from './native/log.js'
import { reportProgress } from './progress.js'
import type {
  EmbedderInfo,
  EmbedderStats,
  Embedding,
  EmbedOptions,
  LoadOptions,
  Outputs,
  Precision,
  Settled,
  TokenizeResult,
} from './types.js'

/** Tokens in one micro-batch: beyond 512 packing gains no speed and costs memory. */
const DEFAULT_BATCH_TOKENS = 512

interface Settings {
  path: string
  heads: string | undefined
  threads: number
  batchTokens: number
  maxTokens: number | undefined
}

/** Options of one call, checked and completed. */
interface Call {
  outputs: Required<Outputs>
  dim: number
  maxTokens: number
  truncate: 'error' | 'end'
  normalize: boolean
  dimensions: number | undefined
  precision: Precision
  collect: boolean
  signal: AbortSignal | undefined
  onProgress: EmbedOptions['onProgress']
}

export class Embedder {
  #settings: Settings
  #options: LoadOptions
  #engine: Promise<Engine> | undefined
  #current: Engine | undefined
  #disposed = false

  private constructor(settings: Settings, options: LoadOptions) {
    this.#settings = settings
    this.#options = options
  }

  /**
   * Loads a model: `options.model`, else `BGE_M3_MODEL`, else what `bge-m3 model pull` fetched. A
   * stand-in is never picked by itself. Embedders of the same file share its weights.
   *
   * @throws ModelNotFoundError, ModelLoadError, MemoryLimitError, UnsupportedCpuError, InvalidInputError
   */
  static async load(options: LoadOptions = {}): Promise<Embedder> {
    options.signal?.throwIfAborted()
    const config = resolveOptions({ ...options })
    const settings: Settings = {
      path: await findModel(config.model, { cacheDir: config.cacheDir }),
      heads: config.heads,
      threads: config.threads ?? 0,
      batchTokens: config.batchTokens ?? DEFAULT_BATCH_TOKENS,
      maxTokens: config.maxTokens,
    }
    loadAddon()
    if (options.logger) followLog(options.logger)
    const embedder = new Embedder(settings, options)
    if (options.lazy) return embedder
    await embedder.#load()
    if (options.signal?.aborted) {
      await embedder.dispose()
      throw options.signal.reason
    }
    return embedder
  }

  /** Embeds one text. Rejects with that text's own error. */
  embed<P extends Precision = 'float32'>(
    text: string,
    options?: EmbedOptions & { precision?: P },
  ): Promise<Embedding<P>>
  /** Embeds texts, results in input order; with `onError: 'collect'` a failed text is its error. */
  embed<P extends Precision = 'float32'>(
    texts: readonly string[],
    options: EmbedOptions & { precision?: P; onError: 'collect' },
  ): Promise<Settled<Embedding<P>>[]>
  /**
   * Embeds texts, results in input order. All texts are checked before any is computed.
   *
   * @throws BatchError with `failures`, and `results` that holds everything that finished
   */
  embed<P extends Precision = 'float32'>(
    texts: readonly string[],
    options?: EmbedOptions & { precision?: P },
  ): Promise<Embedding<P>[]>
  async embed(
    input: string | readonly string[],
    options: EmbedOptions = {},
  ): Promise<Embedding<Precision> | Settled<Embedding<Precision>>[]> {
    this.#assertUsable()
    const limit = withTimeout(options)
    try {
      const engine = await this.#load()
      const call = this.#call(engine, options, limit.signal)
      if (Array.isArray(input)) return await this.#embedMany(engine, input, call)
      const [result] = await this.#embedAll(engine, [input], call, true)
      if (result instanceof EmbedderError) throw result
      return result as Embedding<Precision>
    } finally {
      limit.clear()
    }
  }

  /** Token ids of a text, `<s>` and `</s>` included; cut at `maxTokens` with `truncate: 'end'`. */
  async tokenize(
    text: string,
    options: { maxTokens?: number; truncate?: 'error' | 'end' } = {},
  ): Promise<TokenizeResult> {
    this.#assertUsable()
    const { maxTokens, truncate } = checkOptions({ ...options })
    const engine = await this.#load()
    const [result] = await tokenizeAll(
      engine.model,
      [text],
      { maxTokens: maxTokens ?? 0, truncate: truncate ?? (maxTokens ? 'error' : 'end') },
      true,
    )
    if (result instanceof EmbedderError) throw result
    const { ids, truncated } = result as TokenizedText
    return { ids: Uint32Array.from(ids), truncated: maxTokens ? truncated : false }
  }

  /** Tokens of a text, `<s>` and `</s>` included. */
  countTokens(text: string): Promise<number>
  countTokens(texts: readonly string[]): Promise<number[]>
  async countTokens(input: string | readonly string[]): Promise<number | number[]> {
    this.#assertUsable()
    const engine = await this.#load()
    const texts = Array.isArray(input) ? input : [input]
    const counts = await countAll(engine.model, texts, !Array.isArray(input))
    const failures = failuresOf(counts)
    if (Array.isArray(input)) {
      if (failures.length > 0) throw new BatchError(failures, counts.map(withoutErrors))
      return counts as number[]
    }
    if (failures[0]) throw failures[0].error
    return counts[0] as number
  }

  /** Loads the weights if need be and runs one short text, so that the first real one is not slower. */
  async warmup(): Promise<void> {
    await this.embed('warm-up')
  }

  /** What is loaded, and how it runs. Only after the weights were read (`lazy: true` defers that). */
  get info(): EmbedderInfo {
    this.#assertUsable()
    const engine = this.#current
    if (!engine) throw new InvalidInputError('The model is not loaded yet: call warmup() first.')
    const { info } = engine
    return {
      model: this.#settings.path,
      name: info.name,
      architecture: info.architecture,
      dimensions: info.dim,
      layers: info.layers,
      vocabSize: info.vocabSize,
      maxTokens: this.#maxTokens(engine),
      threads: engine.session.stats().threads,
      heads: [...engine.headPaths],
      outputs: { ...engine.outputs },
      standin: info.standin,
      packing: info.packsExactly,
      weightBytes: info.weightBytes,
      isa: loadAddon().machine().isa,
      cpuFeatures: loadAddon().machine().cpuFeatures,
      warnings: info.warnings,
    }
  }

  /** Readings since the weights were read. */
  stats(): EmbedderStats {
    this.#assertUsable()
    const engine = this.#current
    const session = engine?.session.stats()
    return {
      ...(engine?.scheduler.stats ?? NOTHING_YET),
      pending: engine?.scheduler.pending ?? 0,
      memory: {
        rss: loadAddon().machine().residentMemory,
        weights: engine?.info.weightBytes ?? 0,
        context: session?.contextBytes ?? 0,
      },
      contextTokens: session?.contextTokens ?? 0,
    }
  }

  /** Gives the weights and the context back; the next call reads them again. Work under way is ended. */
  async unload(): Promise<void> {
    const engine = this.#engine
    this.#engine = undefined
    this.#current = undefined
    if (engine)
      await engine.then(
        (loaded) => loaded.close(),
        () => {},
      )
  }

  /** Ends everything: work under way rejects with `DisposedError`. Idempotent. */
  async dispose(): Promise<void> {
    this.#disposed = true
    await this.unload()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #assertUsable(): void {
    if (this.#disposed) throw new DisposedError()
  }

  #load(): Promise<Engine> {
    if (this.#engine) return this.#engine
    const loading = Engine.load(this.#settings).then((engine) => {
      if (this.#disposed || this.#engine !== loading) {
        void engine.close()
        throw new DisposedError()
      }
      this.#current = engine
      for (const line of engine.info.warnings) warn(this.#options.logger, line)
      return engine
    })
    this.#engine = loading
    loading.catch(() => {
      // a failed load is tried anew by the next call
      if (this.#engine === loading) this.#engine = undefined
    })
    return loading
  }

  #maxTokens(engine: Engine): number {
    return Math.min(this.#settings.maxTokens ?? Number.POSITIVE_INFINITY, engine.info.contextLength)
  }

  #call(engine: Engine, options: EmbedOptions, signal: AbortSignal | undefined): Call {
    const config = resolveOptions({ ...options, cache: undefined })
    const outputs = wantedOutputs(config.outputs, engine)
    checkDimensions(config.dimensions, engine.info.dim)
    const width = config.dimensions ?? engine.info.dim
    if (config.precision === 'binary' && width % 8 !== 0) {
      throw new InvalidInputError(
        `precision 'binary' packs 8 dimensions a byte; ${width} do not fit.`,
      )
    }
    return {
      outputs,
      dim: engine.info.dim,
      maxTokens: Math.min(options.maxTokens ?? Number.POSITIVE_INFINITY, this.#maxTokens(engine)),
      truncate: config.truncate,
      normalize: config.normalize,
      dimensions: config.dimensions,
      precision: config.precision,
      collect: config.onError === 'collect',
      signal,
      onProgress: options.onProgress,
    }
  }

  async #embedMany(
    engine: Engine,
    texts: readonly unknown[],
    call: Call,
  ): Promise<Settled<Embedding<Precision>>[]> {
    const results = await this.#embedAll(engine, texts, call, false)
    const failures = failuresOf(results)
    if (failures.length === 0 || call.collect) return results
    throw new BatchError(failures, results.map(withoutErrors))
  }

  /** An embedding or an error per text. Bad texts are found before any text is computed. */
  async #embedAll(
    engine: Engine,
    texts: readonly unknown[],
    call: Call,
    single: boolean,
  ): Promise<Settled<Embedding<Precision>>[]> {
    const tokenized = await tokenizeAll(engine.model, texts, call, single)
    const results: Settled<Embedding<Precision>>[] = new Array(texts.length)
    const good: number[] = []
    tokenized.forEach((item, index) => {
      if (item instanceof EmbedderError) results[index] = item
      else good.push(index)
    })
    if (good.length < texts.length && !call.collect) return tokenized.map(pendingAsFailure)
    const progress = reportProgress(call.onProgress, good.length, (error) =>
      warn(this.#options.logger, `onProgress threw: ${(error as Error)?.name ?? typeof error}`),
    )
    const onOutcome = (position: number, outcome: Outcome): void => {
      const index = good[position] as number
      const text = tokenized[index] as TokenizedText
      if ('error' in outcome) results[index] = withIndex(outcome.error, single ? undefined : index)
      else results[index] = embeddingOf(outcome, text, call)
      progress(text.ids.length)
    }
    const ids = good.map((index) => (tokenized[index] as TokenizedText).ids)
    const outputs = outputBits(call.outputs)
    await engine.scheduler.run(ids, onOutcome, { outputs, signal: call.signal })
    return results
  }
}

const NOTHING_YET = { texts: 0, tokens: 0, batches: 0, failures: 0, cancelled: 0, computeMs: 0 }

/** What was asked for, or an error that says why this model cannot give it. */
function wantedOutputs(asked: Outputs, engine: Engine): Required<Outputs> {
  const wanted = {
    dense: asked.dense ?? false,
    sparse: asked.sparse ?? false,
    colbert: asked.colbert ?? false,
  }
  for (const output of ['sparse', 'colbert'] as const) {
    if (!wanted[output] || engine.outputs[output]) continue
    throw new InvalidInputError(
      `This model gives no ${output} output: it has no ${output} head. bge-m3's heads are fetched by ` +
        '`bge-m3 model pull`, or named by the `heads` option; other models give dense only.',
    )
  }
  if (!wanted.dense && !wanted.sparse && !wanted.colbert) {
    throw new InvalidInputError('The option `outputs` names no output.')
  }
  return wanted
}

function outputBits({ sparse, colbert }: Required<Outputs>): number {
  return Output.dense | (sparse ? Output.sparse : 0) | (colbert ? Output.colbert : 0)
}

function embeddingOf(result: TextResult, text: TokenizedText, call: Call): Embedding<Precision> {
  const embedding: Embedding<Precision> = {
    tokenCount: text.ids.length,
    truncated: text.truncated,
    cached: false,
  }
  if (call.outputs.dense) embedding.dense = finishDense(result.pooled, call)
  if (result.sparse) embedding.sparse = result.sparse
  if (result.colbert) embedding.colbert = finishColbert(result.colbert, call.dim, call)
  return embedding
}

/** For an array that is refused as a whole: good texts are not failures, they were not computed. */
function pendingAsFailure(item: TokenizedText | EmbedderError): Settled<Embedding<Precision>> {
  return item instanceof EmbedderError ? item : (undefined as unknown as Embedding<Precision>)
}

function withoutErrors<T>(result: T | EmbedderError): T | undefined {
  return result instanceof EmbedderError ? undefined : result
}

function failuresOf(results: readonly unknown[]): ItemFailure[] {
  const failures: ItemFailure[] = []
  results.forEach((result, index) => {
    if (result instanceof EmbedderError) failures.push({ index, error: result })
  })
  return failures
}

/** The same error, saying which text it belongs to. */
function withIndex(error: EmbedderError, index: number | undefined): EmbedderError {
  if (index === undefined || error.index !== undefined) return error
  const Class = error.constructor as new (message: string, details: object) => EmbedderError
  return new Class(`The text at index ${index}: ${error.message}`, { index, cause: error.cause })
}

/** The caller's signal, joined with the call's timeout. */
function withTimeout(options: EmbedOptions): { signal: AbortSignal | undefined; clear(): void } {
  const { timeout } = checkOptions({ timeout: options.timeout })
  if (timeout === undefined) return { signal: options.signal, clear: () => {} }
  const controller = new AbortController()
  const timer = setTimeout(
    () =>
      controller.abort(new TimeoutError(`The call took longer than its timeout of ${timeout} ms.`)),
    timeout,
  )
  const signal = options.signal
    ? AbortSignal.any([options.signal, controller.signal])
    : controller.signal
  return { signal, clear: () => clearTimeout(timer) }
}
