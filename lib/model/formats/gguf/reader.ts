import { type FileHandle, open } from 'node:fs/promises'
import { TextDecoder } from 'node:util'
import { ModelLoadError, ModelNotFoundError } from '../../../common/errors.js'
import { isError } from '../../../common/realms.js'
import { Cursor, readFully } from './cursor.js'
import {
  DEFAULT_ALIGNMENT,
  type ElementType,
  GGUF_MAGIC,
  GGUF_VERSION,
  isTensorType,
  isValueType,
  MAX_DIMS,
  type NumericType,
  type TensorType,
  tensorBytes,
  tensorTypeName,
  ValueType,
  valueBytes,
} from './types.js'
import {
  decodeNumbers,
  decodeScalar,
  decodeStrings,
  type GgufEntry,
  type NumericArray,
  type Scalar,
  type StringArray,
} from './values.js'

// Far above any real file, far below what could hurt. A real bge-m3 has 30 keys, 389 tensors.
const MAX_KEYS = 1 << 16
const MAX_TENSORS = 1 << 16
const MAX_NAME_BYTES = 1 << 16
/** All string values together (chat templates, licences). */
const MAX_STRING_BYTES = 1 << 26
/** One array or one tensor in memory. */
const MAX_READ_BYTES = 2 ** 31
/** ggml's GGML_MAX_NAME counts a terminating zero. */
const MAX_TENSOR_NAME_BYTES = 63

/** Where a key's value is, and the value itself unless it is an array. */
export interface GgufKey {
  readonly key: string
  readonly type: ValueType
  /** `undefined` for an array. */
  readonly value?: Scalar
  /** Of an array. */
  readonly elementType?: ElementType
  /** Elements of an array. */
  readonly length?: number
  /** First byte of the value (of an array: of its element type), and bytes. */
  readonly offset: number
  readonly byteLength: number
}

export interface GgufTensor {
  readonly name: string
  readonly type: TensorType
  /** Elements per dimension, the contiguous one first: `[columns, rows]`. */
  readonly dims: readonly number[]
  /** First byte in the file. */
  readonly offset: number
  readonly byteLength: number
}

/**
 * A GGUF file's header, checked; arrays and tensor data are read on request. Anything wrong with
 * the file is a `ModelLoadError`; a file that is not there is a `ModelNotFoundError`.
 */
export class GgufFile {
  private constructor(
    private readonly handle: FileHandle,
    readonly path: string,
    readonly sizeBytes: number,
    readonly version: number,
    readonly alignment: number,
    /** First byte of the tensor data. */
    readonly dataOffset: number,
    /** In file order. */
    readonly keys: ReadonlyMap<string, GgufKey>,
    /** In file order. */
    readonly tensors: ReadonlyMap<string, GgufTensor>,
  ) {}

  static async open(path: string): Promise<GgufFile> {
    const handle = await openModel(path)
    try {
      const stat = await handle.stat()
      if (!stat.isFile()) throw new ModelLoadError(`${path} is not a file.`)
      const cursor = new Cursor(handle, stat.size)
      const { version, tensorCount, keyCount } = await readPreamble(cursor)
      const keys = await readKeys(cursor, keyCount)
      const alignment = readAlignment(keys)
      const infos = await readTensorInfos(cursor, tensorCount)
      const dataOffset = Math.ceil(cursor.position / alignment) * alignment
      const tensors = placeTensors(infos, dataOffset, alignment, stat.size)
      return new GgufFile(handle, path, stat.size, version, alignment, dataOffset, keys, tensors)
    } catch (error) {
      await handle.close()
      throw asLoadError(path, error)
    }
  }

  /** A string value; `undefined` if there is none or it has another type. */
  string(key: string): string | undefined {
    const value = this.keys.get(key)?.value
    return typeof value === 'string' ? value : undefined
  }

  /** A numeric value of any width, if it is a safe number. */
  number(key: string): number | undefined {
    const value = this.keys.get(key)?.value
    if (typeof value === 'bigint') {
      const number = Number(value)
      return Number.isSafeInteger(number) ? number : undefined
    }
    return typeof value === 'number' ? value : undefined
  }

  boolean(key: string): boolean | undefined {
    const value = this.keys.get(key)?.value
    return typeof value === 'boolean' ? value : undefined
  }

  /** A numeric array (booleans as 0 and 1); `undefined` if there is none or it holds strings. */
  async numbers(key: string): Promise<NumericArray | undefined> {
    const info = this.keys.get(key)
    if (info?.elementType === undefined || info.elementType === ValueType.STRING) return undefined
    return decodeNumbers(await this.read(info.offset + 12, info.byteLength - 12), info.elementType)
  }

