/** CRC-32 (ISO-HDLC, the one of zlib and Ethernet) of the cache's records. */
import * as zlib from 'node:zlib'

const TABLE = new Uint32Array(256)
for (let i = 0; i < 256; i++) {
  let c = i
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
  TABLE[i] = c >>> 0
}

/** Of bytes `start` to `end`; quickest for a few dozen bytes, where a call into zlib costs more. */
export function crc32Small(bytes: Uint8Array, start: number, end: number): number {
  let c = 0xffffffff
  for (let i = start; i < end; i++) {
    c = (TABLE[(c ^ (bytes[i] as number)) & 0xff] as number) ^ (c >>> 8)
  }
  return (c ^ 0xffffffff) >>> 0
}

// zlib's own came with Node 20.15 and 22.2
const native = (zlib as { crc32?: (data: Uint8Array) => number }).crc32

/** Of any number of bytes. */
export function crc32(bytes: Uint8Array): number {
  return native ? native(bytes) : crc32Small(bytes, 0, bytes.length)
}
