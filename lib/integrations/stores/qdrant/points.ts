/** Embedded chunks as points, and how large they are as JSON. */

import type { Schemas } from '@qdrant/js-client-rest'
import { InvalidInputError } from '../../../common/errors.js'
import type { ColbertEmbedding, Outputs } from '../../../common/types.js'
import { shortestFloat32 } from '../../../outputs/shortest-decimal.js'
import { fallbackError, type StoredChunk } from '../../store.js'
import { pointId, wellFormed } from './point-id.js'

export type Point = Schemas['PointStruct']

/** A chunk, and what tells whether it has to be embedded again. */
export interface QdrantChunk extends StoredChunk {
  /** Hash of everything that the embedding depends on; kept in the payload. */
  digest?: string | undefined
}

/** What is kept beside a point's vectors. */
export interface QdrantPayload {
  /** The item's own id. */
  id: string
  text?: string
  metadata?: Record<string, unknown>
  /** Fingerprint of the model that made the vectors. */
  model: string
  digest?: string
}

export interface PointOptions {
  outputs: Required<Outputs>
  names: { dense: string; sparse: string; colbert: string }
  /** Whether payloads have the text. */
  keepText: boolean
}

/** A point, not yet with vectors as JSON has them: those are large, and made when their request is. */
export interface PreparedPoint {
  id: string
  /** Bytes of its JSON at most. */
  bytes: number
  /** Rows of the multi-vector were left out. */
  colbertCut: boolean
  build(): Point
}

/**
 * Qdrant refuses a multi-vector of 2^20 numbers and more: so it takes 1,023 rows of 1,024. Of a longer one
 * the first rows are kept.
 */
export const MULTIVECTOR_NUMBERS = 2 ** 20 - 1

/** The most bytes of a shortest decimal of a float32 below 10^7, with its comma: `-0.00000123456789,`. */
const NUMBER_BYTES = 18
/** Of a token id and its comma. */
const INDEX_BYTES = 11
/** Brackets, keys, and the rest around the vectors of a point. */
const ENVELOPE_BYTES = 200

/**
 * @throws InvalidInputError for an id, metadata or numbers that JSON or Qdrant cannot hold, InferenceError for
 *   a vector of the fallback
 */
export function preparePoint(item: QdrantChunk, options: PointOptions): PreparedPoint {
  const { outputs, names, keepText } = options
  const { chunk, text, digest } = item
  const { dense, sparse, colbert } = chunk.embedding
  const foreign = fallbackError(chunk.embedding)
  if (foreign) throw foreign
  const id = pointId(chunk.id)
  const payload: QdrantPayload = { id: chunk.id, model: chunk.model }
  if (keepText && text !== undefined) payload.text = wellFormed(text)
  if (chunk.metadata !== undefined) payload.metadata = asJson(chunk.metadata)
  if (digest !== undefined) payload.digest = digest
  const vectors: [string, () => Schemas['Vector']][] = []
  let bytes = ENVELOPE_BYTES + Buffer.byteLength(JSON.stringify(payload))
  let colbertCut = false
  if (outputs.dense) {
    if (!dense) throw missing('dense')
    bytes += sizeOf(names.dense, dense)
    vectors.push([names.dense, () => numbers(dense)])
  }
  if (outputs.sparse) {
    if (!sparse) throw missing('sparse')
    // a text without tokens has no weights: the point has no sparse vector, and no sparse query finds it
    if (sparse.indices.length > 0) {
      bytes += sizeOf(names.sparse, sparse.values) + INDEX_BYTES * sparse.indices.length
      vectors.push([
        names.sparse,
        () => ({ indices: Array.from(sparse.indices), values: numbers(sparse.values) }),
      ])
    }
  }
  if (outputs.colbert) {
    if (!colbert) throw missing('colbert')
    const kept = firstRows(colbert)
    colbertCut = kept.rows < colbert.rows
    if (kept.rows > 0) {
      bytes += sizeOf(names.colbert, kept.data) + 3 * kept.rows
      vectors.push([names.colbert, () => rowsOf(kept)])
    }
  }
  const build = (): Point => ({
    id,
    vector: Object.fromEntries(vectors.map(([name, make]) => [name, make()])),
    payload: payload as unknown as Record<string, unknown>,
  })
  return { id, bytes, colbertCut, build }
}

function missing(output: string): InvalidInputError {
  return new InvalidInputError(
    `An embedding has no ${output} output, which the store was opened for.`,
  )
}

/** Upper bound of a named vector's JSON, which is not made for that. */
function sizeOf(name: string, values: Float32Array): number {
  const bytes = Buffer.byteLength(JSON.stringify(name)) + 60
  let largest = 0
  for (const value of values) {
    const magnitude = Math.abs(value)
    if (!Number.isFinite(magnitude)) {
      throw new InvalidInputError('An embedding holds numbers that are not finite.')
    }
    if (magnitude > largest) largest = magnitude
  }
  // numbers that are no embedding's: they may be printed with up to 39 digits
  return bytes + values.length * (largest < 1e7 ? NUMBER_BYTES : 41)
}

/**
 * Decimals of 9 digits at most that read back as the same float32: two thirds of what float64 would print.
 * A multi-vector has a hundred thousand of them, so this is about time: pushed one by one they make an
 * array without holes, which `JSON.stringify` has a quick way for.
 */
export function numbers(values: Float32Array): number[] {
  const out: number[] = []
  for (const value of values) out.push(nineDigits(value))
  return out
}

/** Nine digits always tell a float32. The shortest may be fewer, and take four times as long to find. */
function nineDigits(value: number): number {
  const magnitude = Math.abs(value)
  let power = 1e9
  if (magnitude >= 0.1) {
    if (magnitude >= 1) return shortestFloat32(value)
  } else if (magnitude >= 0.01) power = 1e10
  else if (magnitude >= 0.001) power = 1e11
  else if (magnitude >= 1e-4) power = 1e12
  else if (magnitude >= 1e-5) power = 1e13
  else return shortestFloat32(value)
  // powers up to 10^22 are exact, so dividing by one rounds once: the double prints as these digits
  return Math.round(value * power) / power
}

export function firstRows({ data, rows, cols }: ColbertEmbedding): ColbertEmbedding {
  const kept = Math.min(rows, Math.floor(MULTIVECTOR_NUMBERS / cols))
  return kept < rows
    ? { data: data.subarray(0, kept * cols), rows: kept, cols }
    : { data, rows, cols }
}

export function rowsOf({ data, rows, cols }: ColbertEmbedding): number[][] {
  return Array.from({ length: rows }, (_, row) =>
    numbers(data.subarray(row * cols, (row + 1) * cols)),
  )
}

/** @throws InvalidInputError for what JSON cannot hold */
function asJson(metadata: Record<string, unknown>): Record<string, unknown> {
  try {
    const text = JSON.stringify(metadata, (_key, value: unknown) =>
      typeof value === 'string' ? wellFormed(value) : withWellFormedKeys(value),
    )
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    // what JSON.stringify says may quote what it stumbled over
    throw new InvalidInputError('The metadata of an item is not JSON: a cycle, or a bigint.')
  }
}

function withWellFormedKeys(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  if (Object.keys(value).every((key) => wellFormed(key) === key)) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [wellFormed(key), member]))
}
