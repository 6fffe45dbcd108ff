/**
 * What somebody keeps by hand: an embedding as it is, of any precision, and data beside it, as one value.
 *
 *     0   bytes of the head                                   4, little-endian
 *     4   head: JSON of `Head`
 *     ..  for each array its numbers, from a multiple of 4 on
 */

import { InvalidInputError } from '../../common/errors.js'
import { checkObject, shown } from '../../common/given.js'
import { isTyped } from '../../common/realms.js'
import type { Embedding, OutputValues, Precision, PrecisionArrays } from '../../common/types.js'
import { MadeEmbedding } from '../../outputs/embedding.js'

/** The outputs, and what is known of the text: an `Embedding`, or a part of one. */
export interface KeptEmbedding extends Partial<OutputValues<Precision>> {
  /** Tokens of the text, 1 to 16,777,216. Default: 1. */
  tokenCount?: number
  /** Whether the text was cut. Default: false. */
  truncated?: boolean
}

const ARRAYS = {
  Float32Array,
  Uint32Array,
  Uint16Array,
  Int8Array,
  Uint8Array,
} as const
type ArrayName = keyof typeof ARRAYS

/** What dense vectors and ColBERT rows may be. */
const VECTORS: readonly ArrayName[] = ['Float32Array', 'Uint16Array', 'Int8Array', 'Uint8Array']

interface Head {
  tokenCount: number
  truncated: boolean
  /** In the order in which they lie. */
  arrays: [name: string, type: ArrayName, length: number][]
  /** Rows and columns of ColBERT. */
  colbert?: [rows: number, cols: number]
  metadata?: unknown
}

type Numbers = PrecisionArrays[Precision] | Uint32Array

const MAX_TOKENS = 1 << 24

const aligned = (bytes: number) => Math.ceil(bytes / 4) * 4

/** @throws InvalidInputError for what is no embedding, has no output, is not finite, or for metadata that is no JSON */
export function encodeKept(given: KeptEmbedding, metadata: unknown): Uint8Array {
  checkObject(given, 'The embedding')
  const { tokenCount = 1, truncated = false } = given
  const isCount = Number.isInteger(tokenCount) && tokenCount >= 1 && tokenCount <= MAX_TOKENS
  if (!isCount || typeof truncated !== 'boolean') {
    throw new InvalidInputError('`tokenCount` must be a whole number, `truncated` true or false.')
  }
  const arrays = arraysOf(given)
  if (arrays.size === 0) throw new InvalidInputError('The embedding has no output.')
  const { colbert } = given
  const head: Head = {
    tokenCount,
    truncated,
    arrays: [...arrays].map(([name, array]) => [name, typeOf(array) as ArrayName, array.length]),
    ...(colbert && { colbert: [colbert.rows, colbert.cols] }),
    ...(metadata !== undefined && { metadata }),
  }
  const text = Buffer.from(json(head))
  let at = aligned(4 + text.length)
  const size = [...arrays.values()].reduce((sum, { byteLength }) => sum + aligned(byteLength), at)
  const bytes = Buffer.alloc(size)
  bytes.writeUInt32LE(text.length)
  text.copy(bytes, 4)
  for (const { buffer, byteOffset, byteLength } of arrays.values()) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at)
    at += aligned(byteLength)
  }
  // no Buffer: its `slice` is no copy
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

function arraysOf({ dense, sparse, colbert }: KeptEmbedding): Map<string, Numbers> {
  const arrays = new Map<string, Numbers>()
  const add = (name: string, array: unknown, types: readonly ArrayName[]) => {
    const type = typeOf(array)
    if (!type || !types.includes(type)) {
      throw new InvalidInputError(
        `\`${name}\` must be one of ${types.join(', ')}, not ${shown(array)}.`,
      )
    }
    const numbers = array as Numbers
    if (type === 'Float32Array' && !(numbers as Float32Array).every(Number.isFinite)) {
      throw new InvalidInputError(`\`${name}\` has numbers that are not finite.`)
    }
    arrays.set(name, numbers)
  }
  if (dense !== undefined) add('dense', dense, VECTORS)
  if (sparse !== undefined) {
    const { indices, values } = Object(sparse) as Partial<typeof sparse>
    add('indices', indices, ['Uint32Array'])
    add('values', values, ['Float32Array'])
    if (indices?.length !== values?.length) {
      throw new InvalidInputError('`sparse` must have a value for each index.')
    }
  }
  if (colbert !== undefined) {
    const { data, rows, cols } = Object(colbert) as Partial<typeof colbert>
    add('data', data, VECTORS)
    const length = typeOf(data) === 'Uint8Array' ? Number(cols) / 8 : cols
    if (!isWhole(rows) || !isWhole(cols) || rows * Number(length) !== data?.length) {
      throw new InvalidInputError('`colbert` must have `rows` times `cols` numbers.')
    }
  }
  return arrays
}

const isWhole = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0

const typeOf = (array: unknown) =>
  (Object.keys(ARRAYS) as ArrayName[]).find((name) => isTyped(array, name))

function json(head: Head): string {
  try {
    return JSON.stringify(head)
  } catch {
    // what its `toJSON` throws may hold anything
    throw new InvalidInputError('The metadata must be data that JSON can hold.')
  }
}

/** What was kept, in arrays of its own; `undefined` for bytes that no `encodeKept` gives. */
export function decodeKept(
  bytes: Uint8Array,
): { embedding: Embedding<Precision>; metadata: unknown } | undefined {
  try {
    return decode(bytes)
  } catch {
    // a length or a type that cannot be, or no JSON
    return undefined
  }
}

function decode(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = view.getUint32(0, true)
  const head = JSON.parse(Buffer.from(bytes.subarray(4, 4 + length)).toString('utf8')) as Head
  let at = aligned(4 + length)
  const arrays = new Map<string, Numbers>()
  for (const [name, type, count] of head.arrays) {
    const Numbers = ARRAYS[type]
    const end = at + count * Numbers.BYTES_PER_ELEMENT
    if (!isWhole(count) || end > bytes.length) return undefined
    // a copy, which begins where its numbers may
    arrays.set(name, new Numbers(bytes.slice(at, end).buffer as ArrayBuffer))
    at = aligned(end)
  }
  return { embedding: embeddingOf(head, arrays), metadata: head.metadata }
}

function embeddingOf(
  { tokenCount, truncated, colbert }: Head,
  arrays: ReadonlyMap<string, Numbers>,
): Embedding<Precision> {
  const timings = { tokenizeMs: 0, queueMs: 0, computeMs: 0, totalMs: 0 }
  const made = new MadeEmbedding(tokenCount, truncated, true, timings)
  const dense = arrays.get('dense')
  const [indices, values] = [arrays.get('indices'), arrays.get('values')]
  const data = arrays.get('data')
  if (dense) made.dense = dense as PrecisionArrays[Precision]
  if (indices && values) made.sparse = { indices, values } as OutputValues['sparse']
  if (data && colbert) {
    const [rows, cols] = colbert
    made.colbert = { data: data as PrecisionArrays[Precision], rows, cols }
  }
  return made as Embedding<Precision>
}
