/** The embedder: the one object most users hold. */
import { Engine } from './batching/engine.js'
import type { Outcome } from './batching/scheduler.js'
import {
  countAll,
  type TokenizedText,
  type TokenizeOptions,
  tokenizeAll,
} from './batching/tokens.js'
import { type Call, embeddingOf, outputBits, resolveCall, withTimeout } from './call.js'
import { checkOptions, resolveOptions } from './config.js'
import { BatchError, DisposedError, EmbedderError, InvalidInputError } from './errors.js'
import { failuresOf, withIndex, withoutErrors } from './item-errors.js'
import { findModel } from './model/locations.js'
import { loadAddon } from './native/load.js'
import { followLog, warn } from './native/log.js'
import { reportProgress } from './progress.js'
import { useSimd } from './scoring/index.js'
import type {
  EmbedderInfo,
  EmbedderStats,
  Embedding,
  EmbedOptions,
  LoadOptions,
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
  verify: 'auto' | 'always' | 'never'
  cacheDir: string | undefined
}

async function readSettings(options: LoadOptions): Promise<Settings> {
  const config = resolveOptions({ ...options })
  return {
    path: await findModel(config.model, { cacheDir: config.cacheDir }),
    heads: config.heads,
    threads: config.threads ?? 0,
    batchTokens: config.batchTokens ?? DEFAULT_BATCH_TOKENS,
    maxTokens: config.maxTokens,
    verify: config.verify,
    cacheDir: config.cacheDir,
  }
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
    const settings = await readSettings(options)
    const addon = loadAddon()
    // heavy scores run on the kernels from here on; without an embedder they are TypeScript
    useSimd({ matmulTransposed: addon.matmulTransposed })
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
      return await engine.use(async () => {
        const limits = { maxTokens: this.#maxTokens(engine), signal: limit.signal }
        const call = resolveCall(engine, options, limits)
        if (Array.isArray(input)) return await this.#embedMany(engine, input, call)
        const [result] = await this.#embedAll(engine, [input], call, true)
        if (result instanceof EmbedderError) throw result
        return result as Embedding<Precision>
      })
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
    const limit = { maxTokens: maxTokens ?? 0, truncate: truncate ?? (maxTokens ? 'error' : 'end') }
    const [result] = await engine.use(({ model }) =>
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
    const engine = await this.#load()
    const texts = Array.isArray(input) ? input : [input]
    const counts = await engine.use(({ model }) => countAll(model, texts, !Array.isArray(input)))
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
    const machine = loadAddon().machine()
    return {
      model: engine.path,
      fingerprint: engine.prepared.fingerprint,
      name: info.name,
      architecture: info.architecture,
      dimensions: info.dim,
      layers: info.layers,
      vocabSize: info.vocabSize,
      maxTokens: this.#maxTokens(engine),
      threads: engine.session.stats().threads,
      heads: [...engine.prepared.headPaths],
      outputs: { ...engine.prepared.outputs },
      standin: info.standin,
      packing: info.packsExactly,
      weightBytes: info.weightBytes,
      isa: machine.isa,
      quantization: machine.quantization,
      cpuFeatures: machine.cpuFeatures,
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

  /**
   * Puts another model behind this embedder. Calls made before it finish on the old model, calls made
   * after it resolves run on the new one; none is lost. When the new model cannot be loaded the old
   * one stays, and the error is thrown. Options that are not given keep their values.
   */
  async swapModel(options: LoadOptions): Promise<void> {
    this.#assertUsable()
    const settings = await readSettings({ ...this.#options, ...options })
    const fresh = await Engine.load(settings)
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
    if (engine) await engine.then((loaded) => loaded.close(), ignore)
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
    // refused as a whole: nothing is computed, and only the bad texts are failures
    if (good.length < texts.length && !call.collect) return results
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

/** A load that failed has been reported to whoever asked for it. */
const ignore = (): void => {}

const NOTHING_YET = { texts: 0, tokens: 0, batches: 0, failures: 0, cancelled: 0, computeMs: 0 }
