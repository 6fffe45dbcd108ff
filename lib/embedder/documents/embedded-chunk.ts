/** From an embedding to the record that is kept of a chunk. */

import { InferenceError, InvalidInputError } from '../../common/errors.js'
import { shown } from '../../common/given.js'
import type { EmbeddedChunk, Embedding, Precision } from '../../common/types.js'
import { norm } from '../../scoring/dense.js'
import type { CheckedChunk } from './chunk-input.js'

/** 0 to 1, of a dense vector in any precision. */
export type ScoreVector = (vector: NonNullable<Embedding<Precision>['dense']>) => number

/** Options of chunks, documents and streams that `embed` has not. */
export interface RecordOptions {
  keepText: boolean
  /** Soundness below which a vector is a failure; 0 for none. */
  minQuality: number
}

/** What a call knows of all its chunks. */
export interface ChunkRecord extends RecordOptions {
  /** Fingerprint of the model that the call runs on. */
  model: string
  score: ScoreVector
}

/**
 * The record of a chunk, or an error where its vector is not sound enough. Fields of the chunk that have a name
 * of ours give way.
 */
export function embeddedChunk<P extends Precision>(
  { id, text, metadata, fields }: CheckedChunk,
  embedding: Embedding<P>,
  { model, score, keepText, minQuality }: ChunkRecord,
): EmbeddedChunk<P> | InferenceError {
  const { dense } = embedding
  const qualityScore = dense && score(dense)
  const unsound = qualityScore === undefined ? undefined : unsoundness(qualityScore, minQuality)
  if (unsound) return unsound
  return {
    ...fields,
    id,
    ...(keepText && { text: text as string }),
    metadata,
    embedding,
    norm: dense ? norm(dense) : Number.NaN,
    ...(qualityScore !== undefined && { qualityScore }),
    model: embedding.fallback ?? model,
    createdAt: new Date(),
    timings: embedding.timings,
  }
}

/** An error for a vector whose soundness is below what is asked for. */
export function unsoundness(score: number, least: number): InferenceError | undefined {
  if (score >= least) return undefined
  const found = Math.floor(score * 1000) / 1000
  return new InferenceError(`The vector's soundness is ${found}, and \`minQuality\` is ${least}.`)
}

/** These options, and the others. @throws InvalidInputError */
export function takeRecordOptions<O extends Partial<{ [K in keyof RecordOptions]: unknown }>>(
  options: O,
): { record: RecordOptions; rest: Omit<O, keyof RecordOptions> } {
  // whoever checks the others says what is wrong with what is no options
  const isOptions = typeof options === 'object' && options !== null && !Array.isArray(options)
  const { keepText = true, minQuality = 0, ...rest } = isOptions ? options : ({} as O)
  if (typeof keepText !== 'boolean') {
    throw new InvalidInputError(
      `The option \`keepText\` must be true or false, not ${shown(keepText)}.`,
    )
  }
  if (typeof minQuality !== 'number' || !(minQuality >= 0 && minQuality <= 1)) {
    throw new InvalidInputError(
      `The option \`minQuality\` must be a number from 0 to 1, not ${shown(minQuality)}.`,
    )
  }
  const others = isOptions ? rest : options
  return { record: { keepText, minQuality }, rest: others as Omit<O, keyof RecordOptions> }
}
