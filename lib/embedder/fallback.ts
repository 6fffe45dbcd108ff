/** A model with something behind it, that takes over when it cannot be loaded, or fails on a text. */
import { throwIfAborted } from '../common/abort.js'
import { EmbedderError, InferenceError, ModelNotFoundError } from '../common/errors.js'
import { isModelFailure, withIndex } from '../common/item-errors.js'
import { performance } from '../common/timers.js'
import type {
  Embedding,
  EmbedOptions,
  FallbackFunction,
  Precision,
  Settled,
} from '../common/types.js'
import type { Config } from '../options/table.js'
import type { CallOptions } from './call/call-options.js'
import type { CallExtras, EmbedCore } from './call/embed-core.js'
import type { ModelHandle } from './model-handle.js'

type Result = Settled<Embedding<Precision>>

/** What is needed of another model's embedder. */
export interface OtherEmbedder {
  embed(texts: readonly string[], options: EmbedOptions & { onError: 'collect' }): Promise<Result[]>
  readonly info: { fingerprint: string }
  dispose(): Promise<void>
}

export class WithFallback<Other extends OtherEmbedder> implements EmbedCore {
  readonly #model: ModelHandle
  readonly #choice: string | FallbackFunction
  readonly #openModel: (path: string) => Promise<Other>
  #embedder: Promise<Other> | undefined
  /** The other model's embedder, where ours could not be loaded. */
  takenOver: Other | undefined
  /** Texts that it embedded. */
  count = 0

  constructor(
    model: ModelHandle,
    choice: string | FallbackFunction,
    open: (path: string) => Promise<Other>,
  ) {
    this.#model = model
    this.#choice = choice
    this.#openModel = open
  }

  get defaults(): Config {
    return this.#model.defaults
  }

  warn(message: string): void {
    this.#model.warn(message)
  }

  async fingerprint(): Promise<string> {
    return this.takenOver?.info.fingerprint ?? this.#model.fingerprint()
  }

  /**
   * As the model does it, with an embedding in the place of every failure of the model; where the
   * fallback fails as well the first error stays.
   */
  async embedSettled(
    texts: readonly unknown[],
    call: CallOptions,
    extras?: CallExtras,
  ): Promise<Result[]> {
    if (this.takenOver) return this.#embed(texts, call)
    let results: Result[]
    try {
      results = await this.#model.embedSettled(texts, call, { ...extras, hasFallback: true })
    } catch (error) {
      if (!this.mayTakeOver(error) || this.#model.current) throw error
      return this.#embed(texts, call)
    }
    // a call that was refused as a whole has holes
    if (!results.includes(undefined as never)) await this.#rescue(results, texts, call)
    return results
  }

  /** Whether the fallback is for that: not for a path that was named and leads nowhere. */
  mayTakeOver(error: unknown): error is EmbedderError {
    const { model, heads } = this.defaults
    const isNamed = model !== undefined || heads !== undefined
    return isModelFailure(error) && !(error instanceof ModelNotFoundError && isNamed)
  }

  /** The model cannot be used from the start: a wrong path of the fallback is known at once, too. */
  async takeOver(error: EmbedderError): Promise<void> {
    this.warn(`The model cannot be used (${error.code}): the fallback takes over. ${error.message}`)
    if (typeof this.#choice === 'string') this.takenOver = await this.#load(this.#choice)
  }

  async dispose(): Promise<void> {
    const embedder = await this.#embedder?.catch(() => undefined)
    await embedder?.dispose()
  }

  async #rescue(results: Result[], texts: readonly unknown[], call: CallOptions): Promise<void> {
    const failed: number[] = []
    results.forEach((result, index) => {
      if (isModelFailure(result)) failed.push(index)
    })
    if (failed.length === 0) return
    const first = results[failed[0] as number] as EmbedderError
    this.warn(`The fallback takes over for ${failed.length} texts: ${first.code}.`)
    const rescued = await this.#embed(
      failed.map((index) => texts[index]),
      call,
    ).catch((error) => {
      throwIfAborted(call.signal)
      this.warn(`The fallback failed too: ${(error as Error)?.name ?? typeof error}.`)
      return []
    })
    rescued.forEach((result, i) => {
      if (!(result instanceof EmbedderError)) results[failed[i] as number] = result
    })
  }

  /** A result per text from the fallback alone. */
  async #embed(texts: readonly unknown[], call: CallOptions): Promise<Result[]> {
    const started = performance.now()
    const results = await this.#run(texts, { ...call, onError: 'collect' })
    if (!Array.isArray(results) || results.length !== texts.length) {
      throw new InferenceError('The fallback did not give a result for every text.')
    }
    const totalMs = performance.now() - started
    return results.map((result, index): Result => {
      if (result instanceof EmbedderError) return withIndex(result, index)
      this.count++
      const timings = { tokenizeMs: 0, queueMs: 0, computeMs: 0, totalMs }
      return { timings, cached: false, fallback: 'function', ...result }
    })
  }

  async #run(texts: readonly unknown[], options: EmbedOptions & { onError: 'collect' }) {
    const choice = this.#choice
    if (typeof choice === 'function') return choice(texts as readonly string[], options)
    const embedder = await this.#load(choice)
    const results: Result[] = await embedder.embed(texts as readonly string[], options)
    const { fingerprint } = embedder.info
    return results.map((result) =>
      result instanceof EmbedderError ? result : { ...result, fallback: fingerprint },
    )
  }

  #load(path: string): Promise<Other> {
    if (this.#embedder) return this.#embedder
    const loading = this.#openModel(path)
    this.#embedder = loading
    loading.catch(() => {
      if (this.#embedder === loading) this.#embedder = undefined
    })
    return loading
  }
}
