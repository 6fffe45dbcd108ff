/** Writing what a store may not take whole. */

import { InvalidInputError, StoreError } from '../../common/errors.js'
import type { EmbeddingStore, StoredChunk } from '../store.js'

export interface RefusedChunk {
  id: string
  error: StoreError | InvalidInputError
}

/**
 * Writes chunks; where the store will not take one of them (its id is no value of a key column, say), that
 * one is found by halving, and the others are written.
 *
 * @param write one try after the other, until it is written or refused
 * @returns those that were not written
 * @throws what has nothing to do with single chunks; also when of several not one was taken, for then it is
 *   the store that does not fit
 */
export async function writeApart(
  write: EmbeddingStore['write'],
  chunks: readonly StoredChunk[],
): Promise<RefusedChunk[]> {
  const refused = await writeSome(write, chunks)
  if (chunks.length > 1 && refused.length === chunks.length) throw refused[0]?.error
  return refused
}

async function writeSome(
  write: EmbeddingStore['write'],
  chunks: readonly StoredChunk[],
): Promise<RefusedChunk[]> {
  try {
    if (chunks.length > 0) await write(chunks)
    return []
  } catch (error) {
    if (!isRefusal(error)) throw error
    const [first] = chunks
    if (chunks.length === 1 && first) return [{ id: first.chunk.id, error }]
    const half = chunks.length >> 1
    return [
      ...(await writeSome(write, chunks.slice(0, half))),
      ...(await writeSome(write, chunks.slice(half))),
    ]
  }
}

function isRefusal(error: unknown): error is StoreError | InvalidInputError {
  return error instanceof InvalidInputError || (error instanceof StoreError && error.refused)
}
