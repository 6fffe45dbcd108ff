/**
 * Reads SentencePiece models: a protobuf `ModelProto` of which only what a unigram vocabulary needs is
 * looked at. Field numbers after `sentencepiece_model.proto`; everything unknown is skipped.
 */

import { ModelLoadError } from '../../common/errors.js'
import type { RandomAccess } from './random-access.js'

/** `ModelProto.SentencePiece.Type`; GGUF's token types have the same numbers. */
export const PieceType = {
  NORMAL: 1,
  UNKNOWN: 2,
  CONTROL: 3,
  USER_DEFINED: 4,
  UNUSED: 5,
  BYTE: 6,
} as const

export interface SentencePieceModel {
  /** UTF-8 of each piece, by id. */
  pieces: readonly Uint8Array[]
  /** Log probability of each. */
  scores: Float32Array
  /** A `PieceType` of each. */
  types: Uint8Array
  /** The normaliser's compiled replacement table; empty for identity. */
  charsmap: Uint8Array
  /** Whether text gets a space in front. */
  addDummyPrefix: boolean
  removeExtraWhitespaces: boolean
}

/** XLM-R's is 5 MB. */
const MAX_BYTES = 1 << 26
const MAX_PIECES = 1 << 21
const UNIGRAM = 1

/** @throws ModelLoadError when it is no SentencePiece model, or not a unigram one. */
export async function readSentencePiece(source: RandomAccess): Promise<SentencePieceModel> {
  if (source.size > MAX_BYTES) {
    throw new ModelLoadError(`${source.name} is too large for a SentencePiece model.`)
  }
  const bytes = await source.read(0, source.size)
  try {
    return parseModel(bytes)
  } catch (cause) {
    if (!(cause instanceof ModelLoadError)) throw cause
    throw new ModelLoadError(
      `${source.name} is not a valid SentencePiece model. ${cause.message}`,
      {
        cause,
      },
    )
  }
}

function parseModel(bytes: Uint8Array): SentencePieceModel {
  const pieces: Uint8Array[] = []
  const scores: number[] = []
  const types: number[] = []
  let charsmap: Uint8Array = NO_BYTES
  let addDummyPrefix = true
  let removeExtraWhitespaces = true
  for (const field of fields(bytes)) {
    if (field.number === 1) {
      if (pieces.length === MAX_PIECES) throw new ModelLoadError('It has too many pieces.')
      const { piece, score, type } = parsePiece(delimited(field))
      pieces.push(piece)
      scores.push(score)
      types.push(type)
    } else if (field.number === 2) {
      checkTrainerSpec(delimited(field))
    } else if (field.number === 3) {
      for (const part of fields(delimited(field))) {
        if (part.number === 2) charsmap = delimited(part).slice()
        else if (part.number === 3) addDummyPrefix = varint(part) !== 0
        else if (part.number === 4) removeExtraWhitespaces = varint(part) !== 0
      }
    }
  }
  if (pieces.length === 0) throw new ModelLoadError('It has no pieces.')
  return {
    pieces,
    scores: Float32Array.from(scores),
    types: Uint8Array.from(types),
    charsmap,
    addDummyPrefix,
    removeExtraWhitespaces,
  }
}

function parsePiece(bytes: Uint8Array): { piece: Uint8Array; score: number; type: number } {
  let piece: Uint8Array = NO_BYTES
  let score = 0
  let type: number = PieceType.NORMAL
  for (const field of fields(bytes)) {
    if (field.number === 1) piece = delimited(field)
    else if (field.number === 2) score = float32(field)
    else if (field.number === 3) type = varint(field)
  }
  if (!Number.isFinite(score)) throw new ModelLoadError('The score of a piece is not finite.')
  if (type < PieceType.NORMAL || type > PieceType.BYTE) {
    throw new ModelLoadError('A piece has a type that there is not.')
  }
  return { piece, score, type }
}

function checkTrainerSpec(bytes: Uint8Array): void {
  for (const field of fields(bytes)) {
    if (field.number === 3 && varint(field) !== UNIGRAM) {
      throw new ModelLoadError('It is not a unigram model.')
    }
  }
}

/** A protobuf field; `bytes` holds a fixed or delimited value, `value` a varint. */
interface Field {
  number: number
  wireType: number
  value: number
  bytes: Uint8Array
}

const VARINT = 0
const FIXED64 = 1
const DELIMITED = 2
const FIXED32 = 5
const NO_BYTES = new Uint8Array(0)

function* fields(bytes: Uint8Array): Generator<Field> {
  const reader = { bytes, at: 0 }
  while (reader.at < bytes.length) {
    const tag = readVarint(reader)
    const number = Math.floor(tag / 8)
    const wireType = tag % 8
    if (number === 0) throw new ModelLoadError('It has a field of number 0.')
    const field: Field = { number, wireType, value: 0, bytes: NO_BYTES }
    if (wireType === VARINT) field.value = readVarint(reader)
    else if (wireType === DELIMITED) field.bytes = readBytes(reader, readVarint(reader))
    else if (wireType === FIXED32) field.bytes = readBytes(reader, 4)
    else if (wireType === FIXED64) field.bytes = readBytes(reader, 8)
    else throw new ModelLoadError('It has a field of a kind protobuf no longer has.')
    yield field
  }
}

interface Reader {
  bytes: Uint8Array
  at: number
}

/** At most ten bytes. Beyond 2^53 it is only roughly right: fit for skipping, and no length passes. */
function readVarint(reader: Reader): number {
  let value = 0
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = reader.bytes[reader.at++]
    if (byte === undefined) throw cutShort()
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return value
  }
  throw new ModelLoadError('It has a number of more than ten bytes.')
}

function readBytes(reader: Reader, length: number): Uint8Array {
  if (!(reader.at + length <= reader.bytes.length)) throw cutShort()
  const start = reader.at
  reader.at += length
  return reader.bytes.subarray(start, reader.at)
}

function cutShort(): ModelLoadError {
  return new ModelLoadError('It is cut short.')
}

function delimited(field: Field): Uint8Array {
  if (field.wireType !== DELIMITED) throw wrongKind(field)
  return field.bytes
}

function varint(field: Field): number {
  if (field.wireType !== VARINT) throw wrongKind(field)
  return field.value
}

function float32(field: Field): number {
  if (field.wireType !== FIXED32) throw wrongKind(field)
  return new DataView(field.bytes.buffer, field.bytes.byteOffset, 4).getFloat32(0, true)
}

function wrongKind(field: Field): ModelLoadError {
  return new ModelLoadError(`Its field ${field.number} is of another kind than expected.`)
}
