/** The embedder: the one object most users hold. */

import type { inspect as inspectValue } from 'node:util'
import type { EmbeddingCache } from '../cache/cache.js'
import { throwIfAborted } from '../common/abort.js'
import { Deadline } from '../common/deadline.js'
import { BatchError, DisposedError, EmbedderError, InvalidInputError } from '../common/errors.js'
import { checkList, refuseUnknown, shown } from '../common/given.js'
import { failuresOf, withoutErrors } from '../common/item-errors.js'
import type {
  Chunk,
  CountOptions,
  DecodeOptions,
  EmbedderInfo,
  EmbedderStats,
  Embedding,
  EmbedOptions,
  EmbedOptionsFor,
  Estimate,
  OutputsOption,
  PlacedToken,
  Plan,
  Precision,
  ResultFor,
  Settled,
  TokenizeOptions,
  TokenizeResult,
  TokenPiece,
  TokenStates,
} from '../common/types.js'
import { framed } from '../engine/tokenize.js'
import { ensureModel } from '../model/fetch/ensure.js'
import type { NativeTokenizer } from '../native/addon.js'
import { followLog } from '../native/log.js'
import { programLogger } from '../options/logger.js'
import { PRESETS } from '../options/presets.js'
import type { LoadOptions } from '../options/types.js'
import type { SparseInput } from '../scoring/outputs-of.js'
import { useSimd } from '../scoring/simd.js'
import { type ResolvedCall, resolveCall } from './call/call-options.js'
import type { CallExtras, EmbedCore } from './call/embed-core.js'
import { type Diagnosis, diagnose } from './diagnose.js'
import { type ChunkList, type Documents, embedChunks, embedDocuments } from './documents/chunks.js'
import type { Source } from './documents/source.js'
import { embedStream, type StreamOptions, type StreamResultFor } from './documents/stream.js'
import type { DocumentOptions, EmbeddingResult } from './documents/types.js'
import { WithFallback } from './fallback.js'
import { type CheckedGoals, checkGoals, measureSpeed, planFor } from './goals.js'
import { infoOf, statsOf } from './info.js'
import { addonFor, fetchOptions, resolveLoad } from './load-options.js'
import { ModelHandle } from './model-handle.js'
import { rerankByOutputs } from './rerank/own-outputs.js'
import type { OutputsRerankOptions, RankedDocument } from './rerank/types.js'
import { countTexts, decodeIds, piecesOf, tokenizeText, wordWeights } from './tokens.js'

/** Node's own name of it. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom')

/** Options of `embed` that it does not name. */
const OWN = { priority: 'interactive', onError: 'throw' } as const

const NO_OUTPUTS = { dense: false, sparse: false, colbert: false }

/** Of those of `embed`, what concerns states. */
const STATE_OPTIONS = [
  'maxTokens',
  'onError',
  'onProgress',
  'priority',
  'prompt',
  'signal',
  'timeout',
  'truncate',
] as const satisfies (keyof TokenStatesOptions)[]

/** Options of `tokenStates`: those of `embed` that concern states. */
export type TokenStatesOptions<E extends 'throw' | 'collect' = 'throw' | 'collect'> = Pick<
  EmbedOptions,
  'maxTokens' | 'onProgress' | 'priority' | 'prompt' | 'signal' | 'timeout' | 'truncate'
> & { onError?: E | undefined }

/**
 * Texts to embeddings with one model: make it with `Embedder.load`, end it with `dispose`.
 *
 * All methods may be called at any time and from many places at once: calls share batches, and a text's
 * bits do not depend on what it was computed with. Every error is an `EmbedderError`; a cancelled call
 * rejects with the signal's own reason.
 */
export class Embedder {
  readonly #model: ModelHandle
  readonly #fallback: WithFallback<Embedder> | undefined
  /** The model, or the model with its fallback. */
  readonly #core: EmbedCore
  #plan: Plan | undefined
  #disposed = false

