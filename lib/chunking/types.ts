/** The types of chunking. */
import type { AbortSignalLike } from '../common/abort.js'

/** What knows how many tokens a text has; an `Embedder` is one. */
export interface TokenCounter {
  /** Tokens of every text as the model will see them, begin and end tokens included. */
  countTokens(texts: readonly string[]): Promise<readonly number[]> | readonly number[]
}

/** How a text is cut. */
export interface ChunkTextOptions {
  /** What counts tokens: an `Embedder`. */
  tokenizer: TokenCounter
  /**
   * The most tokens a chunk may have, **`<s>` and `</s>` included**: what `countTokens` gives and what
   * `Embedding.tokenCount` will be. Default: 500.
   */
  maxTokens?: number
  /**
   * The most tokens (without `<s>` and `</s>`) that a chunk repeats of the one before it; at most half
   * of `maxTokens`. Default: 50, or a tenth of `maxTokens` where that is less.
   */
  overlap?: number
  /** Language of the text for sentences and words (BCP 47). The rules differ little; default: `en`. */
  language?: string
  /** Gives up; the call rejects with its reason. */
  signal?: AbortSignalLike
}

/** A part of a text. */
export interface TextChunk {
  /** `text.slice(start, end)` of what was cut, unchanged. */
  text: string
  /** First UTF-16 unit. */
  start: number
  /** Behind the last UTF-16 unit. */
  end: number
  /** `<s>` and `</s>` included. */
  tokenCount: number
}
