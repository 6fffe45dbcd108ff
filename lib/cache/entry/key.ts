/**
 * Keys. An entry is found by the text, the model's fingerprint, the kind of output, and, for a text
 * that was cut, the limit it was cut at. Texts and fingerprints are known by their hashes only.
 */

import * as crypto from 'node:crypto'
import { isWellFormed } from '../../common/utf8.js'

/** Kinds of entry as they are stored: outputs as the engine gave them, and what somebody keeps by hand. */
export const Kind = { dense: 1, sparse: 2, colbert: 3, kept: 4 } as const
export type Kind = (typeof Kind)[keyof typeof Kind]

/** Those of the engine. */
export const OUTPUT_KINDS: readonly Kind[] = [Kind.dense, Kind.sparse, Kind.colbert]
export const KINDS: readonly Kind[] = [...OUTPUT_KINDS, Kind.kept]

export const OUTPUT_OF_KIND = { 1: 'dense', 2: 'sparse', 3: 'colbert', 4: 'kept' } as const

/** Bytes of SHA-256 that stand for a text: collisions are out of reach. */
export const TEXT_TAG_BYTES = 16
/** Bytes of SHA-256 that stand for a fingerprint; a machine meets a few dozen. */
export const MODEL_TAG_BYTES = 8

// The one-shot form came with Node 20.12 and 21.7, and saves half a microsecond.
const oneShot = (
  crypto as { hash?: (name: string, data: string | Uint8Array, encoding: 'binary') => string }
).hash

function sha256(data: string): string {
  return oneShot
    ? oneShot('sha256', data, 'binary')
    : crypto.createHash('sha256').update(data).digest('binary')
}

/**
 * The first 16 bytes of SHA-256 of the text in UTF-8, as 16 characters of one byte each. `undefined`
 * for a text with a lone surrogate: it has no UTF-8, and must not be taken for its replacement.
 */
export function textTag(text: string): string | undefined {
  if (!isWellFormed(text)) return undefined
  return sha256(text).slice(0, TEXT_TAG_BYTES)
}

/** A fingerprint, and what is derived from it once. */
export interface ModelKey {
  readonly fingerprint: string | undefined
  /** `MODEL_TAG_BYTES` of its SHA-256. */
  readonly tag: Buffer
  /** The tag as two little-endian words, as the index compares it. */
  readonly word0: number
  readonly word1: number
  /** Starts the keys of the memory tier. */
  readonly prefix: string
}

/** 16 hex digits that stand for a fingerprint. */
export function modelTag(fingerprint: string): string {
  return Buffer.from(sha256(fingerprint).slice(0, MODEL_TAG_BYTES), 'latin1').toString('hex')
}

/** The models that one cache has met. */
export class ModelKeys {
  #byTag = new Map<string, ModelKey>()
  #last: ModelKey | undefined

  of(fingerprint: string): ModelKey {
    const last = this.#last
    if (last?.fingerprint === fingerprint) return last
    const key = this.ofTag(modelTag(fingerprint), fingerprint)
    this.#last = key
    return key
  }

  /** @param tag 16 hex digits */
  ofTag(tag: string, fingerprint?: string): ModelKey {
    const known = this.#byTag.get(tag)
    if (known && (known.fingerprint !== undefined || fingerprint === undefined)) return known
    const bytes = Buffer.from(tag, 'hex')
    const key: ModelKey = {
      fingerprint,
      tag: bytes,
      word0: bytes.readUInt32LE(0),
      word1: bytes.readUInt32LE(4),
      prefix: known?.prefix ?? `${this.#byTag.size}:`,
    }
    this.#byTag.set(tag, key)
    return key
  }
}

/**
 * The key of an entry in the memory tier.
 *
 * @param variant 0 for a whole text, else the limit in tokens that it was cut at
 */
export function entryKey(model: ModelKey, tag: string, kind: Kind, variant: number): string {
  return variant === 0 ? model.prefix + kind + tag : model.prefix + kind + tag + variant
}

/** Uses of an entry that the disk tier has not been told of. */
export interface Touch {
  readonly model: ModelKey
  readonly tag: string
  readonly kind: Kind
  readonly variant: number
  hits: number
  lastAccess: number
  /** Whether it waits in the list of those to write. */
  listed: boolean
}