  /** A string array; `undefined` if there is none or it holds numbers. */
  async strings(key: string): Promise<StringArray | undefined> {
    const info = this.keys.get(key)
    if (info?.elementType !== ValueType.STRING) return undefined
    const bytes = await this.read(info.offset + 12, info.byteLength - 12)
    return decodeStrings(bytes, info.length ?? 0)
  }

  /** A key as the writer takes it, byte for byte. */
  async entry(key: string): Promise<GgufEntry | undefined> {
    const info = this.keys.get(key)
    if (info === undefined) return undefined
    return { key, type: info.type, payload: await this.read(info.offset, info.byteLength) }
  }

  /** All bytes of a tensor. */
  async tensor(name: string): Promise<Uint8Array> {
    const info = this.requireTensor(name)
    return this.read(info.offset, info.byteLength)
  }

  /** A tensor's bytes in chunks of at most `chunkBytes`. */
  async *tensorChunks(name: string, chunkBytes = 1 << 20): AsyncGenerator<Uint8Array> {
    const info = this.requireTensor(name)
    for (let done = 0; done < info.byteLength; done += chunkBytes) {
      yield await this.read(info.offset + done, Math.min(chunkBytes, info.byteLength - done))
    }
  }

  async close(): Promise<void> {
    await this.handle.close()
  }

  private requireTensor(name: string): GgufTensor {
    const info = this.tensors.get(name)
    if (info === undefined) throw new ModelLoadError(`${this.path} has no tensor ${name}.`)
    return info
  }

  private async read(offset: number, length: number): Promise<Uint8Array> {
    if (length > MAX_READ_BYTES) {
      throw new ModelLoadError(`${this.path}: ${length} bytes are too many to read at once.`)
    }
    const bytes = new Uint8Array(length)
    await readFully(this.handle, bytes, offset)
    return bytes
  }
}

async function openModel(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new ModelNotFoundError(`There is no model file at ${path}.`, { cause: error })
    }
    throw asLoadError(path, error)
  }
}

function asLoadError(path: string, error: unknown): ModelLoadError {
  const reason = isError(error) ? error.message : String(error)
  return new ModelLoadError(`Cannot read the model ${path}: ${reason}`, { cause: error })
}

interface Preamble {
  version: number
  tensorCount: number
  keyCount: number
}

async function readPreamble(cursor: Cursor): Promise<Preamble> {
  if (cursor.size < 24) throw new ModelLoadError('It is too short to be a GGUF file.')
  await cursor.need(24)
  if (cursor.uint32() !== GGUF_MAGIC) throw new ModelLoadError('It is not a GGUF file.')
  const version = cursor.uint32()
  if ((version & 0xffff) === 0) throw new ModelLoadError('It is a big-endian GGUF file.')
  if (version < 2 || version > GGUF_VERSION) {
    throw new ModelLoadError(`GGUF version ${version} is not supported (2 and 3 are).`)
  }
  const tensorCount = cursor.length()
  const keyCount = cursor.length()
  if (keyCount > MAX_KEYS) throw new ModelLoadError('Its header names too many keys.')
  if (tensorCount > MAX_TENSORS) throw new ModelLoadError('Its header names too many tensors.')
  return { version, tensorCount, keyCount }
}

/** The bytes of a string. */
async function readString(cursor: Cursor, maxBytes: number): Promise<Uint8Array> {
  await cursor.need(8)
  const length = cursor.length()
  if (length > maxBytes) throw new ModelLoadError('A string in its header is too long.')
  return cursor.take(length)
}

const utf8 = new TextDecoder('utf-8')

async function readKeys(cursor: Cursor, count: number): Promise<Map<string, GgufKey>> {
  const keys = new Map<string, GgufKey>()
  let stringBytes = MAX_STRING_BYTES
  for (let i = 0; i < count; i++) {
    const key = utf8.decode(await readString(cursor, MAX_NAME_BYTES))
    if (key === '') throw new ModelLoadError('A key in its header is empty.')
    if (keys.has(key)) throw new ModelLoadError(`Its header has the key ${quoted(key)} twice.`)
    await cursor.need(4)
    const type = cursor.uint32()
    if (!isValueType(type)) throw new ModelLoadError(`The key ${quoted(key)} has no valid type.`)
    const offset = cursor.position
    if (type === ValueType.ARRAY) {
      const array = await skipArray(cursor, key)
      keys.set(key, { key, type, ...array, offset, byteLength: cursor.position - offset })
    } else if (type === ValueType.STRING) {
      const bytes = await readString(cursor, stringBytes)
      stringBytes -= bytes.length
      const value = utf8.decode(bytes)
      keys.set(key, { key, type, value, offset, byteLength: cursor.position - offset })
    } else {
      const value = await readScalar(cursor, type)
      keys.set(key, { key, type, value, offset, byteLength: cursor.position - offset })
    }
  }
  return keys
}

