/** A stream of bytes to lines, with bounded memory and the bytes of the input that each line ends at. */

import { InvalidInputError } from '../../common/errors.js'

/** Far above the longest text a model takes (8,192 tokens are about 40 kB), and of 10 MB tests. */
export const MAX_LINE_BYTES = 32 * 1024 * 1024
/** What is kept of a line that is too long, enough to see what format the input has. */
const HEAD_BYTES = 1024

const NEWLINE = 0x0a
const RETURN = 0x0d
const UTF8_BOM = Buffer.from([0xef, 0xbb, 0xbf])
const UTF16_BOMS = [Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])]

export interface Line {
  /** Without its line ending. Of a line that is too long: its head. */
  readonly text: string
  /** From 1. */
  readonly number: number
  /** Bytes of the input up to here, line ending included. */
  readonly end: number
  readonly tooLong: boolean
}

/**
 * The lines that each chunk of the input completes: a group per chunk, so that what an interactive
 * program wrote is there at once and a file costs no turn of the event loop per line.
 *
 * Lines end in LF or CRLF; what follows the last line ending is a line only if there is something.
 * A byte order mark is dropped, and bytes that are not UTF-8 become U+FFFD.
 *
 * @throws InvalidInputError for UTF-16, which would be nothing but such bytes
 */
export async function* lines(
  source: AsyncIterable<Uint8Array | string>,
  maxBytes = MAX_LINE_BYTES,
): AsyncGenerator<Line[]> {
  const splitter = new LineSplitter(maxBytes)
  for await (const chunk of source) {
    const group = splitter.push(typeof chunk === 'string' ? Buffer.from(chunk) : bufferOf(chunk))
    if (group.length > 0) yield group
  }
  const last = splitter.finish()
  if (last) yield [last]
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

class LineSplitter {
  private number = 0
  private end = 0
  /** The line that has begun: its pieces, and all its bytes, also those that were not kept. */
  private pieces: Buffer[] = []
  private bytes = 0

  constructor(private readonly maxBytes: number) {}

  push(chunk: Buffer): Line[] {
    const complete: Line[] = []
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      this.add(chunk.subarray(from, at))
      complete.push(this.cut(1))
      from = at + 1
    }
    if (from < chunk.length) this.add(chunk.subarray(from))
    return complete
  }

  finish(): Line | undefined {
    const last = this.bytes > 0 ? this.cut(0) : undefined
    // a byte order mark alone is no line
    return last?.text === '' ? undefined : last
  }

  private add(piece: Buffer): void {
    const wasTooLong = this.bytes > this.maxBytes
    this.bytes += piece.length
    if (wasTooLong || piece.length === 0) return
    this.pieces.push(piece)
    if (this.bytes > this.maxBytes) {
      this.pieces = [Buffer.from(Buffer.concat(this.pieces).subarray(0, HEAD_BYTES))]
    }
  }

  private cut(ending: 0 | 1): Line {
    let content = this.pieces.length === 1 ? (this.pieces[0] as Buffer) : Buffer.concat(this.pieces)
    const tooLong = this.bytes > this.maxBytes
    this.end += this.bytes + ending
    this.number++
    this.pieces = []
    this.bytes = 0
    if (this.number === 1) content = withoutByteOrderMark(content)
    if (ending === 1 && !tooLong && content.at(-1) === RETURN) content = content.subarray(0, -1)
    return { text: content.toString('utf8'), number: this.number, end: this.end, tooLong }
  }
}

function withoutByteOrderMark(line: Buffer): Buffer {
  if (UTF16_BOMS.some((mark) => line.subarray(0, 2).equals(mark))) {
    throw new InvalidInputError('The input is UTF-16. Convert it to UTF-8 first.')
  }
  return line.subarray(0, 3).equals(UTF8_BOM) ? line.subarray(3) : line
}
