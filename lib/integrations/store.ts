/** Where embedded chunks go: the one thing that a loader, a queue worker and a search index ask of a store. */

import type { EmbeddedChunk } from '../common/types.js'

/** A chunk with its text, for stores that keep it; `text` is absent where only vectors are kept. */
export interface StoredChunk {
  chunk: EmbeddedChunk
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
  /** Of these ids, those stored already: for resuming. */
  stored(ids: readonly string[]): Promise<Set<string>>
  /** Safe to call more than once. */
  close(): Promise<void>
}