  private constructor(model: ModelHandle, fallback: WithFallback<Embedder> | undefined) {
    this.#model = model
    this.#fallback = fallback
    this.#core = fallback ?? model
  }

  /**
   * Loads a model: `options.model`, else `BGE_M3_MODEL`, else bge-m3. What is named and not on this machine
   * yet is fetched from the hub, once. A stand-in is never picked by itself. Embedders of the same file
   * share its weights.
   *
   * @throws ModelNotFoundError, DownloadError, ModelLoadError, MemoryLimitError, UnsupportedCpuError,
   *   InvalidInputError
   * @example
   * const m3 = await Embedder.load() // bge-m3
   * const small = await Embedder.load({ model: 'all-MiniLM-L6-v2' })
   */
  static async load(options: LoadOptions = {}): Promise<Embedder> {
    const { config, fallback: choice } = resolveLoad(options)
    const goals = checkGoals(options)
    // a sixteenth: the cache pays, and the weights are the rest
    if (goals?.memory !== undefined) {
      config.cache ??= Math.min(PRESETS[config.preset].cache, Math.floor(goals.memory / 16))
    }
    throwIfAborted(options.signal)
    const addon = addonFor(options.isa ?? 'auto')
    // heavy scores run on the kernels from here on; without an embedder they are TypeScript
    useSimd({ matmulTransposed: addon.matmulTransposed })
    const logger = programLogger(options.logger)
    if (logger) followLog(logger)
    const model = new ModelHandle(config, logger)
    const { fallback: _, model: __, sha256: ___, ...rest } = options
    const fallback =
      choice === undefined
        ? undefined
        : new WithFallback<Embedder>(model, choice, (path) =>
            Embedder.load({ ...rest, model: path, lazy: false }),
          )
    const embedder = new Embedder(model, fallback)
    try {
      // a fallback that is not there would be known when it is needed
      if (typeof choice === 'string') {
        const fetching = fetchOptions(config, { ...options, logger })
        await ensureModel(choice, { ...fetching, purpose: 'embed' }, 'the `fallback` option')
      }
      await model.open({ ...options, logger, lazy: options.lazy ?? false }).catch(async (error) => {
        if (!fallback?.mayTakeOver(error)) throw error
        await fallback.takeOver(error)
      })
      throwIfAborted(options.signal)
      if (goals && model.current) await embedder.#reach(goals, options)
      return embedder
    } catch (error) {
      await embedder.dispose()
      throw error
    }
  }

  /**
   * Embeds one text. Rejects with that text's own error.
   *
   * @example
   * const { dense } = await m3.embed('What is BGE M3?')
   * const { sparse, colbert } = await m3.embed('What is BGE M3?', { outputs: 'all' })
   */
  embed<const W extends OutputsOption | undefined = undefined, P extends Precision = 'float32'>(
    text: string,
    options?: EmbedOptionsFor<W, P>,
  ): Promise<Embedding<P, W>>
  /**
   * Embeds texts, results in input order. All texts are checked before any is computed. With
   * `onError: 'collect'` a failed text is its error.
   *
   * @throws BatchError with `failures`, and `results` that holds everything that finished
   * @example
   * const embeddings = await m3.embed(['one text', 'another'], { precision: 'int8' })
   */
  embed<
    const W extends OutputsOption | undefined = undefined,
    P extends Precision = 'float32',
    E extends 'throw' | 'collect' = 'throw',
  >(
    texts: readonly string[],
    options?: EmbedOptionsFor<W, P, E>,
  ): Promise<ResultFor<E, Embedding<P, W>>[]>
  /** As the one or the other. */
  embed<
    const W extends OutputsOption | undefined = undefined,
    P extends Precision = 'float32',
    E extends 'throw' | 'collect' = 'throw',
  >(
    input: string | readonly string[],
    options?: EmbedOptionsFor<W, P, E>,
  ): Promise<Embedding<P, W> | ResultFor<E, Embedding<P, W>>[]>
  async embed(
    input: string | readonly string[],
    options: EmbedOptions = {},
  ): Promise<Embedding<Precision> | Settled<Embedding<Precision>>[]> {
    const resolved = this.#resolve(options, 'embed')
    if (Array.isArray(input)) return this.#all(input, resolved, {})
    const [result] = await this.#settle([input], resolved, { single: true })
    if (result instanceof EmbedderError) throw result
    return result as Embedding<Precision>
  }

