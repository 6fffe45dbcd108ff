/** The lines that a run has left, without parsing them: a line of multi-vectors has up to 100 MB. */

import type { FileHandle } from 'node:fs/promises'
import { InvalidInputError } from '../../common/errors.js'
import { idJson, type RecordId } from './jsonl-output.js'
import { openWritten, readWritten, type WrittenItem, type WrittenItems } from './resume.js'

const NEWLINE = 0x0a
const BLOCK_BYTES = 1 << 20
/** Enough for `"tokenCount":8192,"truncated":true}`. */
const TAIL_BYTES = 64
const ERROR = ',"error":{'

interface Line {
  start: number
  /** Its newline, if it has one, included. */
  end: number
  head: Buffer
  tail: Buffer
}

export class WrittenJsonl implements WrittenItems {
  #line = 0
  /** Of the file, not yet looked at. */
  #block = Buffer.alloc(0)
  #blockStart = 0

  private constructor(
    private readonly handle: FileHandle,
    private readonly path: string,
  ) {}

  static async open(path: string): Promise<WrittenJsonl | undefined> {
    const handle = await openWritten(path)
    return handle && new WrittenJsonl(handle, path)
  }

  async next(id: RecordId): Promise<WrittenItem | undefined> {
    const prefix = Buffer.from(`{"id":${idJson(id)}`)
    const { start, end, head, tail } = await this.#nextLine(prefix.length + ERROR.length)
    if (head.length === 0) return undefined
    this.#line++
    const size = Math.min(head.length, prefix.length)
    const after = head.toString('latin1', size)
    const isTorn = tail.at(-1) !== NEWLINE
    const isOurs = head.subarray(0, size).equals(prefix.subarray(0, size)) && /^(,|$)/.test(after)
    if (isTorn && isOurs) return undefined
    if (!isOurs || after === '') {
      throw new InvalidInputError(
        `Line ${this.#line} of ${this.path} is not of the text that is there in the input: ` +
          'another input made it, so it cannot be resumed.',
      )
    }
    if (after.startsWith(ERROR) && /\}\}\n$/.test(tail.toString('latin1'))) {
      return { start, end, failed: true, truncated: false }
    }
    const found = /,"tokenCount":(\d+)(,"truncated":true)?\}\n$/.exec(tail.toString('latin1'))
    if (!found) {
      throw new InvalidInputError(`Line ${this.#line} of ${this.path} is no line of embeddings.`)
    }
    const truncated = found[2] !== undefined
    return { start, end, failed: false, truncated, tokenCount: Number(found[1]) }
  }

  read(written: WrittenItem): Promise<Uint8Array> {
    return readWritten(this.handle, written)
  }

  close(): Promise<void> {
    return this.handle.close()
  }

  /** Without its newline the line was torn; it is empty at the end of the file. */
  async #nextLine(headBytes: number): Promise<Line> {
    const start = this.#blockStart
    let head = Buffer.alloc(0)
    let tail = Buffer.alloc(0)
    for (;;) {
      if (this.#block.length === 0 && !(await this.#fill())) {
        return { start, end: this.#blockStart, head, tail }
      }
      const at = this.#block.indexOf(NEWLINE)
      const size = at === -1 ? this.#block.length : at + 1
      const piece = this.#block.subarray(0, size)
      if (head.length < headBytes) {
        head = Buffer.concat([head, piece.subarray(0, headBytes - head.length)])
      }
      tail = Buffer.concat([tail, piece.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES)
      this.#block = this.#block.subarray(size)
      this.#blockStart += size
      if (at !== -1) return { start, end: this.#blockStart, head, tail }
    }
  }

  async #fill(): Promise<boolean> {
    const block = Buffer.alloc(BLOCK_BYTES)
    const { bytesRead } = await this.handle.read(block, 0, BLOCK_BYTES, this.#blockStart)
    this.#block = block.subarray(0, bytesRead)
    return bytesRead > 0
  }
}
