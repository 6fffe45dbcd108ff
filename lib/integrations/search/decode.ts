/** Bytes of a file to text. */

import { TextDecoder } from 'node:util'
import { InvalidInputError } from '../../common/errors.js'
import { decodeUtf8 } from '../../common/utf8.js'

/** Bytes at the beginning among which HTML must name its encoding. */
const PRESCAN = 1024

/**
 * UTF-8, or what a byte order mark or (in HTML) a declaration says.
 *
 * @returns undefined for binary data, which holds NULs
 * @throws InvalidInputError when the bytes are not what they should be
 */
export function decodeText(bytes: Uint8Array, isHtml: boolean): string | undefined {
  const mark = markOf(bytes)
  // UTF-16 has NUL bytes, and says that it is UTF-16
  if (mark === undefined && bytes.includes(0)) return undefined
  const encoding = mark ?? (isHtml ? declared(bytes) : undefined) ?? 'utf-8'
  const text = decode(encoding, bytes)
  return text.includes('\0') ? undefined : text
}

function decode(encoding: string, bytes: Uint8Array): string {
  if (encoding === 'utf-8') return decodeUtf8(bytes, 'The file')
  let decoder: InstanceType<typeof TextDecoder>
  try {
    decoder = new TextDecoder(encoding, { fatal: true })
  } catch (cause) {
    throw new InvalidInputError('The file names an encoding that is not known here.', { cause })
  }
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new InvalidInputError(`The file is not valid ${decoder.encoding.toUpperCase()}.`, {
      cause,
    })
  }
}

function markOf([a, b, c]: Uint8Array): string | undefined {
  if (a === 0xef && b === 0xbb && c === 0xbf) return 'utf-8'
  if (a === 0xff && b === 0xfe) return 'utf-16le'
  if (a === 0xfe && b === 0xff) return 'utf-16be'
  return undefined
}

function declared(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, PRESCAN)).toString('latin1')
  const name =
    /<meta[^>]+charset\s*=\s*["']?\s*([\w:.-]+)/i.exec(head)?.[1] ??
    /^\s*<\?xml[^>]+encoding\s*=\s*["']([\w:.-]+)/i.exec(head)?.[1]
  // whoever could read that it is UTF-16 knows that it is not
  return name && /^utf-?16/i.test(name) ? 'utf-8' : name
}
