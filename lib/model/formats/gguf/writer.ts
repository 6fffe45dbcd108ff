import { randomBytes } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type AbortSignalLike, throwIfAborted } from '../../../common/abort.js'
import { syncDirectory } from '../../../common/atomic-file.js'
import {
  DEFAULT_ALIGNMENT,
  GGUF_MAGIC,
  GGUF_VERSION,
  type TensorType,
  tensorBytes,
  tensorTypeName,
} from './types.js'
import { encodeString, type GgufEntry } from './values.js'

/** A tensor to write. */
export interface TensorSource {
  name: string
  type: TensorType
  /** Elements per dimension, the contiguous one first: `[columns, rows]`. */
  dims: readonly number[]
  /** Its bytes in order, in chunks; a chunk may be reused once the next one is asked for. */
  data(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

export interface WriteOptions {
  /** Of tensor data, bytes: a power of two (default 32). Anything else needs the matching key. */
  alignment?: number
  signal?: AbortSignalLike | undefined
  onProgress?: ((progress: { doneBytes: number; totalBytes: number }) => void) | undefined
}

/**
 * Writes a GGUF (version 3) to a temporary name beside `path` and renames it when it is complete,
 * so nobody ever sees half a file. The bytes depend on the arguments alone. Each chunk is written
 * before the next one is asked for, so memory stays at one chunk.
 *
 * @returns the file's size, bytes
 * @throws the signal's reason; any error of the file system or of `data()`
 */
export async function writeGguf(
  path: string,
  entries: readonly GgufEntry[],
  tensors: readonly TensorSource[],
  options: WriteOptions = {},
): Promise<number> {
  const alignment = options.alignment ?? DEFAULT_ALIGNMENT
  const { header, sizes } = encodeHeader(entries, tensors, alignment)
  const totalBytes = sizes.reduce((sum, size) => sum + padded(size, alignment), header.length)
  await mkdir(dirname(path), { recursive: true })
  const temporary = `${path}.tmp-${process.pid}-${randomBytes(4).toString('hex')}`
  const handle = await open(temporary, 'wx')
  try {
    try {
      const out = new Output(handle, totalBytes, options)
      await out.write(header)
      for (const [i, tensor] of tensors.entries()) {
        await writeTensor(out, tensor, sizes[i] ?? 0, alignment)
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  return totalBytes
}

class Output {
  private doneBytes = 0

  constructor(
    private readonly handle: FileHandle,
    private readonly totalBytes: number,
    private readonly options: WriteOptions,
  ) {}

  async write(bytes: Uint8Array): Promise<void> {
    throwIfAborted(this.options.signal)
    for (let done = 0; done < bytes.length; ) {
      done += (await this.handle.write(bytes, done, bytes.length - done)).bytesWritten
    }
    this.doneBytes += bytes.length
    this.options.onProgress?.({ doneBytes: this.doneBytes, totalBytes: this.totalBytes })
  }
}

async function writeTensor(
  out: Output,
  tensor: TensorSource,
  size: number,
  alignment: number,
): Promise<void> {
  let written = 0
  for await (const chunk of tensor.data()) {
    written += chunk.length
    await out.write(chunk)
  }
  if (written !== size) {
    throw new RangeError(`Tensor ${tensor.name} gave ${written} bytes, its shape needs ${size}.`)
  }
  const padding = padded(size, alignment) - size
  if (padding > 0) await out.write(new Uint8Array(padding))
}

function padded(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment
}

/** Everything before the tensor data, padded, and the bytes of each tensor. */
function encodeHeader(
  entries: readonly GgufEntry[],
  tensors: readonly TensorSource[],
  alignment: number,
): { header: Uint8Array; sizes: number[] } {
  const parts: Uint8Array[] = [preamble(tensors.length, entries.length)]
  for (const { key, type, payload } of entries) {
    parts.push(encodeString(key), uint32(type), payload)
  }
  const sizes: number[] = []
  let offset = 0
  for (const { name, type, dims } of tensors) {
    const size = tensorBytes(type, dims)
    if (size === undefined) {
      throw new RangeError(
        `Tensor ${name}: its rows are not whole blocks of ${tensorTypeName(type)}.`,
      )
    }
    parts.push(encodeString(name), uint32(dims.length), uint64s(dims), uint32(type))
    parts.push(uint64s([offset]))
    sizes.push(size)
    offset += padded(size, alignment)
  }
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const header = new Uint8Array(padded(length, alignment))
  let at = 0
  for (const part of parts) {
    header.set(part, at)
    at += part.length
  }
  return { header, sizes }
}

function preamble(tensorCount: number, keyCount: number): Uint8Array {
  const bytes = new Uint8Array(24)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, GGUF_MAGIC, true)
  view.setUint32(4, GGUF_VERSION, true)
  view.setBigUint64(8, BigInt(tensorCount), true)
  view.setBigUint64(16, BigInt(keyCount), true)
  return bytes
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}

function uint64s(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(8 * values.length)
  const view = new DataView(bytes.buffer)
  for (const [i, value] of values.entries()) view.setBigUint64(8 * i, BigInt(value), true)
  return bytes
}
