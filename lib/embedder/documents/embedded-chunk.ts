/** From an embedding to the record that is kept of a chunk. */

import { InvalidInputError } from '../../common/errors.js'
import { shown } from '../../common/given.js'
import type { EmbeddedChunk, Embedding, Precision } from '../../common/types.js'
import { norm } from '../../scoring/dense.js'
import type { CheckedChunk } from './chunk-input.js'

/** 0 to 1, of a dense vector in any precision. */
export type ScoreVector = (vector: NonNullable<Embedding<Precision>['dense']>) => number

/** What a call knows of all its chunks. */
export interface ChunkRecord {
  /** Fingerprint of the model that the call runs on. */
  model: string
  score: ScoreVector
  keepText: boolean
}

/** Fields of the chunk that have a name of ours give way. */
export function embeddedChunk<P extends Precision>(
  { id, text, metadata, fields }: CheckedChunk,
  embedding: Embedding<P>,
  { model, score, keepText }: ChunkRecord,
): EmbeddedChunk<P> {
  const { dense } = embedding
  const chunk: EmbeddedChunk<P> = {
    ...fields,
    id,
    ...(keepText && { text: text as string }),
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

/** The option of chunks, documents and streams, and the others. @throws InvalidInputError */
export function takeKeepText<O extends { keepText?: boolean | undefined }>(
  options: O,
): { keepText: boolean; rest: Omit<O, 'keepText'> } {
  // whoever checks the others says what is wrong with what is no object
  if (Object(options) !== options) return { keepText: true, rest: options }
  const { keepText = true, ...rest } = options
  if (typeof keepText !== 'boolean') {
    throw new InvalidInputError(
      `The option \`keepText\` must be true or false, not ${shown(keepText)}.`,
    )
  }
  return { keepText, rest }
}