async function readScalar(cursor: Cursor, type: NumericType): Promise<Scalar> {
  const bytes = await cursor.take(valueBytes(type))
  return decodeScalar(new DataView(bytes.buffer), 0, type)
}

/** Walks over an array, checking that it is inside the file, without keeping it. */
async function skipArray(
  cursor: Cursor,
  key: string,
): Promise<{ elementType: ElementType; length: number }> {
  await cursor.need(12)
  const elementType = cursor.uint32()
  const length = cursor.length()
  if (!isValueType(elementType) || elementType === ValueType.ARRAY) {
    throw new ModelLoadError(`The array ${quoted(key)} has no valid element type.`)
  }
  if (elementType !== ValueType.STRING) {
    cursor.skip(length * valueBytes(elementType))
    return { elementType, length }
  }
  cursor.check(length * 8)
  for (let i = 0; i < length; i++) {
    if (!cursor.has(8)) await cursor.need(8)
    cursor.skip(cursor.length())
  }
  return { elementType, length }
}

function readAlignment(keys: ReadonlyMap<string, GgufKey>): number {
  const info = keys.get('general.alignment')
  if (info === undefined) return DEFAULT_ALIGNMENT
  const value = info.value
  const valid =
    info.type === ValueType.UINT32 &&
    typeof value === 'number' &&
    value >= 8 &&
    value <= 1 << 20 &&
    (value & (value - 1)) === 0
  if (!valid) throw new ModelLoadError('Its general.alignment is not a power of two (8 to 2^20).')
  return value
}

interface TensorInfo {
  name: string
  type: TensorType
  dims: number[]
  /** From the start of the tensor data. */
  offset: number
  byteLength: number
}

async function readTensorInfos(cursor: Cursor, count: number): Promise<TensorInfo[]> {
  const infos: TensorInfo[] = []
  const names = new Set<string>()
  for (let i = 0; i < count; i++) {
    const name = utf8.decode(await readString(cursor, MAX_TENSOR_NAME_BYTES))
    if (names.has(name)) throw new ModelLoadError(`It has the tensor ${quoted(name)} twice.`)
    names.add(name)
    await cursor.need(4)
    const dimCount = cursor.uint32()
    if (dimCount > MAX_DIMS) {
      throw new ModelLoadError(`Tensor ${quoted(name)} has ${dimCount} dimensions.`)
    }
    await cursor.need(8 * dimCount + 12)
    const dims = Array.from({ length: dimCount }, () => cursor.length())
    const type = cursor.uint32()
    const offset = cursor.length()
    if (!isTensorType(type)) {
      throw new ModelLoadError(`Tensor ${quoted(name)} has the unknown type ${type}.`)
    }
    if (!Number.isSafeInteger(dims.reduce((product, dim) => product * dim, 1))) {
      throw new ModelLoadError(`Tensor ${quoted(name)} is larger than any file.`)
    }
    const byteLength = tensorBytes(type, dims)
    if (byteLength === undefined) {
      throw new ModelLoadError(
        `Tensor ${quoted(name)}: its rows are not whole blocks of ${tensorTypeName(type)}.`,
      )
    }
    infos.push({ name, type, dims, offset, byteLength })
  }
  return infos
}

/** Turns offsets into positions in the file and checks that every tensor lies inside it. */
function placeTensors(
  infos: readonly TensorInfo[],
  dataOffset: number,
  alignment: number,
  sizeBytes: number,
): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>()
  for (const info of infos) {
    const offset = dataOffset + info.offset
    // Written so that an offset of Infinity fails too.
    if (!(offset + info.byteLength <= sizeBytes)) {
      throw new ModelLoadError(`Tensor ${quoted(info.name)} lies outside of the file.`)
    }
    if (info.offset % alignment !== 0) {
      throw new ModelLoadError(`Tensor ${quoted(info.name)} is not aligned to ${alignment} bytes.`)
    }
    tensors.set(info.name, { ...info, offset })
  }
  return tensors
}

/** A name from a file, made safe for a terminal and a log. */
function quoted(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not get through
  return `"${name.slice(0, 80).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?')}"`
}
