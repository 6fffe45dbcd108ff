/**
 * NumPy's `.npy` format, version 1.0: a matrix written row by row. Its number of rows is filled in as
 * they reach the file, so a file whose writer was killed is a matrix of the rows up to some megabyte.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */

import { type FileHandle, open } from 'node:fs/promises'
import { InvalidInputError } from '../../common/errors.js'

/** Little-endian float32 and float16: the types that can say NaN. */
export type NpyType = '<f4' | '<f2'

/** Room for any shape; the format wants a multiple of 64. */
export const NPY_HEADER_BYTES = 128
const FLUSH_BYTES = 1 << 20
/** The quiet NaN of a half. */
const NAN_HALF = 0x7e00

export class NpyWriter {
  /** Rows appended so far. */
  rows = 0
  private position = NPY_HEADER_BYTES
  private waiting: Uint8Array[] = []
  private waitingBytes = 0
  private closed = false

  private constructor(
    private readonly handle: FileHandle,
    private readonly cols: number,
    private readonly type: NpyType,
  ) {}

  /**
   * Creates or empties the file. It is a valid matrix from then on.
   *
   * @throws InvalidInputError when it is no regular file: the header is written again at the end
   */
  static async create(path: string, cols: number, type: NpyType): Promise<NpyWriter> {
    const handle = await open(path, 'w')
    try {
      if (!(await handle.stat()).isFile()) {
        throw new InvalidInputError(`${path} is no regular file, which .npy output needs.`)
      }
      const writer = new NpyWriter(handle, cols, type)
      await writer.writeHeader()
      return writer
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /**
   * Goes on with a file that `create` made, after so many whole rows: what follows them is cut off.
   * What the file holds is not looked at.
   */
  static async resume(
    path: string,
    { cols, type, rows }: { cols: number; type: NpyType; rows: number },
  ): Promise<NpyWriter> {
    const handle = await open(path, 'r+')
    try {
      const writer = new NpyWriter(handle, cols, type)
      writer.rows = rows
      writer.position += rows * missingRow(cols, type).byteLength
      // the header first: it must never tell of rows that are not there
      await writer.writeHeader()
      await handle.truncate(writer.position)
      return writer
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Appends a row (float32, or the bits of halves); without one, a row of NaN. */
  async append(row?: Float32Array | Uint16Array): Promise<void> {
    const values = row ?? missingRow(this.cols, this.type)
    if (values.length !== this.cols) {
      throw new InvalidInputError(`A row of ${values.length} does not fit ${this.cols} columns.`)
    }
    // Typed arrays have the host's byte order, and every platform of the native part is little-endian.
    this.waiting.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    this.waitingBytes += values.byteLength
    this.rows++
    if (this.waitingBytes < FLUSH_BYTES) return
    await this.flush()
    await this.writeHeader()
  }

  /** Writes what is left and the number of rows. Idempotent. */
  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    try {
      await this.flush()
      await this.writeHeader()
    } finally {
      await this.handle.close()
    }
  }

  private async flush(): Promise<void> {
    await this.writeAll(Buffer.concat(this.waiting), this.position)
    this.position += this.waitingBytes
    this.waiting = []
    this.waitingBytes = 0
  }

  private async writeHeader(): Promise<void> {
    await this.writeAll(npyHeader(this.rows, this.cols, this.type), 0)
  }

  private async writeAll(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.handle.write(
        bytes,
        done,
        bytes.length - done,
        position + done,
      )
      done += bytesWritten
    }
  }
}

/** A row of NaN. */
export function missingRow(cols: number, type: NpyType): Float32Array | Uint16Array {
  return type === '<f4'
    ? new Float32Array(cols).fill(Number.NaN)
    : new Uint16Array(cols).fill(NAN_HALF)
}

export function npyHeader(rows: number, cols: number, type: NpyType): Buffer {
  const entries = `{'descr': '${type}', 'fortran_order': False, 'shape': (${rows}, ${cols}), }`
  const header = Buffer.alloc(NPY_HEADER_BYTES, ' ')
  header.write('\x93NUMPY\x01\x00', 'latin1')
  header.writeUInt16LE(NPY_HEADER_BYTES - 10, 8)
  header.write(entries, 10, 'latin1')
  header.write('\n', NPY_HEADER_BYTES - 1, 'latin1')
  return header
}
