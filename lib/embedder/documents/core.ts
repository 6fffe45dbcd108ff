/** What streams, chunks and documents need of an embedder, and no more. */
import type { BatchInfo, Embedding, EmbedOptions, Precision, Settled } from '../../common/types.js'

/** What a call tells while it runs. A hook must not throw. */
export interface EmbedHooks {
  /** Fingerprint of the model that this call runs on; before any result. */
  onModel?(fingerprint: string): void
  /**
   * A micro-batch ran, before its texts' results come.
   *
   * @param indices this call's texts in it: positions in `texts`
   */
  onBatch?(batch: BatchInfo, indices: readonly number[]): void
  /**
   * A text is done, in any order. What is an error here may be another result in the end (a fallback
   * may have taken over), so only embeddings are final.
   */
  onResult?(index: number, result: Settled<Embedding<Precision>>): void
}

export interface EmbedCore {
  /**
   * A result or an error per text, in input order; rejects only with the signal's reason, when the
   * embedder is disposed, and for wrong options. `timeout` and `onProgress` are the caller's business
   * and are not in `options`. With `onError: 'throw'` (the default) and a bad text nothing is computed,
   * and the places of the good texts stay empty.
   */
  embedSettled(
    texts: readonly unknown[],
    options: EmbedOptions,
    hooks?: EmbedHooks,
  ): Promise<(Settled<Embedding<Precision>> | undefined)[]>
  /** Fingerprint of the model in use now; loads it if need be. */
  fingerprint(): Promise<string>
  /** Something is wrong that stops no work. */
  warn(message: string): void
}
