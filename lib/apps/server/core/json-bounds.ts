/** JSON that is cheap to send and dear to parse: bounded before it is parsed. */

import { HttpError } from './errors.js'

/** Brackets within brackets. */
const MOST_DEPTH = 128
/** Bytes of a member that the endpoint does not know, as JSON. */
const MOST_UNKNOWN = 4096

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c

/**
 * One pass over the bytes, none of them copied: brackets, and the commas outside of strings. What is no
 * JSON is left for the parser to tell.
 *
 * @param most elements and members, of all arrays and objects together
 * @throws HttpError 400
 */
export function checkJsonBounds(bytes: Uint8Array, most: number): void {
  let depth = 0
  let parts = 0
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number
    if (byte === QUOTE) {
      i = endOfString(bytes, i)
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > MOST_DEPTH) throw tooMuch(`nested more than ${MOST_DEPTH} deep`)
      parts++
    } else if (byte === 0x5d || byte === 0x7d) {
      depth--
    } else if (byte === COMMA) {
      parts++
    }
    if (parts > most) throw tooMuch(`made of more than ${most} values`)
  }
}

/** The position of the quote that ends the string, or the last byte. */
function endOfString(bytes: Uint8Array, start: number): number {
  for (let end = start; ; ) {
    end = bytes.indexOf(QUOTE, end + 1)
    if (end === -1) return bytes.length - 1
    let backslashes = 0
    while (bytes[end - 1 - backslashes] === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return end
  }
}

function tooMuch(what: string): HttpError {
  return new HttpError(400, 'invalid_value', `The body is ${what}.`)
}

/**
 * A member that the endpoint does not know and ignores may be small, such as a client's own option.
 *
 * @param known names of the members that the endpoint's schema has
 * @throws HttpError 400 for a large one
 */
export function checkUnknownMembers(body: unknown, known: object): void {
  if (typeof body !== 'object' || body === null) return
  for (const [name, value] of Object.entries(body)) {
    if (name in known) continue
    const isLarge =
      typeof value === 'string'
        ? value.length > MOST_UNKNOWN
        : typeof value === 'object' && JSON.stringify(value).length > MOST_UNKNOWN
    if (!isLarge) continue
    throw new HttpError(
      400,
      'unknown_field',
      `The body has a field that this endpoint does not know, of more than ${MOST_UNKNOWN} bytes.`,
    )
  }
}
