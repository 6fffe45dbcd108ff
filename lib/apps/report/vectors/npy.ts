/**
 * NumPy matrices (`.npy`, versions 1 to 3) of float32, float16 or float64.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */

import { type FileHandle, open } from 'node:fs/promises'
import { type AbortSignalLike, throwIfAborted } from '../../../common/abort.js'
import { InvalidInputError } from '../../../common/errors.js'
import { fromFloat16 } from '../../../common/float16.js'
import { TableBuilder, type VectorTable } from './table.js'

const MAGIC = Buffer.from('\x93NUMPY', 'latin1')
const MAX_HEADER = 1 << 16
/** Read at a time. */
const BLOCK_BYTES = 1 << 22

const TYPES: Readonly<
  Record<string, { bytes: number; read: (bytes: Buffer) => ArrayLike<number> }>
> = {
  '<f2': { bytes: 2, read: (b) => fromFloat16(new Uint16Array(aligned(b))) },
  '<f4': { bytes: 4, read: (b) => new Float32Array(aligned(b)) },
  '<f8': { bytes: 8, read: (b) => new Float64Array(aligned(b)) },
}

/**
 * The rows of a matrix, with their numbers from 0 as ids. A row of NaN is how `bge-m3 embed` writes a
 * text that failed: it is counted as such.
 *
 * @throws InvalidInputError when it is no such file
 */
export async function readNpy(
  path: string,
  name: string,
  signal?: AbortSignalLike,
): Promise<VectorTable> {
  const handle = await open(path, 'r')
  try {
    const { type, rows, cols, start } = await readHeader(handle, name)
    const table = new TableBuilder()
    table.expectedRows = rows
    const block = Math.max(1, Math.floor(BLOCK_BYTES / (cols * type.bytes)))
    for (let from = 0; from < rows; from += block) {
      throwIfAborted(signal)
      const count = Math.min(block, rows - from)
      const bytes = Buffer.alloc(count * cols * type.bytes)
      await readExactly(handle, bytes, start + from * cols * type.bytes, name)
      const values = type.read(bytes) as Float32Array
      for (let i = 0; i < count; i++) {
        const row = values.subarray(i * cols, (i + 1) * cols)
        if (row.every(Number.isNaN)) table.fail('UNKNOWN')
        else table.add(String(from + i), row)
      }
    }
    return table.finish(name)
  } finally {
    await handle.close()
  }
}

async function readHeader(handle: FileHandle, name: string) {
  const broken = (what: string) => new InvalidInputError(`${name} is no .npy matrix: ${what}.`)
  const head = Buffer.alloc(12)
  const { bytesRead } = await handle.read(head, 0, 12, 0)
  if (bytesRead < 12 || !head.subarray(0, 6).equals(MAGIC)) throw broken('it begins otherwise')
  const isLong = (head[6] as number) >= 2
  const length = isLong ? head.readUInt32LE(8) : head.readUInt16LE(8)
  const from = isLong ? 12 : 10
  if (length > MAX_HEADER) throw broken('its header is too long')
  const bytes = Buffer.alloc(length)
  await readExactly(handle, bytes, from, name)
  const text = bytes.toString('latin1')
  const descr = /'descr':\s*'([^']*)'/.exec(text)?.[1] ?? ''
  const type = TYPES[descr]
  if (!type) throw broken('its numbers are not float16, float32 or float64')
  if (/'fortran_order':\s*True/.test(text)) throw broken('it is stored column by column')
  const shape = /'shape':\s*\((\d+),\s*(\d+)\)/.exec(text)
  const rows = Number(shape?.[1] ?? Number.NaN)
  const cols = Number(shape?.[2] ?? Number.NaN)
  if (!Number.isSafeInteger(rows * cols * 8) || cols === 0) throw broken('it has no two dimensions')
  const { size } = await handle.stat()
  const start = from + length
  if (size - start < rows * cols * type.bytes) throw broken('it ends too early')
  return { type, rows, cols, start }
}

async function readExactly(handle: FileHandle, bytes: Buffer, position: number, name: string) {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, position + done)
    if (bytesRead === 0) throw new InvalidInputError(`${name} ends too early.`)
    done += bytesRead
  }
}

/** Typed arrays want their start at a multiple of their size, which a pooled buffer need not have. */
function aligned(bytes: Buffer): ArrayBuffer {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
}
