/** A cross-encoder: a query and a document go through the model together and give one score. */

import { throwIfAborted } from '../common/abort.js'
import { DisposedError, type EmbedderError, InvalidInputError } from '../common/errors.js'
import { namesOf } from '../common/given.js'
import { performance } from '../common/timers.js'
import type { CountOptions, EmbedderInfo, EmbedderStats, Embedding } from '../common/types.js'
import type { Engine } from '../engine/engine.js'
import { followLog } from '../native/log.js'
import { programLogger } from '../options/logger.js'
import { resolveOptions } from '../options/table.js'
import type { LoadOptions } from '../options/types.js'
import { sigmoid } from '../scoring/sigmoid.js'
import type { CallOptions } from './call/call-options.js'
import { EmbedCall } from './call/embed-call.js'
import { checkAtMost } from './count-options.js'
import { infoOf, statsOf } from './info.js'
import { addonFor, checkLoadOptions } from './load-options.js'
import { ModelHandle } from './model-handle.js'
import { checkClassifierInputs, countInputs, tokenizeInputs } from './rerank/classifier-inputs.js'
import { checkDocuments, checkPairs, ranked, throwFailures } from './rerank/given.js'
import { checkPairOptions } from './rerank/options.js'
import { type Pair, type PairLimit, tokenizePairs } from './rerank/pairs.js'
import type {
  ClassifierInput,
  PredictOptions,
  RerankOptions,
  RerankResult,
} from './rerank/types.js'

/** Options of `Reranker.load`: those of `Embedder.load` that have a meaning here; `model` is needed. */
export type RerankerOptions = Omit<
  LoadOptions,
  | 'model'
  | 'heads'
  | 'cache'
  | 'diskCache'
  | 'diskCacheSize'
  | 'cacheTtl'
  | 'fallback'
  | 'optimizeFor'
> & {
  /** GGUF file of a re-ranker, or the directory it lies in. */
  model: NonNullable<LoadOptions['model']>
}

const NAMES = namesOf<RerankerOptions>({
  model: 1,
  threads: 1,
  maxTokens: 1,
  batchTokens: 1,
  memoryLimit: 1,
  maxPending: 1,
  unloadAfter: 1,
  cacheDir: 1,
  download: 1,
  onProgress: 1,
  onMemory: 1,
  isa: 1,
  preset: 1,
  retry: 1,
  verify: 1,
  sha256: 1,
  lazy: 1,
  logger: 1,
  signal: 1,
})

/** What is loaded, and how it runs. */
export type RerankerInfo = Omit<
  EmbedderInfo,
  'dimensions' | 'colbertDimensions' | 'heads' | 'outputs' | 'plan'
>

/** Readings since the re-ranker was loaded; a text is a pair here. */
export type RerankerStats = Omit<EmbedderStats, 'cache' | 'fallbacks'>

/**
 * A re-ranker: make it with `Reranker.load`, end it with `dispose`.
 *
 * All methods may be called at any time and from many places at once: calls share batches, and a score's
 * bits do not depend on what it was computed with. Every error is an `EmbedderError`; a cancelled call
 * rejects with the signal's own reason.
 */
export class Reranker {
  readonly #model: ModelHandle
  #disposed = false

  private constructor(model: ModelHandle) {
    this.#model = model
  }

  /**
   * Loads a re-ranker: an XLM-RoBERTa or BERT sequence classifier with one label, such as
   * bge-reranker-v2-m3. Re-rankers of the same file share its weights.
   *
   * @throws ModelNotFoundError, ModelLoadError, MemoryLimitError, UnsupportedCpuError, InvalidInputError
   * @example
   * const reranker = await Reranker.load({ model: './bge-reranker-v2-m3-Q8_0.gguf' })
   */
  static async load(options: RerankerOptions): Promise<Reranker> {
    checkLoadOptions(options, 'Reranker.load', NAMES)
    if (options.model === undefined) {
      throw new InvalidInputError('Reranker.load needs the option `model`: a re-ranker.')
    }
    throwIfAborted(options.signal)
    // nothing is cached, and the variables of an embedder's files are not for another model
    const none = { heads: undefined, cache: 0, diskCache: false, fallback: undefined } as const
    const config = { ...resolveOptions({ ...options }), ...none }
    addonFor(options.isa ?? 'auto')
    const logger = programLogger(options.logger)
    if (logger) followLog(logger)
    const reranker = new Reranker(new ModelHandle(config, logger, 'rerank'))
    try {
      await reranker.#model.open({ ...options, logger, lazy: options.lazy ?? false })
      throwIfAborted(options.signal)
      return reranker
    } catch (error) {
      await reranker.dispose()
      throw error
    }
  }

