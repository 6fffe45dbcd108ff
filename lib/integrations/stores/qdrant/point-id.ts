/** Point ids: Qdrant takes unsigned integers and UUIDs, and items are called whatever their owner likes. */

import { createHash } from 'node:crypto'
import { InvalidInputError } from '../../../common/errors.js'
import { checkText } from '../../../common/given.js'
import { isWellFormed } from '../../../common/utf8.js'

/** Of our own: version 5 of `urn:bge-m3-node:point` in RFC 9562's namespace of URLs. Never to change. */
const NAMESPACE = Buffer.from('f92983fb927959bf88fbcbfe29372a9e', 'hex')

/**
 * The id of an item's point: a UUID of version 5 (RFC 9562, SHA-1 of a namespace and the id's UTF-8).
 * The same id gives the same point, on any machine and in any run.
 *
 * @throws InvalidInputError for an id with half a surrogate pair, which UTF-8 cannot tell from others
 */
export function pointId(id: string): string {
  checkText(id, 'An id')
  if (!isWellFormed(id)) {
    throw new InvalidInputError(
      'An id holds half of a surrogate pair, which UTF-8 has no bytes for.',
    )
  }
  const bytes = createHash('sha1').update(NAMESPACE).update(id, 'utf8').digest().subarray(0, 16)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x50
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20, 32),
  ].join('-')
}

/** With U+FFFD for every half surrogate pair, as UTF-8 encoders put it; Qdrant refuses JSON with one. */
export function wellFormed(text: string): string {
  return isWellFormed(text) ? text : text.replace(/\p{Surrogate}/gu, '\ufffd')
}
