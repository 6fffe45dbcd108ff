/** The rows that a run has left of a matrix. Their number is told by the size: the header may be behind. */

import type { FileHandle } from 'node:fs/promises'
import { InvalidInputError } from '../../common/errors.js'
import { missingRow, NPY_HEADER_BYTES, type NpyType, npyHeader } from './npy-output.js'
import { openWritten, readAt, readWritten, type WrittenItem, type WrittenItems } from './resume.js'

export class WrittenNpy implements WrittenItems {
  #position = NPY_HEADER_BYTES

  private constructor(
    private readonly handle: FileHandle,
    /** Up to the last whole row. */
    private readonly end: number,
    private readonly missing: Buffer,
  ) {}

  /** @throws InvalidInputError for a file that is no matrix of this width and type as we write them */
  static async open(path: string, cols: number, type: NpyType): Promise<WrittenNpy | undefined> {
    const handle = await openWritten(path)
    if (handle === undefined) return undefined
    try {
      const header = Buffer.alloc(NPY_HEADER_BYTES)
      const size = await readAt(handle, header, 0)
      const empty = npyHeader(0, cols, type)
      // cut off in the header: there is nothing yet
      const isWhole = size === NPY_HEADER_BYTES
      if (!isWhole && !header.subarray(0, size).equals(empty.subarray(0, size))) throw other(path)
      if (isWhole) {
        const rows = Number(/'shape': \((\d{1,15}), /.exec(header.toString('latin1'))?.[1])
        if (!header.equals(npyHeader(rows, cols, type))) throw other(path)
      }
      const missing = missingRow(cols, type)
      const bytes = Buffer.from(missing.buffer, missing.byteOffset, missing.byteLength)
      const data = Math.max(0, (await handle.stat()).size - NPY_HEADER_BYTES)
      const end = NPY_HEADER_BYTES + data - (data % bytes.length)
      return new WrittenNpy(handle, end, bytes)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  async next(): Promise<WrittenItem | undefined> {
    const start = this.#position
    const end = start + this.missing.length
    if (end > this.end) return undefined
    this.#position = end
    const written = { start, end, failed: false, truncated: false }
    // the first component tells: a row has no NaN but where all are
    const first = new Uint8Array(this.missing.length < 4 ? 2 : 4)
    await readAt(this.handle, first, start)
    return { ...written, failed: this.missing.subarray(0, first.length).equals(first) }
  }

  read(written: WrittenItem): Promise<Uint8Array> {
    return readWritten(this.handle, written)
  }

  close(): Promise<void> {
    return this.handle.close()
  }
}

function other(path: string): InvalidInputError {
  return new InvalidInputError(
    `${path} is no matrix that these options make (its columns or its number type differ), so it cannot be resumed.`,
  )
}
