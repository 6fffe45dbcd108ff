/** What somebody asks a cache for, and what is there. */

import { InvalidInputError } from '../../common/errors.js'
import { shown } from '../../common/given.js'
import type { Embedding, OutputsOption, Precision } from '../../common/types.js'
import { TEXT_TAG_BYTES, textTag } from './key.js'
import type { Asked } from './types.js'

/** A text, or the SHA-256 of its UTF-8 bytes as 64 hex digits. */
export type CacheKey = string | { readonly hash: string }

/** What a cache has for a text. */
export interface CacheHit<W extends OutputsOption | undefined = OutputsOption> {
  /** As it was kept: of another `precision` than float32, if it was so. */
  embedding: Embedding<Precision, W>
  /** What was kept beside it, as JSON gives it back. */
  metadata: unknown
  /** When it was kept. */
  created: Date
}

/**
 * `undefined` for a text that is no Unicode.
 *
 * @throws InvalidInputError for what is neither a text nor a hash
 */
export function tagOf(key: CacheKey): string | undefined {
  if (typeof key === 'string') return textTag(key)
  const { hash } = Object(key) as { hash?: unknown }
  if (typeof hash !== 'string' || !/^[\da-f]{64}$/i.test(hash)) {
    throw new InvalidInputError(
      `A key must be a text, or { hash } with the 64 hex digits of its SHA-256, not ${shown(key)}.`,
    )
  }
  return Buffer.from(hash.slice(0, 2 * TEXT_TAG_BYTES), 'hex').toString('latin1')
}

/** Whether an embedding has all that is asked for. */
export function hasAll(embedding: Embedding<Precision>, asked: Asked): boolean {
  const { dense, sparse, colbert } = embedding
  return (!asked.dense || !!dense) && (!asked.sparse || !!sparse) && (!asked.colbert || !!colbert)
}
