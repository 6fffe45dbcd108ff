/** Where embedded chunks go: the one thing that a loader, a queue worker and a search index ask of a store. */

import { InferenceError } from '../common/errors.js'
import type { EmbeddedChunk, Embedding, EmbeddingData, Precision } from '../common/types.js'

/** A chunk with its text, for stores that keep it; `text` is absent where only vectors are kept. */
export interface StoredChunk {
  chunk: Omit<EmbeddedChunk, 'embedding'> & { embedding: EmbeddingData }
  text?: string | undefined
}

/** A place for embedded chunks that can be prepared, written, asked what it has, and closed. */
export interface EmbeddingStore {
  /**
   * Creates what is missing and checks what is there.
   *
   * @throws InvalidInputError naming what does not fit, before any text is embedded
   */
  prepare(): Promise<void>
  /**
   * Idempotent by `chunk.id`: written twice is stored once, and the last one wins. All or nothing.
   * Rejects when it could not write after its own retries; then nothing of this call is stored.
   */
  write(chunks: readonly StoredChunk[]): Promise<void>
  /** Those of these ids that are stored already: for resuming. */
  stored(ids: readonly string[]): Promise<Set<string>>
  /** Removes these, where they are there. Without it chunks of a document that became shorter stay. */
  remove?(ids: readonly string[]): Promise<void>
  /** Safe to call more than once. */
  close(): Promise<void>
}

/** What vectors are that lie beside others and are compared with them: said in each call. */
export const COMPARABLE = { normalize: true, precision: 'float32' } as const

/** The error of a text that the fallback embedded: where vectors are kept, those of one model are. */
export function fallbackError(
  { fallback }: Pick<Embedding<Precision>, 'fallback'>,
  index?: number,
): InferenceError | undefined {
  if (fallback === undefined) return undefined
  return new InferenceError(
    'The model could not embed the text, and the vectors of its fallback do not compare with others.',
    { index },
  )
}
