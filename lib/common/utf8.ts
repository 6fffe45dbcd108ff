/** Texts come as UTF-8. What is none is refused with its place, and never taken for another text. */

import { isUtf8 } from 'node:buffer'
import { InvalidInputError } from './errors.js'

const NEWLINE = 0x0a

/** Where the first bytes are that are no UTF-8; undefined where there are none. */
export function utf8Fault(bytes: Buffer): number | undefined {
  if (isUtf8(bytes)) return undefined
  // what is wrong comes back as U+FFFD, and so as other bytes
  const again = Buffer.from(bytes.toString('utf8'))
  let at = 0
  while (again[at] === bytes[at]) at++
  // U+FFFD may begin as the wrong bytes did
  while (at > 0 && isContinuation(again[at])) at--
  return at
}

const isContinuation = (byte = 0) => (byte & 0xc0) === 0x80

/** Whether every surrogate has its other half, so that the text has a UTF-8 of its own. */
export function isWellFormed(text: string): boolean {
  // newer than our types
  return (text as string & { isWellFormed(): boolean }).isWellFormed()
}

/**
 * Without a byte order mark.
 *
 * @param what the bytes are, to begin a sentence with: `The file`
 * @throws InvalidInputError that names line and offset, when they are not UTF-8
 */
export function decodeUtf8(bytes: Uint8Array, what: string): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const fault = utf8Fault(buffer)
  if (fault === undefined) return buffer.toString('utf8').replace(/^\ufeff/, '')
  let line = 1
  for (const byte of buffer.subarray(0, fault)) if (byte === NEWLINE) line++
  throw new InvalidInputError(
    `${what} is not valid UTF-8 (line ${line}, byte offset ${fault}): convert it, for example with iconv.`,
  )
}
