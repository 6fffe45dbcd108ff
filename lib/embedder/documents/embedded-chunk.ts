/** From an embedding to the record that is kept of a chunk. */

import type { EmbeddedChunk, Embedding, Precision } from '../../common/types.js'
import { norm } from '../../scoring/dense.js'
import type { CheckedChunk } from './chunk-input.js'

/** 0 to 1, of a dense vector in any precision. */
export type ScoreVector = (vector: NonNullable<Embedding<Precision>['dense']>) => number

/** @param model fingerprint of the model that the call runs on */
export function embeddedChunk<P extends Precision>(
  { id, metadata }: CheckedChunk,
  embedding: Embedding<P>,
  model: string,
  score: ScoreVector,
): EmbeddedChunk<P> {
  const { dense } = embedding
  const chunk: EmbeddedChunk<P> = {
    id,
    metadata,
    embedding,
    norm: dense ? norm(dense) : Number.NaN,
    model: embedding.fallback ?? model,
    createdAt: new Date(),
    timings: embedding.timings,
  }
  if (dense) chunk.qualityScore = score(dense)
  return chunk
}
