/** What takes over when the model cannot be loaded, or fails on a text. */
import { EmbedderError, type ErrorCode, InferenceError } from '../common/errors.js'
import { withIndex } from '../common/item-errors.js'
import type {
  Embedding,
  EmbedOptions,
  FallbackFunction,
  Precision,
  Settled,
} from '../common/types.js'

type Result = Settled<Embedding<Precision>>

/** Failures of the model; what is wrong with a text or an option is wrong for every model. */
const OF_THE_MODEL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'MODEL_NOT_FOUND',
  'MODEL_LOAD',
  'INTEGRITY',
  'INFERENCE',
  'MEMORY_LIMIT',
])

/** What is needed of another model's embedder. */
export interface OtherEmbedder {
  embed(texts: readonly string[], options: EmbedOptions & { onError: 'collect' }): Promise<Result[]>
  readonly info: { fingerprint: string }
  dispose(): Promise<void>
}

export function isModelFailure(error: unknown): error is EmbedderError {
  return error instanceof EmbedderError && OF_THE_MODEL.has(error.code)
}

export class Fallback<Other extends OtherEmbedder> {
  readonly #choice: string | FallbackFunction
  readonly #openModel: (path: string) => Promise<Other>
  readonly #warn: (message: string) => void
  #embedder: Promise<Other> | undefined
  /** Texts that it embedded. */
  count = 0

  constructor(
    choice: string | FallbackFunction,
    { open, warn }: { open: (path: string) => Promise<Other>; warn: (message: string) => void },
  ) {
    this.#choice = choice
    this.#openModel = open
    this.#warn = warn
  }

  /** Loads the other model now, so that a wrong path is known at once; a function has none. */
  async open(): Promise<Other | undefined> {
    return typeof this.#choice === 'string' ? this.#load(this.#choice) : undefined
  }

  /**
   * Puts an embedding in the place of every failure of the model; where the fallback fails as well
   * the first error stays.
   */
  async rescue(results: Result[], texts: readonly unknown[], options: EmbedOptions): Promise<void> {
    const failed: number[] = []
    results.forEach((result, index) => {
      if (isModelFailure(result)) failed.push(index)
    })
    if (failed.length === 0) return
    const first = results[failed[0] as number] as EmbedderError
    this.#warn(`The fallback takes over for ${failed.length} texts: ${first.code}.`)
    const rescued = await this.embed(
      failed.map((index) => texts[index]),
      options,
    ).catch((error) => {
      options.signal?.throwIfAborted()
      this.#warn(`The fallback failed too: ${(error as Error)?.name ?? typeof error}.`)
      return []
    })
    rescued.forEach((result, i) => {
      if (!(result instanceof EmbedderError)) results[failed[i] as number] = result
    })
  }

  /** A result per text from the fallback alone. */
  async embed(texts: readonly unknown[], options: EmbedOptions): Promise<Result[]> {
    const started = performance.now()
    const results = await this.#run(texts, { ...options, onError: 'collect' })
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

  async dispose(): Promise<void> {
    const embedder = await this.#embedder?.catch(() => undefined)
    await embedder?.dispose()
  }
}
