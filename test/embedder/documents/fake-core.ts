/** An embedder without an engine: what it does and when is the test's to say. */
import { throwIfAborted } from '../../../lib/common/abort.js'
import {
  type EmbedderError,
  InputTooLongError,
  InvalidInputError,
} from '../../../lib/common/errors.js'
import { sleep } from '../../../lib/common/timers.js'
import type { EmbedCore, EmbedHooks } from '../../../lib/embedder/call/embed-core.js'
import type { Embedding, EmbedOptions, Precision, Settled } from '../../../lib/index.js'
import { resolveOptions } from '../../../lib/options/table.js'
import { MadeEmbedding } from '../../../lib/outputs/embedding.js'

export interface FakeOptions {
  /** Milliseconds for one text. */
  delay?: number | ((text: string) => number)
  /** What becomes of a text instead of an embedding. */
  fail?: (text: string) => EmbedderError | undefined
  /** Runs before each call. */
  onCall?: (texts: readonly unknown[], options: EmbedOptions) => void
  /** Whether results are told as they are made. */
  hooks?: boolean
}

export class FakeCore implements EmbedCore {
  readonly defaults = resolveOptions()
  model = 'model-1'
  calls: number[] = []
  optionsSeen: EmbedOptions[] = []
  warnings: string[] = []
  /** Texts in calls that have not come back. */
  inFlight = 0
  maxInFlight = 0
  aborted = 0
  readonly #options: FakeOptions
  #engine: Promise<void> = Promise.resolve()

  constructor(options: FakeOptions = {}) {
    this.#options = options
  }

  async fingerprint(): Promise<string> {
    return this.model
  }

  warn(message: string): void {
    this.warnings.push(message)
  }

  async embedSettled(
    texts: readonly unknown[],
    options: EmbedOptions,
    hooks: EmbedHooks = {},
  ): Promise<Settled<Embedding<Precision>>[]> {
    this.#options.onCall?.(texts, options)
    this.calls.push(texts.length)
    this.optionsSeen.push(options)
    this.inFlight += texts.length
    this.maxInFlight = Math.max(this.maxInFlight, this.inFlight)
    try {
      return await this.#run(texts, options, this.#options.hooks === false ? {} : hooks)
    } catch (error) {
      if (options.signal?.aborted) this.aborted++
      throw error
    } finally {
      this.inFlight -= texts.length
    }
  }

  async #run(
    texts: readonly unknown[],
    options: EmbedOptions,
    hooks: EmbedHooks,
  ): Promise<Settled<Embedding<Precision>>[]> {
    const results: Settled<Embedding<Precision>>[] = new Array(texts.length)
    const { delay = 0 } = this.#options
    hooks.onModel?.(this.model)
    const before = this.#engine
    let done = () => {}
    this.#engine = new Promise((resolve) => {
      done = resolve
    })
    try {
      await before
      for (const [i, text] of texts.entries()) {
        throwIfAborted(options.signal)
        const ms = typeof delay === 'number' ? delay : delay(String(text))
        if (ms > 0) await sleep(ms, options.signal)
        results[i] = this.#embed(text, i)
        const tokens = String(text).length
        hooks.onBatch?.(
          {
            id: 1,
            texts: 1,
            tokens,
            allTexts: 2,
            allTokens: 2 * tokens,
            computeMs: ms + 1,
            peakBytes: 1,
            errors: 0,
          },
          [i],
        )
        hooks.onResult?.(i, results[i] as Settled<Embedding<Precision>>)
      }
      return results
    } catch (error) {
      throw options.signal?.aborted ? options.signal.reason : error
    } finally {
      done()
    }
  }

  #embed(text: unknown, index: number): Settled<Embedding<Precision>> {
    if (typeof text !== 'string') {
      return new InvalidInputError(`The text at index ${index} must be a string.`, { index })
    }
    if (text.length > 10_000) {
      return new InputTooLongError(`The text at index ${index} is too long.`, {
        index,
        tokenCount: text.length,
        maxTokens: 10_000,
      })
    }
    return this.#options.fail?.(text) ?? fakeEmbedding(text)
  }
}

export function fakeEmbedding(text: string): Embedding {
  const dense = new Float32Array(16)
  for (let i = 0; i < 16; i++) dense[i] = Math.sin((i + 1) * (text.length + 1) + text.charCodeAt(0))
  const length = Math.hypot(...dense)
  const timings = { tokenizeMs: 1, queueMs: 2, computeMs: 3, totalMs: 6 }
  const embedding = new MadeEmbedding(text.length, false, text.startsWith('cached'), timings)
  embedding.dense = dense.map((x) => x / length)
  return embedding as Embedding
}