  /**
   * Scores documents against a query, the most relevant first. All of them are checked before any is
   * computed.
   *
   * @throws InvalidInputError, InputTooLongError for the query and the options; BatchError whose
   * `failures` name the documents
   * @example
   * const [best] = await reranker.rerank('what is a panda?', ['hi', 'A bear of China.'], { topN: 1 })
   */
  async rerank(
    query: string,
    documents: readonly string[],
    options: RerankOptions = {},
  ): Promise<RerankResult[]> {
    this.#assertUsable()
    const { topN, truncate, maxTokens, signal, onProgress } = checkPairOptions(options)
    checkPairs(query, documents)
    throwIfAborted(signal)
    await checkDocuments(documents, signal)
    const scores = await this.#scores(
      { maxTokens, truncate, signal, onProgress },
      (engine, limit) => tokenizePairs(engine, query, documents, limit),
    )
    return ranked(scores, topN).map(({ index, score }) => ({
      index,
      score,
      relevance: sigmoid(score),
    }))
  }

  /**
   * The logit of each text or pair of texts, in the order they came in: for pairs what `rerank` calls their
   * score. A text alone is `<s> text </s>` to the model.
   *
   * @throws InvalidInputError for the options; BatchError whose `failures` name the inputs
   * @example
   * const [score] = await reranker.predict([['what is a panda?', 'A bear of China.']])
   */
  async predict(
    inputs: readonly ClassifierInput[],
    options: PredictOptions = {},
  ): Promise<number[]> {
    this.#assertUsable()
    const given = checkPairOptions(options, 'predict')
    checkClassifierInputs(inputs)
    throwIfAborted(given.signal)
    return this.#scores(given, (engine, limit) => tokenizeInputs(engine, inputs, limit))
  }

  /**
   * Tokens of each text or pair of texts, special ones included, however many the model takes. With `atMost`
   * a text is read only until it has more than so many tokens.
   *
   * @throws InvalidInputError; BatchError whose `failures` name the inputs
   */
  async countTokens(
    inputs: readonly ClassifierInput[],
    options: CountOptions = {},
  ): Promise<number[]> {
    this.#assertUsable()
    const atMost = checkAtMost(options)
    checkClassifierInputs(inputs)
    return this.#model.use((engine) => countInputs(engine, inputs, atMost))
  }

  /** Loads the weights if need be and runs one short pair, so that the first real one is not slower. */
  async warmup(): Promise<void> {
    await this.rerank('warm-up', ['warm-up'])
  }

  /** What is loaded, and how it runs. Only after the weights were read (`lazy: true` defers that). */
  get info(): RerankerInfo {
    this.#assertUsable()
    const engine = this.#model.current
    if (!engine) throw new InvalidInputError('The model is not loaded yet: call warmup() first.')
    const {
      dimensions: _,
      colbertDimensions: __,
      heads: ___,
      outputs: ____,
      plan: _____,
      ...info
    } = infoOf(engine)
    return info
  }

  /** Readings since the re-ranker was loaded. */
  stats(): RerankerStats {
    this.#assertUsable()
    const { current, stats, settings } = this.#model
    const {
      cache: _,
      fallbacks: __,
      ...readings
    } = statsOf(current, {
      stats,
      cache: null,
      fallbacks: 0,
      memoryLimit: settings?.memoryLimit ?? 0,
      batchTokens: settings?.batchTokens ?? 0,
    })
    return readings
  }

  /** Gives the weights and the context back; the next call reads them again. Work under way is ended. */
  async unload(): Promise<void> {
    await this.#model.unload()
  }

  /** Ends everything: work under way rejects with `DisposedError`. Idempotent. */
  async dispose(): Promise<void> {
    this.#disposed = true
    await this.#model.close()
  }

  /** `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  /** The logits of what `tokenize` makes. @throws BatchError */
  #scores(
    { maxTokens, truncate = 'error', signal, onProgress }: PredictOptions,
    tokenize: (engine: Engine, limit: PairLimit) => Promise<(Pair | EmbedderError)[]>,
  ): Promise<number[]> {
    return this.#model.use(async (engine) => {
      const started = performance.now()
      const most = Math.min(maxTokens ?? Number.POSITIVE_INFINITY, engine.maxTokens)
      const pairs = await tokenize(engine, { maxTokens: most, truncate, signal })
      engine.stats.tokenizeMs += performance.now() - started
      throwFailures(pairs)
      return scoresOf(engine, pairs as Pair[], { signal, onProgress })
    })
  }

  #assertUsable(): void {
    if (this.#disposed) throw new DisposedError()
  }
}

/** A pair is a text whose pooled state is one number. */
const AS_TEXT: Omit<CallOptions, 'signal'> = {
  outputs: { dense: true, sparse: false, colbert: false },
  normalize: false,
  dimensions: undefined,
  precision: 'float32',
  truncate: 'error',
  maxTokens: undefined,
  priority: 'interactive',
  cache: false,
  onError: 'collect',
}

/** The logit of every pair. @throws BatchError */
async function scoresOf(
  engine: Engine,
  pairs: readonly Pair[],
  { signal, onProgress }: Pick<RerankOptions, 'signal' | 'onProgress'>,
): Promise<number[]> {
  const ids = pairs.map((pair) => pair.ids)
  const firsts = pairs.map(({ first }) => first)
  const extras = { ids, firsts, ...(onProgress && { onProgress }) }
  const results = await new EmbedCall(engine, ids, { ...AS_TEXT, signal }, extras).run()
  throwFailures(results)
  return results.map((result) => (result as Embedding).dense?.[0] as number)
}
