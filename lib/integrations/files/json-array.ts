/** A JSON array as a stream of its elements, with bounded memory. */

import { InvalidInputError } from '../../common/errors.js'
import { bufferOf, type Line, LineBuilder } from './lines.js'

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c]
const [OPEN, CLOSE] = [0x5b, 0x5d]
const [OPEN_OBJECT, CLOSE_OBJECT] = [0x7b, 0x7d]
const BLANKS = new Set([0x20, 0x09, 0x0a, 0x0d])
const BOM_BYTES = new Set([0xef, 0xbb, 0xbf])

const NO_ARRAY = () => new InvalidInputError('The input is no JSON array, and no JSON Lines.')

/**
 * The elements that each chunk completes, as they are written; their numbers count from 1. Whether an element
 * is JSON is for whoever parses it.
 *
 * @throws InvalidInputError for what is no array, does not end, or goes on behind the array
 */
export async function* elements(
  source: AsyncIterable<Uint8Array | string>,
  maxBytes: number,
): AsyncGenerator<Line[]> {
  const splitter = new ElementSplitter(maxBytes)
  for await (const chunk of source) {
    const group = splitter.push(bufferOf(chunk))
    if (group.length > 0) yield group
  }
  splitter.finish()
}

class ElementSplitter {
  readonly #element: LineBuilder
  /** Brackets and braces that are open: 1 between elements, 0 before and behind the array. */
  #depth = 0
  #hasBegun = false
  #inString = false
  #isEscaped = false
  #inElement = false
  /** Behind a comma. */
  #mustCome = false

  constructor(maxBytes: number) {
    this.#element = new LineBuilder(maxBytes)
  }

  finish(): void {
    if (!this.#hasBegun) throw NO_ARRAY()
    if (this.#depth > 0) throw new InvalidInputError('The JSON array of the input does not end.')
  }

  push(chunk: Buffer): Line[] {
    const complete: Line[] = []
    let from = 0
    const skip = (at: number) => {
      this.#element.skip(1)
      from = at + 1
    }
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] as number
      if (this.#inString) this.#string(byte)
      else if (this.#depth === 0) {
        this.#outside(byte)
        skip(at)
      } else if (this.#depth === 1 && (byte === COMMA || byte === CLOSE)) {
        // nothing is an element too where there must be one, and no JSON
        if (this.#inElement || this.#mustCome || byte === COMMA) {
          this.#element.add(chunk.subarray(from, at))
          complete.push(this.#element.cut(1))
          from = at + 1
        } else skip(at)
        this.#inElement = false
        this.#mustCome = byte === COMMA
        if (byte === CLOSE) this.#depth = 0
      } else if (this.#inElement || !BLANKS.has(byte)) this.#inside(byte)
      else skip(at)
    }
    if (from < chunk.length) this.#element.add(chunk.subarray(from))
    return complete
  }

  #string(byte: number): void {
    if (this.#isEscaped) this.#isEscaped = false
    else if (byte === BACKSLASH) this.#isEscaped = true
    else if (byte === QUOTE) this.#inString = false
  }

  #inside(byte: number): void {
    this.#inElement = true
    if (byte === QUOTE) this.#inString = true
    else if (byte === OPEN || byte === OPEN_OBJECT) this.#depth++
    else if ((byte === CLOSE || byte === CLOSE_OBJECT) && this.#depth > 1) this.#depth--
  }

  #outside(byte: number): void {
    if (!this.#hasBegun && byte === OPEN) {
      this.#hasBegun = true
      this.#depth = 1
    } else if (BLANKS.has(byte) || (!this.#hasBegun && BOM_BYTES.has(byte))) return
    else if (!this.#hasBegun) throw NO_ARRAY()
    else throw new InvalidInputError('The input goes on behind the end of its JSON array.')
  }
}
