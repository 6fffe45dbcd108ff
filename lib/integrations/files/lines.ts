/** A stream of bytes to lines, with bounded memory and the bytes of the input that each line ends at. */

import { InvalidInputError } from '../../common/errors.js'
import { utf8Fault } from '../../common/utf8.js'

/** Far above the longest text a model takes (8,192 tokens are about 40 kB), and of 10 MB tests. */
export const MAX_LINE_BYTES = 32 * 1024 * 1024

const NEWLINE = 0x0a
const RETURN = 0x0d
const UTF8_BOM = Buffer.from([0xef, 0xbb, 0xbf])
/** What the first bytes say that is not text, or not in UTF-8. */
const SIGNATURES: readonly (readonly [bytes: Buffer, is: string, remedy: string])[] = [
  [Buffer.from([0xff, 0xfe]), 'UTF-16', 'convert it to UTF-8 first, for example with iconv'],
  [Buffer.from([0xfe, 0xff]), 'UTF-16', 'convert it to UTF-8 first, for example with iconv'],
  [Buffer.from([0x1f, 0x8b]), 'compressed (gzip)', 'unpack it first, for example with gzip -dc'],
  [Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), 'compressed (zstd)', 'unpack it first with zstd -dc'],
]

/** A line, or another piece of the input that stands for one text. */
export interface Line {
  /** Without its line ending; empty where `wrong` says why. */
  readonly text: string
  /** From 1. */
  readonly number: number
  /** Bytes of the input up to here, line ending included. */
  readonly end: number
  /** Why its text cannot be had, as the end of a sentence: `is longer than 5 bytes`. */
  readonly wrong: string | undefined
}

/**
 * The lines that each chunk of the input completes: a group per chunk, so that what an interactive
 * program wrote is there at once and a file costs no turn of the event loop per line.
 *
 * Lines end in LF or CRLF; what follows the last line ending is a line only if there is something.
 * A byte order mark is dropped. A line that is not UTF-8, has NUL bytes or is too long is wrong, alone.
 *
 * @throws InvalidInputError for what begins as binary data, compressed or UTF-16: no line of it would be right
 */
export async function* lines(
  source: AsyncIterable<Uint8Array | string>,
  maxBytes = MAX_LINE_BYTES,
): AsyncGenerator<Line[]> {
  const splitter = new LineSplitter(maxBytes)
  for await (const chunk of source) {
    const group = splitter.push(bufferOf(chunk))
    if (group.length > 0) yield group
  }
  const last = splitter.finish()
  if (last) yield [last]
}

export function bufferOf(chunk: Uint8Array | string): Buffer {
  if (typeof chunk === 'string') return Buffer.from(chunk)
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
}

/** Bytes of a text as they come: no more of them than may be, and checked when they are complete. */
export class LineBuilder {
  #pieces: Buffer[] = []
  /** Of this text, with those that were not kept. */
  #bytes = 0
  #number = 0
  /** Bytes of the input before this text. */
  #start = 0

  constructor(private readonly maxBytes: number) {}

  get isEmpty(): boolean {
    return this.#bytes === 0
  }

  add(piece: Buffer): void {
    this.#bytes += piece.length
    if (this.#bytes > this.maxBytes) this.#pieces = []
    else if (piece.length > 0) this.#pieces.push(piece)
  }

  /** Bytes between texts. */
  skip(bytes: number): void {
    this.#start += bytes
  }

  /** @param ending bytes of the input that end the text and are none of it */
  cut(ending: 0 | 1): Line {
    const [piece = Buffer.alloc(0), ...more] = this.#pieces
    let content = more.length === 0 ? piece : Buffer.concat(this.#pieces)
    const tooLong = this.#bytes > this.maxBytes
    let start = this.#start
    this.#start += this.#bytes + ending
    this.#number++
    this.#pieces = []
    this.#bytes = 0
    if (this.#number === 1) {
      refuseForeign(content)
      if (content.subarray(0, 3).equals(UTF8_BOM)) {
        content = content.subarray(3)
        start += 3
      }
    }
    if (ending === 1 && content.at(-1) === RETURN) content = content.subarray(0, -1)
    const wrong = tooLong ? `is longer than ${this.maxBytes} bytes` : faultOf(content, start)
    const text = wrong === undefined ? content.toString('utf8') : ''
    return { text, number: this.#number, end: this.#start, wrong }
  }
}

function refuseForeign(first: Buffer): void {
  for (const [bytes, is, remedy] of SIGNATURES) {
    if (!first.subarray(0, bytes.length).equals(bytes)) continue
    throw new InvalidInputError(`The input is ${is}: ${remedy}.`)
  }
  if (first.includes(0)) {
    throw new InvalidInputError(
      'The input has NUL bytes: it is binary data, or UTF-16. Texts are read as UTF-8.',
    )
  }
}

function faultOf(content: Buffer, start: number): string | undefined {
  const fault = utf8Fault(content)
  if (fault !== undefined) return `is not valid UTF-8 (byte offset ${start + fault})`
  const nul = content.indexOf(0)
  return nul === -1 ? undefined : `has a NUL byte (byte offset ${start + nul})`
}

class LineSplitter {
  readonly #line: LineBuilder

  constructor(maxBytes: number) {
    this.#line = new LineBuilder(maxBytes)
  }

  push(chunk: Buffer): Line[] {
    const complete: Line[] = []
    let from = 0
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, from)) {
      this.#line.add(chunk.subarray(from, at))
      complete.push(this.#line.cut(1))
      from = at + 1
    }
    if (from < chunk.length) this.#line.add(chunk.subarray(from))
    return complete
  }

  finish(): Line | undefined {
    if (this.#line.isEmpty) return undefined
    const last = this.#line.cut(0)
    // a byte order mark alone is no line
    return last.text === '' && last.wrong === undefined ? undefined : last
  }
}
