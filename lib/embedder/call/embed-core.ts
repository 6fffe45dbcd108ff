/** What embeds texts for `embed`, streams, chunks and documents: a model, or one with a fallback behind it. */
import type { BatchInfo, Embedding, EmbedOptions, Precision, Settled } from '../../common/types.js'
import type { Config } from '../../options/table.js'
import type { CallOptions } from './call-options.js'

/** What a call tells while it runs. A hook must not throw. */
export interface EmbedHooks {
  /** Fingerprint of the model that this call runs on; before any result. */
  onModel?(fingerprint: string): void
  /**
   * A micro-batch ran, before its texts' results come.
   *
   * @param indices this call's texts in it: positions in `texts`
   */
  onBatch?: ((batch: BatchInfo, indices: readonly number[]) => void) | undefined
  /**
   * A text is done, in any order. What is an error here may be another result in the end (a fallback
   * may have taken over), so only embeddings are final.
   */
  onResult?(index: number, result: Settled<Embedding<Precision>>): void
}

/** How a call differs from an ordinary one of an array of texts. */
export interface CallExtras extends EmbedHooks {
  /** The text is not one of an array: errors carry no index. */
  single?: boolean
  /** The texts are tokens already; the cache, which goes by text, is left alone. */
  ids?: readonly Int32Array[]
  /** They are pairs: the tokens of each one's first part, separators included. */
  firsts?: ArrayLike<number>
  /** Also the last hidden state of every token; the cache, which has none, is left alone. */
  states?: boolean
  onProgress?: EmbedOptions['onProgress']
  /** A fallback stands behind: what this model cannot do is no reason to refuse the others. */
  hasFallback?: boolean
}

export interface EmbedCore {
  /** Options that a call does not name: the environment's, then the table's. */
  readonly defaults: Config
  /**
   * A result or an error per text, in input order; rejects only with the signal's reason, when the
   * embedder is disposed, and for what the model cannot give. With `onError: 'throw'` and a bad text
   * nothing is computed, and the places of the good texts stay empty.
   */
  embedSettled(
    texts: readonly unknown[],
    call: CallOptions,
    extras?: CallExtras,
  ): Promise<(Settled<Embedding<Precision>> | undefined)[]>
  /** Fingerprint of the model in use now; loads it if need be. */
  fingerprint(): Promise<string>
  /** Something is wrong that stops no work. */
  warn(message: string): void
}
