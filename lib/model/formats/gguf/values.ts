import { TextDecoder, TextEncoder } from 'node:util'
import { ModelLoadError } from '../../../common/errors.js'
import { isTyped } from '../../../common/realms.js'
import { type ElementType, type NumericType, ValueType, valueBytes } from './types.js'

/** A fixed-size GGUF value; 64-bit integers are `bigint`. */
export type Scalar = number | bigint | boolean | string

export type NumericArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array

const utf8 = new TextDecoder('utf-8')
const encoder = new TextEncoder()

/**
 * Strings kept as one block of UTF-8 bytes: a vocabulary of 250,002 pieces costs 5 MB this way,
 * and copying it cannot change a byte that is not valid UTF-8.
 */
export class StringArray {
  /** @param offsets `length + 1` positions in `bytes`; string i is [offsets[i], offsets[i+1]). */
  constructor(
    readonly bytes: Uint8Array,
    readonly offsets: Uint32Array,
  ) {}

  static from(strings: Iterable<string | Uint8Array>): StringArray {
    const parts = Array.from(strings, (s) => (typeof s === 'string' ? encoder.encode(s) : s))
    const offsets = new Uint32Array(parts.length + 1)
    let total = 0
    for (const [i, part] of parts.entries()) {
      total += part.length
      offsets[i + 1] = total
    }
    const bytes = new Uint8Array(total)
    for (const [i, part] of parts.entries()) bytes.set(part, offsets[i])
    return new StringArray(bytes, offsets)
  }

  get length(): number {
    return this.offsets.length - 1
  }

  /** Bytes of string `i`, a view. */
  bytesAt(i: number): Uint8Array {
    return this.bytes.subarray(this.offsets[i] ?? 0, this.offsets[i + 1] ?? 0)
  }

  at(i: number): string {
    return utf8.decode(this.bytesAt(i))
  }

  *[Symbol.iterator](): Iterator<string> {
    for (let i = 0; i < this.length; i++) yield this.at(i)
  }

  /** The first `count` strings with those of `replaced` put in by index. */
  take(count: number, replaced: ReadonlyMap<number, string> = new Map()): StringArray {
    const parts: (string | Uint8Array)[] = []
    for (let i = 0; i < count; i++) parts.push(replaced.get(i) ?? this.bytesAt(i))
    return StringArray.from(parts)
  }
}

/** A key with its value as the file holds it: what the writer takes and `readEntry` gives. */
export interface GgufEntry {
  key: string
  type: ValueType
  /** The value's bytes after the type; for an array: element type, count, elements. */
  payload: Uint8Array
}

function scalarPayload(type: NumericType, value: number | bigint | boolean): Uint8Array {
  const payload = new Uint8Array(valueBytes(type))
  const view = new DataView(payload.buffer)
  switch (type) {
    case ValueType.UINT8:
      view.setUint8(0, Number(value))
      break
    case ValueType.INT8:
      view.setInt8(0, Number(value))
      break
    case ValueType.BOOL:
      view.setUint8(0, value ? 1 : 0)
      break
    case ValueType.UINT16:
      view.setUint16(0, Number(value), true)
      break
    case ValueType.INT16:
      view.setInt16(0, Number(value), true)
      break
    case ValueType.UINT32:
      view.setUint32(0, Number(value), true)
      break
    case ValueType.INT32:
      view.setInt32(0, Number(value), true)
      break
    case ValueType.FLOAT32:
      view.setFloat32(0, Number(value), true)
      break
    case ValueType.UINT64:
      view.setBigUint64(0, BigInt(value), true)
      break
    case ValueType.INT64:
      view.setBigInt64(0, BigInt(value), true)
      break
    case ValueType.FLOAT64:
      view.setFloat64(0, Number(value), true)
      break
  }
  return payload
}

export function encodeString(text: string | Uint8Array): Uint8Array {
  const bytes = typeof text === 'string' ? encoder.encode(text) : text
  const out = new Uint8Array(8 + bytes.length)
  new DataView(out.buffer).setBigUint64(0, BigInt(bytes.length), true)
  out.set(bytes, 8)
  return out
}

function arrayPayload(elementType: ElementType, count: number, bytes: number): Uint8Array {
  const out = new Uint8Array(12 + bytes)
  const view = new DataView(out.buffer)
  view.setUint32(0, elementType, true)
  view.setBigUint64(4, BigInt(count), true)
  return out
}

