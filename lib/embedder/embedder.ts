/** The embedder: the one object most users hold. */

import { EmbeddingCache } from '../cache/cache.js'
import { BatchError, DisposedError, EmbedderError, InvalidInputError } from '../common/errors.js'
import { failuresOf, withoutErrors } from '../common/item-errors.js'
import type {
  Chunk,
  EmbeddedChunk,
  EmbedderInfo,
  EmbedderStats,
  Embedding,
  EmbedOptions,
  Estimate,
  LoadOptions,
  Precision,
  Settled,
  TokenizeResult,
} from '../common/types.js'
import { Engine } from '../engine/engine.js'
import {
  countAll,
  framed,
  type TokenizedText,
  type TokenizeOptions,
  tokenizeAll,
} from '../engine/tokenize.js'
import { followLog, warn, warnOnce } from '../native/log.js'
import { type Config, checkOptions } from '../options/table.js'
import { useSimd } from '../scoring/simd.js'
import { resolveCall, withTimeout } from './call-options.js'
import { type Diagnosis, diagnose } from './diagnose.js'
import { type ChunkList, type Documents, embedChunks, embedDocuments } from './documents/chunks.js'
import type { EmbedCore } from './documents/core.js'
import type { Source } from './documents/source.js'
import { embedStream, type StreamItem, type StreamOptions } from './documents/stream.js'
import type { EmbeddingResult } from './documents/types.js'
import { EmbedCall, type EmbedCallOptions } from './embed-call.js'
import { Estimator } from './estimator.js'
import { Fallback, isModelFailure } from './fallback.js'
import { infoOf, statsOf } from './info.js'
import { addonFor, readSettings, type Settings, splitFallback } from './load-options.js'

/**
 * Texts to embeddings with one model: make it with `Embedder.load`, end it with `dispose`.
 *
 * All methods may be called at any time and from many places at once: calls share batches, and a text's
 * bits do not depend on what it was computed with. Every error is an `EmbedderError`; a cancelled call
 * rejects with the signal's own reason.
 */
export class Embedder {
  #settings: Settings | undefined
  #options: LoadOptions
  /** Defaults of every call: the environment's, then the table's. */
  readonly #defaults: Config
  #engine: Promise<Engine> | undefined
  #current: Engine | undefined
  #cache: EmbeddingCache | undefined
  #fallback: Fallback<Embedder> | undefined
  /** The fallback's model, where ours could not be loaded. */
  #takenOver: Embedder | undefined
  readonly #estimator = new Estimator()
  #disposed = false
  #tokenizeMs = 0
  /** Calls under way. */
  #busy = 0
  #idle: NodeJS.Timeout | undefined

  private constructor(options: LoadOptions, defaults: Config) {
    this.#options = options
    this.#defaults = defaults
  }