  /**
   * Embeds whatever an iterable gives, in its order and with bounded memory: see `embedStream` in
   * docs/documents.md. With `onError: 'collect'` a failed chunk comes out in its place.
   *
   * @example
   * for await (const { id, embedding } of m3.embedStream([{ id: 'a', text: 'one text' }])) {
   *   console.log(id, embedding.dense.length)
   * }
   */
  embedStream<
    const W extends OutputsOption | undefined = undefined,
    P extends Precision = 'float32',
    E extends 'throw' | 'collect' = 'throw',
    C extends Chunk | string = Chunk | string,
    const T extends boolean = true,
  >(
    source: Source<C>,
    options?: EmbedOptionsFor<W, P, E, StreamOptions> & { keepText?: T | undefined },
  ): AsyncGenerator<StreamResultFor<E, P, W, C, T>, void, undefined> {
    this.#assertUsable()
    return embedStream<W, P, E, C, T>(this.#core, source, options)
  }

  /**
   * Embeds chunks: items, failures, statistics, quality and batches. See docs/documents.md.
   *
   * @example
   * const { items, failures } = await m3.embedChunks([{ id: 'a', text: 'one text', page: 3 }])
   * for (const { id, page, embedding } of items) console.log(id, page, embedding.dense.length)
   */
  async embedChunks<
    const W extends OutputsOption | undefined = undefined,
    P extends Precision = 'float32',
    C extends Chunk | string = Chunk | string,
    const T extends boolean = true,
  >(
    chunks: ChunkList<C>,
    options?: EmbedOptionsFor<W, P> & { keepText?: T | undefined },
  ): Promise<EmbeddingResult<P, W, C, T>> {
    this.#assertUsable()
    const result = await embedChunks(this.#core, chunks, options)
    return result as unknown as EmbeddingResult<P, W, C, T>
  }

  /**
   * Embeds the chunks of many documents in shared batches: a result per document. A document that is a text is cut.
   *
   * @example
   * const results = await m3.embedDocuments({ guide: 'A long text.' }, { chunk: { maxTokens: 300 } })
   * for (const { metadata, embedding } of results.get('guide')?.items ?? []) console.log(metadata, embedding)
   */
  async embedDocuments<
    const W extends OutputsOption | undefined = undefined,
    P extends Precision = 'float32',
    C extends Chunk | string = Chunk | string,
    const T extends boolean = true,
  >(
    documents: Documents<C>,
    options: EmbedOptionsFor<W, P, 'throw' | 'collect', DocumentOptions> & {
      keepText?: T | undefined
    } = {},
  ): Promise<Map<string, EmbeddingResult<P, W, C, T>>> {
    this.#assertUsable()
    const results = await embedDocuments(this.#core, documents, options, {
      tokenizer: this,
      maxTokens: () => this.#model.use(async (engine) => engine.maxTokens),
    })
    return results as unknown as Map<string, EmbeddingResult<P, W, C, T>>
  }

  /**
   * What `embed(texts, options)` will take here. Learnt from the batches that ran; where none
   * like these has, a few are measured first.
   */
  async estimate(texts: readonly string[], options: EmbedOptions = {}): Promise<Estimate> {
    return this.#model.estimate(texts, this.#resolve(options, 'estimate').call)
  }

  /**
   * Token ids of a text, `<s>` and `</s>` included; cut at `maxTokens` with `truncate: 'end'`. With `pieces: true`
   * also each token's piece, and where it stands in the text.
   *
   * @example
   * const { ids, pieces } = await m3.tokenize('What is BGE M3?', { pieces: true })
   */
  tokenize(
    text: string,
    options: TokenizeOptions & { pieces: true },
  ): Promise<TokenizeResult & { pieces: PlacedToken[] }>
  tokenize(text: string, options?: TokenizeOptions): Promise<TokenizeResult>
  async tokenize(text: string, options?: TokenizeOptions): Promise<TokenizeResult> {
    return this.#withTokenizer((tokenizer) => tokenizeText(tokenizer, text, options))
  }

  /**
   * Tokens of a text, `<s>` and `</s>` included. With `atMost` a text is read only until it has more than so
   * many, and the answer is `atMost + 1` then.
   *
   * @example
   * const [first, second] = await m3.countTokens(['one text', 'another'])
   */
  countTokens(text: string, options?: CountOptions): Promise<number>
  countTokens(texts: readonly string[], options?: CountOptions): Promise<number[]>
  async countTokens(
    input: string | readonly string[],
    options?: CountOptions,
  ): Promise<number | number[]> {
    return this.#withTokenizer((tokenizer) => countTexts(tokenizer, input, options))
  }

  /**
   * What the vocabulary has for token ids.
   *
   * @throws InvalidInputError for an id outside the vocabulary
   */
  async pieces(ids: ArrayLike<number>): Promise<TokenPiece[]> {
    return this.#withTokenizer((tokenizer) => piecesOf(tokenizer, ids))
  }

  /**
   * The text of token ids, as `decode` of Hugging Face's `tokenizers` (special tokens are left out unless asked for): what the tokenizer normalised
   * stays so.
   *
   * @throws InvalidInputError for an id outside the vocabulary
   */
  async decode(ids: ArrayLike<number>, options?: DecodeOptions): Promise<string> {
    return this.#withTokenizer((tokenizer) => decodeIds(tokenizer, ids, options))
  }

  /**
   * The words behind lexical weights, as FlagEmbedding's `convert_id_to_token`: the text of each token by
   * itself. Of tokens with one text (`the` with a space in front and without) the larger weight counts.
   *
   * @example
   * const embedding = await m3.embed('What is BGE M3?', { outputs: ['sparse'] })
   * const weights = await m3.lexicalWeights(embedding) // Map { 'What' => 0.08, 'B' => 0.25, ... }
   */
  async lexicalWeights(embedding: SparseInput): Promise<Map<string, number>> {
    return this.#withTokenizer((tokenizer) => wordWeights(tokenizer, embedding))
  }

  /**
   * Embeds texts that are tokens already: ids of this model's vocabulary. `<s>` and `</s>` are added
   * where they are missing. Never cached.
   *
   * @throws InvalidInputError for an id outside the vocabulary; otherwise as `embed` of an array
   */
  async embedTokens<
    const W extends OutputsOption | undefined = undefined,
    P extends Precision = 'float32',
    E extends 'throw' | 'collect' = 'throw',
  >(
    texts: readonly ArrayLike<number>[],
    options: EmbedOptionsFor<W, P, E> = {},
  ): Promise<ResultFor<E, Embedding<P, W>>[]> {
    this.#assertUsable()
    if (!Array.isArray(texts)) {
      throw new InvalidInputError(
        `embedTokens takes an array with the token ids of each text, not ${shown(texts)}.`,
      )
    }
    const resolved = this.#resolve(options, 'embedTokens')
    const ids = await this.#framed(texts, options)
    return (await this.#all(texts, resolved, { ids })) as ResultFor<E, Embedding<P, W>>[]
  }

  /**
   * The last hidden state of every token, as the encoder leaves it (`last_hidden_state` of Hugging Face's
   * `transformers`), `<s>` and `</s>` included. Takes texts, or the token ids of each as `embedTokens` does. Never
   * cached, never a fallback's. Memory: 4 bytes times the model's width a token.
   *
   * @throws InvalidInputError; BatchError whose `failures` name the texts
   * @example
   * const [{ states, tokenCount }] = await m3.tokenStates(['a text']) // states.rows === tokenCount
   */
  async tokenStates<E extends 'throw' | 'collect' = 'throw'>(
    texts: readonly (string | ArrayLike<number>)[],
    options: TokenStatesOptions<E> = {},
  ): Promise<ResultFor<E, TokenStates>[]> {
    this.#assertUsable()
    checkList(texts, 'The texts')
    refuseUnknown(options, STATE_OPTIONS, 'tokenStates')
    const { call, ...resolved } = this.#resolve(options, 'tokenStates')
    // a copy, because `every` passes over the holes of a sparse array
    const isIds = texts.length > 0 && Array.from(texts).every((text) => typeof text === 'object')
    const ids = isIds && (await this.#framed(texts as readonly ArrayLike<number>[], options))
    const results = await this.#all(
      texts,
      { ...resolved, call: { ...call, outputs: NO_OUTPUTS, cache: false } },
      { states: true, ...(ids && { ids }) },
    )
    return results as unknown as ResultFor<E, TokenStates>[]
  }

  /**
   * Documents in the order in which they answer a query, by this model's own outputs; a cross-encoder
   * (`Reranker`) does it better and slower. Documents are embedded through the cache.
   *
   * @throws InvalidInputError for options, and for outputs that the model does not give; the query's own
   * error; BatchError whose `failures` name the documents
   * @example
   * const best = await m3.rerank('a query', ['one text', 'another'], { by: 'colbert', topN: 10 })
   */
  async rerank(
    query: string,
    documents: readonly string[],
    options: OutputsRerankOptions = {},
  ): Promise<RankedDocument[]> {
    this.#assertUsable()
    return rerankByOutputs(this.#core, query, documents, options)
  }

  /** Measures, then sets what keeps the goals. */
  async #reach(goals: CheckedGoals, options: LoadOptions): Promise<void> {
    const { signal } = options
    const run = (texts: Uint32Array[]) => this.embedTokens(texts, { signal })
    const speed = await measureSpeed(run, this.info)
    const plan = await this.#model.use(async (engine) => planFor(goals, speed, engine, options))
    const { memory } = plan.goals
    // a limit under what is needed would only be an error; the plan tells that it is not met
    const memoryLimit = memory?.met ? (options.memoryLimit ?? memory.wanted) : options.memoryLimit
    await this.#model.swap({ batchTokens: plan.batchTokens, memoryLimit, signal })
    this.#plan = plan
  }

  /** Loads the weights if need be and runs one short text, so that the first real one is not slower. */
  async warmup(): Promise<void> {
    await this.embed('warm-up', { cache: false })
  }

  /** What is loaded, and how it runs. Only after the weights were read (`lazy: true` defers that). */
  get info(): EmbedderInfo {
    this.#assertUsable()
    const { takenOver } = this.#fallback ?? {}
    if (takenOver) return takenOver.info
    const engine = this.#model.current
    if (!engine) throw new InvalidInputError('The model is not loaded yet: call warmup() first.')
    return infoOf(engine, this.#plan)
  }

  /** Readings since the embedder was loaded. */
  stats(): EmbedderStats {
    this.#assertUsable()
    const { current, stats, cache, settings } = this.#model
    return statsOf(current, {
      stats,
      cache: cache?.stats() ?? null,
      fallbacks: this.#fallback?.count ?? 0,
      memoryLimit: settings?.memoryLimit ?? 0,
      batchTokens: settings?.batchTokens ?? 0,
    })
  }

  /** The cache, to warm it up, export, import or clear it; undefined where it is off. */
  get cache(): EmbeddingCache | undefined {
    this.#assertUsable()
    return this.#model.cache
  }

  /** Looks at everything in use and embeds a text to see that it works. */
  async diagnose(): Promise<Diagnosis> {
    this.#assertUsable()
    const embedder = this
    return diagnose({
      compute: (texts) => this.embed(texts, { cache: false }),
      stats: () => this.stats(),
      get info() {
        return embedder.info
      },
    })
  }

  /**
   * Puts another model behind this embedder. Calls made before it finish on the old model, calls made
   * after it resolves run on the new one; none is lost. When the new model cannot be loaded the old
   * one stays, and the error is thrown. Options that are not given keep their values.
   */
  async swapModel(options: LoadOptions): Promise<void> {
    this.#assertUsable()
    await this.#model.swap(options)
  }

  /** Gives the weights and the context back; the next call reads them again. Work under way is ended. */
  async unload(): Promise<void> {
    await this.#model.unload()
  }

  /** Ends everything: work under way rejects with `DisposedError`. Idempotent. */
  async dispose(): Promise<void> {
    this.#disposed = true
    await this.#model.close()
    await this.#fallback?.dispose()
  }

  /** `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  /** What `console.log` shows. */
  [INSPECT](_depth: number, options: object, inspect: typeof inspectValue): string {
    const engine = this.#disposed ? undefined : this.#model.current
    if (!engine) return `Embedder { ${this.#disposed ? 'disposed' : 'not loaded'} }`
    const { name, model, outputs, threads } = infoOf(engine)
    const given = Object.entries(outputs).flatMap(([output, isThere]) => (isThere ? [output] : []))
    return `Embedder ${inspect({ model: name || model, outputs: given, threads }, options)}`
  }

  /** With the tokenizer of the model that embeds. */
  async #withTokenizer<T>(use: (tokenizer: NativeTokenizer) => Promise<T> | T): Promise<T> {
    this.#assertUsable()
    const { takenOver } = this.#fallback ?? {}
    if (takenOver) return takenOver.#withTokenizer(use)
    return this.#model.use(async ({ tokenizer }) => use(tokenizer))
  }

  #assertUsable(): void {
    if (this.#disposed) throw new DisposedError()
  }

  async #framed(
    texts: readonly ArrayLike<number>[],
    { prompt }: Pick<EmbedOptions, 'prompt'>,
  ): Promise<Int32Array[]> {
    if (prompt !== undefined) {
      throw new InvalidInputError('Token ids take no `prompt`: it belongs to the tokens.')
    }
    const { ids: frame } = await this.tokenize('')
    const { vocabSize } = this.info
    return texts.map((text, index) => framed(text, frame, { vocabSize, index }))
  }

  #resolve(options: EmbedOptions, name: string): ResolvedCall {
    this.#assertUsable()
    return resolveCall(options, this.#model.defaults, OWN, name)
  }

  /** An embedding or an error per text. Bad texts are found before any text is computed. */
  #settle(
    texts: readonly unknown[],
    { call, timeout, onProgress }: ResolvedCall,
    extras: CallExtras,
  ): ReturnType<EmbedCore['embedSettled']> {
    const all: CallExtras = onProgress ? { ...extras, onProgress } : extras
    // a fallback has vectors, no states
    const core = extras.states ? this.#model : this.#core
    if (timeout === undefined) return core.embedSettled(texts, call, all)
    const deadline = new Deadline(call.signal, timeout).start()
    return core
      .embedSettled(texts, { ...call, signal: deadline.signal }, all)
      .finally(() => deadline.end())
  }

  /** @throws BatchError when a text failed and errors are not collected */
  async #all(
    texts: readonly unknown[],
    resolved: ResolvedCall,
    extras: CallExtras,
  ): Promise<Settled<Embedding<Precision>>[]> {
    const results = (await this.#settle(texts, resolved, extras)) as Settled<Embedding<Precision>>[]
    const failures = failuresOf(results)
    if (failures.length === 0 || resolved.call.onError === 'collect') return results
    throw new BatchError(failures, results.map(withoutErrors))
  }
}