/** The element type that a typed array is stored as. */
function elementTypeOf(values: NumericArray): NumericType {
  if (isTyped(values, 'Uint8Array')) return ValueType.UINT8
  if (isTyped(values, 'Int8Array')) return ValueType.INT8
  if (isTyped(values, 'Uint16Array')) return ValueType.UINT16
  if (isTyped(values, 'Int16Array')) return ValueType.INT16
  if (isTyped(values, 'Uint32Array')) return ValueType.UINT32
  if (isTyped(values, 'Int32Array')) return ValueType.INT32
  if (isTyped(values, 'Float32Array')) return ValueType.FLOAT32
  if (isTyped(values, 'Float64Array')) return ValueType.FLOAT64
  if (isTyped(values, 'BigUint64Array')) return ValueType.UINT64
  return ValueType.INT64
}

/** Makers of entries, by the type the file will name. */
export const entry = {
  scalar: (key: string, type: NumericType, value: number | bigint | boolean): GgufEntry => ({
    key,
    type,
    payload: scalarPayload(type, value),
  }),
  string: (key: string, value: string): GgufEntry => ({
    key,
    type: ValueType.STRING,
    payload: encodeString(value),
  }),
  uint32: (key: string, value: number): GgufEntry => entry.scalar(key, ValueType.UINT32, value),
  float32: (key: string, value: number): GgufEntry => entry.scalar(key, ValueType.FLOAT32, value),
  bool: (key: string, value: boolean): GgufEntry => entry.scalar(key, ValueType.BOOL, value),
  numbers: (key: string, values: NumericArray): GgufEntry => {
    const payload = arrayPayload(elementTypeOf(values), values.length, values.byteLength)
    payload.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), 12)
    return { key, type: ValueType.ARRAY, payload }
  },
  strings: (key: string, values: StringArray | readonly string[]): GgufEntry => {
    const strings = values instanceof StringArray ? values : StringArray.from(values)
    const payload = arrayPayload(
      ValueType.STRING,
      strings.length,
      strings.bytes.length + 8 * strings.length,
    )
    const view = new DataView(payload.buffer)
    let at = 12
    for (let i = 0; i < strings.length; i++) {
      const bytes = strings.bytesAt(i)
      view.setBigUint64(at, BigInt(bytes.length), true)
      payload.set(bytes, at + 8)
      at += 8 + bytes.length
    }
    return { key, type: ValueType.ARRAY, payload }
  },
}

/** Reads one fixed-size value at `at`. */
export function decodeScalar(view: DataView, at: number, type: NumericType): Scalar {
  switch (type) {
    case ValueType.UINT8:
      return view.getUint8(at)
    case ValueType.INT8:
      return view.getInt8(at)
    case ValueType.BOOL:
      return view.getUint8(at) !== 0
    case ValueType.UINT16:
      return view.getUint16(at, true)
    case ValueType.INT16:
      return view.getInt16(at, true)
    case ValueType.UINT32:
      return view.getUint32(at, true)
    case ValueType.INT32:
      return view.getInt32(at, true)
    case ValueType.FLOAT32:
      return view.getFloat32(at, true)
    case ValueType.UINT64:
      return view.getBigUint64(at, true)
    case ValueType.INT64:
      return view.getBigInt64(at, true)
    case ValueType.FLOAT64:
      return view.getFloat64(at, true)
  }
}

/** Elements of a numeric array, from a buffer that starts at its first element. */
export function decodeNumbers(bytes: Uint8Array, type: NumericType): NumericArray {
  // A copy, because a typed array must start at a multiple of its element size.
  const buffer = new Uint8Array(bytes).buffer
  switch (type) {
    case ValueType.UINT8:
    case ValueType.BOOL:
      return new Uint8Array(buffer)
    case ValueType.INT8:
      return new Int8Array(buffer)
    case ValueType.UINT16:
      return new Uint16Array(buffer)
    case ValueType.INT16:
      return new Int16Array(buffer)
    case ValueType.UINT32:
      return new Uint32Array(buffer)
    case ValueType.INT32:
      return new Int32Array(buffer)
    case ValueType.FLOAT32:
      return new Float32Array(buffer)
    case ValueType.UINT64:
      return new BigUint64Array(buffer)
    case ValueType.INT64:
      return new BigInt64Array(buffer)
    case ValueType.FLOAT64:
      return new Float64Array(buffer)
  }
}

/** Strings of an array, from a buffer that starts at the first string's length. */
export function decodeStrings(bytes: Uint8Array, count: number): StringArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const offsets = new Uint32Array(count + 1)
  const packed = new Uint8Array(Math.max(0, bytes.length - 8 * count))
  let at = 0
  let out = 0
  for (let i = 0; i < count; i++) {
    const length = at + 8 <= bytes.length ? Number(view.getBigUint64(at, true)) : Number.NaN
    if (!(at + 8 + length <= bytes.length))
      throw new ModelLoadError('A string runs past its array.')
    packed.set(bytes.subarray(at + 8, at + 8 + length), out)
    at += 8 + length
    out += length
    offsets[i + 1] = out
  }
  return new StringArray(packed, offsets)
}
