/** CRC-32 as in zip (polynomial 0xEDB88320). */

import * as zlib from 'node:zlib'

/** CRC-32 of `previous` content followed by `bytes`. */
export const crc32: (bytes: Uint8Array, previous?: number) => number =
  // Node has it from 20.15; hashing two gigabytes in JavaScript takes seconds.
  typeof zlib.crc32 === 'function' ? zlib.crc32 : portableCrc32

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc >>> 0
})

export function portableCrc32(bytes: Uint8Array, previous = 0): number {
  let crc = ~previous
  for (let i = 0; i < bytes.length; i++) {
    crc = (crc >>> 8) ^ (TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number)
  }
  return ~crc >>> 0
}