  /**
   * Loads a model: `options.model`, else `BGE_M3_MODEL`, else what `bge-m3 model pull` fetched. A
   * stand-in is never picked by itself. Embedders of the same file share its weights.
   *
   * @throws ModelNotFoundError, ModelLoadError, MemoryLimitError, UnsupportedCpuError, InvalidInputError
   */
  static async load(options: LoadOptions = {}): Promise<Embedder> {
    options.signal?.throwIfAborted()
    const { config, fallback } = splitFallback(options)
    const addon = addonFor(options.isa ?? 'auto')
    // heavy scores run on the kernels from here on; without an embedder they are TypeScript
    useSimd({ matmulTransposed: addon.matmulTransposed })
    if (options.logger) followLog(options.logger)
    const embedder = new Embedder(options, config)
    if (fallback !== undefined) {
      const { fallback: _, model: __, ...rest } = options
      embedder.#fallback = new Fallback<Embedder>(fallback, {
        open: (model) => Embedder.load({ ...rest, model, lazy: false }),
        warn: (message) => embedder.#warn(message),
      })
    }
    try {
      await embedder.#open(options)
      options.signal?.throwIfAborted()
      return embedder
    } catch (error) {
      await embedder.dispose()
      throw error
    }
  }

  async #open(options: LoadOptions): Promise<void> {
    try {
      const settings = await readSettings(options)
      this.#settings = settings
      if (settings.cache > 0 || settings.disk) {
        this.#cache = await EmbeddingCache.open({
          memoryBytes: settings.cache,
          disk: settings.disk,
          ttlMs: settings.cacheTtl,
          warn: (message) => this.#warn(message),
        })
      }
      if (!options.lazy) await this.#load()
    } catch (error) {
      if (!this.#fallback || !isModelFailure(error)) throw error
      this.#warn(
        `The model cannot be used (${error.code}): the fallback takes over. ${error.message}`,
      )
      this.#takenOver = await this.#fallback.open()
    }
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
    if (!Array.isArray(input)) {
      const [result] = await this.#settle([input], options, { single: true })
      if (result instanceof EmbedderError) throw result
      return result as Embedding<Precision>
    }
    const results = await this.#settle(input, options, {})
    const failures = failuresOf(results)
    if (failures.length === 0 || this.#collects(options)) return results
    throw new BatchError(failures, results.map(withoutErrors))
  }

  /**
   * Embeds whatever an iterable gives, in its order and with bounded memory: see `embedStream` in
   * docs/documents.md. With `onError: 'collect'` a failed chunk comes out in its place.
   */
  embedStream<P extends Precision = 'float32'>(
    source: Source<Chunk | string>,
    options: StreamOptions & { precision?: P; onError: 'collect' },
  ): AsyncGenerator<StreamItem<P>, void, undefined>
  embedStream<P extends Precision = 'float32'>(
    source: Source<Chunk | string>,
    options?: StreamOptions & { precision?: P },
  ): AsyncGenerator<EmbeddedChunk<P>, void, undefined>
  embedStream(
    source: Source<Chunk | string>,
    options: StreamOptions = {},
  ): AsyncGenerator<StreamItem<Precision>, void, undefined> {
    this.#assertUsable()
    return embedStream(this.#core, source, options as StreamOptions & { onError: 'collect' })
  }

  /** Embeds chunks: items, failures, statistics, quality and batches. See docs/documents.md. */
  async embedChunks<P extends Precision = 'float32'>(
    chunks: ChunkList,
    options?: EmbedOptions & { precision?: P },
  ): Promise<EmbeddingResult<P>> {
    this.#assertUsable()
    return embedChunks(this.#core, chunks, options)
  }

  /** Embeds the chunks of many documents in shared batches: a result per document. */
  async embedDocuments<P extends Precision = 'float32'>(
    documents: Documents,
    options?: EmbedOptions & { precision?: P },
  ): Promise<Map<string, EmbeddingResult<P>>> {
    this.#assertUsable()
    return embedDocuments(this.#core, documents, options)
  }

  /**
   * What `embed(texts, options)` will take here. Learnt from the batches that ran on this machine;
   * where none has, a few are measured first.
   */
  async estimate(texts: readonly string[], options: EmbedOptions = {}): Promise<Estimate> {
    this.#assertUsable()
    return this.#use((engine) => {
      const limits = {
        maxTokens: this.#maxTokens(engine),
        signal: options.signal,
        defaults: this.#defaults,
      }
      return this.#estimator.estimate(engine, texts, resolveCall(engine, options, limits))
    })
  }

  /** Token ids of a text, `<s>` and `</s>` included; cut at `maxTokens` with `truncate: 'end'`. */
  async tokenize(
    text: string,
    options: { maxTokens?: number; truncate?: 'error' | 'end' } = {},
  ): Promise<TokenizeResult> {
    this.#assertUsable()
    if (this.#takenOver) return this.#takenOver.tokenize(text, options)
    const { maxTokens, truncate } = checkOptions({ ...options })
    const limit = { maxTokens: maxTokens ?? 0, truncate: truncate ?? (maxTokens ? 'error' : 'end') }
    const [result] = await this.#use(({ model }) =>
      tokenizeAll(model, [text], limit as TokenizeOptions, true),
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
    if (this.#takenOver) return this.#takenOver.countTokens(input as string)
    const texts = Array.isArray(input) ? input : [input]
    const counts = await this.#use(({ model }) => countAll(model, texts, !Array.isArray(input)))
    const failures = failuresOf(counts)
    if (Array.isArray(input)) {
      if (failures.length > 0) throw new BatchError(failures, counts.map(withoutErrors))
      return counts as number[]
    }
    if (failures[0]) throw failures[0].error
    return counts[0] as number
  }

  /**
   * Embeds texts that are tokens already: ids of this model's vocabulary. `<s>` and `</s>` are added
   * where they are missing. Never cached.
   *
   * @throws InvalidInputError for an id outside the vocabulary; otherwise as `embed` of an array
   */
  async embedTokens<P extends Precision = 'float32'>(
    texts: readonly ArrayLike<number>[],
    options: EmbedOptions & { precision?: P } = {},
  ): Promise<Embedding<P>[]> {
    const { ids: frame } = await this.tokenize('')
    const { vocabSize } = this.info
    const ids = texts.map((text, index) => framed(text, frame, { vocabSize, index }))
    const results = await this.#settle(texts, options, { ids })
    const failures = failuresOf(results)
    if (failures.length === 0 || this.#collects(options)) return results as Embedding<P>[]
    throw new BatchError(failures, results.map(withoutErrors))
  }

  /** Loads the weights if need be and runs one short text, so that the first real one is not slower. */
  async warmup(): Promise<void> {
    await this.embed('warm-up', { cache: false })
  }

  /** What is loaded, and how it runs. Only after the weights were read (`lazy: true` defers that). */
  get info(): EmbedderInfo {
    this.#assertUsable()
    if (this.#takenOver) return this.#takenOver.info
    const engine = this.#current
    if (!engine) throw new InvalidInputError('The model is not loaded yet: call warmup() first.')
    return infoOf(engine, this.#maxTokens(engine))
  }

  /** Readings since the weights were read. */
  stats(): EmbedderStats {
    this.#assertUsable()
    return statsOf(this.#current, {
      cache: this.#cache?.stats() ?? null,
      fallbacks: this.#fallback?.count ?? 0,
      tokenizeMs: this.#tokenizeMs,
      memoryLimit: this.#settings?.memoryLimit ?? 0,
      batchTokens: this.#settings?.batchTokens ?? 0,
    })
  }

  /** The cache, to warm it up, export, import or clear it; undefined where it is off. */
  get cache(): EmbeddingCache | undefined {
    this.#assertUsable()
    return this.#cache
  }

  /** Looks at everything in use and embeds a text to see that it works. */
  diagnose(): Promise<Diagnosis> {
    this.#assertUsable()
    return diagnose(this)
  }

  /**
   * Puts another model behind this embedder. Calls made before it finish on the old model, calls made
   * after it resolves run on the new one; none is lost. When the new model cannot be loaded the old
   * one stays, and the error is thrown. Options that are not given keep their values.
   */
  async swapModel(options: LoadOptions): Promise<void> {
    this.#assertUsable()
    const settings = await readSettings({ ...this.#options, ...options })
    const fresh = await this.#read(settings)
    const old = this.#engine
    if (this.#disposed) {
      await fresh.close()
      throw new DisposedError()
    }
    this.#settings = settings
    this.#options = { ...this.#options, ...options }
    this.#engine = Promise.resolve(fresh)
    this.#current = fresh
    if (old) await old.then((engine) => engine.retire(), ignore)
  }

  /** Gives the weights and the context back; the next call reads them again. Work under way is ended. */
  async unload(): Promise<void> {
    const engine = this.#engine
    this.#engine = undefined
    this.#current = undefined
    if (!engine) return
    await engine.then((loaded) => loaded.close(), ignore)
    await this.#estimator.save()
  }

  /** Ends everything: work under way rejects with `DisposedError`. Idempotent. */
  async dispose(): Promise<void> {
    this.#disposed = true
    clearTimeout(this.#idle)
    await this.unload()
    await this.#fallback?.dispose()
    await this.#cache?.close()
    this.#cache = undefined
  }

  /** `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #assertUsable(): void {
    if (this.#disposed) throw new DisposedError()
  }

  /** What streams, chunks and documents need. */
  get #core(): EmbedCore {
    return {
      embedSettled: (texts, options, hooks) => this.#settle(texts, options, hooks ? { hooks } : {}),
      fingerprint: async () => {
        if (this.#takenOver) return this.#takenOver.info.fingerprint
        return this.#use(async (engine) => engine.prepared.fingerprint)
      },
      warn: (message) => this.#warn(message),
    }
  }

  #collects(options: EmbedOptions): boolean {
    return (options.onError ?? this.#defaults.onError) === 'collect'
  }

  #warn(message: string): void {
    warn(this.#options.logger, message)
  }

  #load(): Promise<Engine> {
    if (this.#engine) return this.#engine
    const loading = this.#read(this.#settings).then((engine) => {
      if (this.#disposed || this.#engine !== loading) {
        void engine.close()
        throw new DisposedError()
      }
      this.#current = engine
      for (const line of engine.info.warnings) this.#warn(line)
      if (engine.info.standin) {
        const line = `${engine.path} is a stand-in with random weights: its embeddings mean nothing.`
        warnOnce(this.#options.logger, line, 'BGE_M3_STANDIN')
      }
      return engine
    })
    this.#engine = loading
    loading.catch(() => {
      // a failed load is tried anew by the next call
      if (this.#engine === loading) this.#engine = undefined
    })
    return loading
  }

  async #read(settings: Settings | undefined): Promise<Engine> {
    const wanted = settings ?? (await readSettings(this.#options))
    const engine = await Engine.load({ ...wanted, observe: this.#estimator.observe })
    await this.#estimator.follow(engine, wanted.cacheDir)
    return engine
  }

  #maxTokens(engine: Engine): number {
    const { maxTokens } = this.#settings ?? {}
    return Math.min(maxTokens ?? Number.POSITIVE_INFINITY, engine.info.contextLength)
  }

  /** Runs work on the engine; once nothing is under way, the weights may be given back after a while. */
  async #use<T>(work: (engine: Engine) => Promise<T>): Promise<T> {
    this.#assertUsable()
    clearTimeout(this.#idle)
    this.#busy++
    try {
      const engine = await this.#load()
      return await engine.use(work)
    } finally {
      this.#busy--
      this.#unloadLater()
    }
  }

  #unloadLater(): void {
    const after = this.#settings?.unloadAfter
    if (after === undefined || this.#busy > 0 || this.#disposed) return
    this.#idle = setTimeout(() => {
      if (this.#busy === 0) void this.unload()
    }, after)
    this.#idle.unref()
  }

  /** An embedding or an error per text. Bad texts are found before any text is computed. */
  async #settle(
    texts: readonly unknown[],
    options: EmbedOptions,
    how: EmbedCallOptions,
  ): Promise<Settled<Embedding<Precision>>[]> {
    this.#assertUsable()
    if (this.#takenOver && this.#fallback) return this.#fallback.embed(texts, options)
    // streams and lists have a timeout of their own over many such calls
    const limit = how.hooks ? ownSignal(options) : withTimeout(options, this.#defaults)
    try {
      const results = await this.#use((engine) => {
        const maxTokens = this.#maxTokens(engine)
        const limits = { maxTokens, signal: limit.signal, defaults: this.#defaults }
        const call = resolveCall(engine, options, limits)
        const services = {
          cache: this.#cache,
          maxPending: this.#defaults.maxPending,
          warn: (message: string) => this.#warn(message),
          mayBeRescued: (error: EmbedderError) =>
            this.#fallback !== undefined && isModelFailure(error),
          onTokenized: (milliseconds: number) => {
            this.#tokenizeMs += milliseconds
          },
        }
        return new EmbedCall(engine, texts, call, services, how).run()
      })
      // a call that was refused as a whole has holes
      if (this.#fallback && !results.includes(undefined as never)) {
        await this.#fallback.rescue(results, texts, withSignal(options, limit.signal))
      }
      return results
    } catch (error) {
      if (!this.#fallback || !isModelFailure(error) || this.#current) throw error
      return await this.#fallback.embed(texts, withSignal(options, limit.signal))
    } finally {
      limit.clear()
    }
  }
}

function ownSignal({ signal }: EmbedOptions): ReturnType<typeof withTimeout> {
  return { signal, clear: () => {} }
}

function withSignal(options: EmbedOptions, signal: AbortSignal | undefined): EmbedOptions {
  return signal ? { ...options, signal } : options
}

/** A load that failed has been reported to whoever asked for it. */
const ignore = (): void => {}
