/** A model's tokenizer without its weights. */

import { throwIfAborted } from '../common/abort.js'
import { DisposedError } from '../common/errors.js'
import { namesOf } from '../common/given.js'
import { isPlain } from '../common/realms.js'
import type {
  CountOptions,
  DecodeOptions,
  PlacedToken,
  TokenizeOptions,
  TokenizeResult,
  TokenPiece,
} from '../common/types.js'
import { loadError } from '../engine/load-error.js'
import type { NativeTokenizer } from '../native/addon.js'
import { loadAddon } from '../native/load.js'
import { resolveOptions } from '../options/table.js'
import type { LoadOptions } from '../options/types.js'
import type { SparseInput } from '../scoring/outputs-of.js'
import { checkLoadOptions, pathOfModel } from './load-options.js'
import { countTexts, decodeIds, piecesOf, tokenizeText, wordWeights } from './tokens.js'

/** Options of `Tokenizer.load`: those of `Embedder.load` that have a meaning here. */
export type TokenizerOptions = Pick<
  LoadOptions,
  'model' | 'cacheDir' | 'download' | 'onProgress' | 'logger' | 'signal'
>

const NAMES = namesOf<TokenizerOptions>({
  model: 1,
  cacheDir: 1,
  download: 1,
  onProgress: 1,
  logger: 1,
  signal: 1,
})

/** What is loaded. */
export interface TokenizerInfo {
  /** Absolute path. */
  model: string
  /** Token ids are below it. */
  vocabSize: number
  /** The most tokens that the model takes, those that begin and end a text included. */
  maxTokens: number
}

/**
 * Tokenizes as an `Embedder` of the same model does, at a small part of its memory: weights are not read.
 * Make it with `Tokenizer.load`, end it with `dispose`. `chunkText` and the queue's producer take it.
 */
export class Tokenizer {
  readonly #native: NativeTokenizer
  readonly #info: TokenizerInfo
  #disposed = false

  private constructor(native: NativeTokenizer, info: TokenizerInfo) {
    this.#native = native
    this.#info = info
  }

  /**
   * Reads the tokenizer of a model: a path or name, or options with it, as `Embedder.load` takes them.
   *
   * @throws ModelNotFoundError, DownloadError, ModelLoadError, InvalidInputError
   * @example
   * const tokenizer = await Tokenizer.load('bge-m3')
   * const chunks = await chunkText('A long text.', { tokenizer, maxTokens: 500 })
   */
  static async load(model: TokenizerOptions['model'] | TokenizerOptions = {}): Promise<Tokenizer> {
    const options = isPlain(model) ? (model as TokenizerOptions) : { model: model as string }
    checkLoadOptions(options, 'Tokenizer.load', NAMES)
    throwIfAborted(options.signal)
    const path = await pathOfModel(resolveOptions({ ...options }), options)
    const native = await loadAddon()
      .loadTokenizer(path)
      .catch((error) => {
        throw loadError(path, error)
      })
    const { vocabSize, contextLength } = native.info()
    const tokenizer = new Tokenizer(native, { model: path, vocabSize, maxTokens: contextLength })
    if (options.signal?.aborted) await tokenizer.dispose()
    throwIfAborted(options.signal)
    return tokenizer
  }

  /** What is loaded. */
  get info(): TokenizerInfo {
    return { ...this.#info }
  }

  /** As `Embedder.tokenize`. */
  tokenize(
    text: string,
    options: TokenizeOptions & { pieces: true },
  ): Promise<TokenizeResult & { pieces: PlacedToken[] }>
  tokenize(text: string, options?: TokenizeOptions): Promise<TokenizeResult>
  async tokenize(text: string, options?: TokenizeOptions): Promise<TokenizeResult> {
    return tokenizeText(this.#usable(), text, options)
  }

  /** As `Embedder.countTokens`. */
  countTokens(text: string, options?: CountOptions): Promise<number>
  countTokens(texts: readonly string[], options?: CountOptions): Promise<number[]>
  async countTokens(
    input: string | readonly string[],
    options?: CountOptions,
  ): Promise<number | number[]> {
    return countTexts(this.#usable(), input, options)
  }

  /** As `Embedder.pieces`. */
  async pieces(ids: ArrayLike<number>): Promise<TokenPiece[]> {
    return piecesOf(this.#usable(), ids)
  }

  /** As `Embedder.decode`. */
  async decode(ids: ArrayLike<number>, options?: DecodeOptions): Promise<string> {
    return decodeIds(this.#usable(), ids, options)
  }

  /** As `Embedder.lexicalWeights`. */
  async lexicalWeights(embedding: SparseInput): Promise<Map<string, number>> {
    return wordWeights(this.#usable(), embedding)
  }

  /** Gives the vocabulary back. Idempotent. */
  async dispose(): Promise<void> {
    if (this.#disposed) return
    this.#disposed = true
    await this.#native.release()
  }

  /** `dispose`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  #usable(): NativeTokenizer {
    if (this.#disposed) throw new DisposedError()
    return this.#native
  }
}
