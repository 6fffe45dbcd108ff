/**
 * The bytes of the disk tier. All integers are little-endian; times are milliseconds since 1970 in 6
 * bytes. What is known of an entry (its *meta*, 48 bytes) lies in the index and before its data:
 *
 *     meta     0  kind (1 dense, 2 sparse, 3 ColBERT, 4 kept by hand,          1 byte
 *                15 a fingerprint)
 *              1  0                                                          1
 *              2  hits                                                       2
 *              4  text tag                                                  16
 *             20  model tag                                                  8
 *             28  variant: 0, or the limit that the text was cut at          4
 *             32  tokens that went through the model                         4
 *             36  created                                                    6
 *             42  last access                                                6
 *
 *     slot     0  CRC-32 of the rest     record   0  "BGC1"
 *     (64)     4  meta                   header   4  CRC-32 of the rest of the header
 *             52  segment number         (64)     8  CRC-32 of the data
 *             56  offset in it                   12  bytes of data
 *             60  bytes of header and data       16  meta
 *
 * A slot of zeros is free.
 */
import { crc32, crc32Small } from '../entry/checksum.js'
import { Kind, type ModelKey } from '../entry/key.js'
import { byteLength, type Value, writeValue } from '../entry/value.js'

export const SLOT_BYTES = 64
export const HEADER_BYTES = 64
export const META_BYTES = 48
export const MAGIC = 0x31434742
/** The largest record that is believed: all 8,192 tokens' ColBERT rows are 34 MB. */
export const MAX_RECORD_BYTES = 256 * 1024 * 1024
/** A record that says which fingerprint a model tag stands for. */
export const NAME_KIND = 15
export const MAX_HITS = 0xffff

/** Where the meta starts in a slot and in a record's header. */
export const SLOT_META = 4
export const HEADER_META = 16

export const meta = {
  kind: (b: Buffer, at: number): number => b[at] as number,
  hits: (b: Buffer, at: number): number => b.readUInt16LE(at + 2),
  tag: (b: Buffer, at: number): string => b.toString('latin1', at + 4, at + 20),
  model: (b: Buffer, at: number): string => b.toString('hex', at + 20, at + 28),
  variant: (b: Buffer, at: number): number => b.readUInt32LE(at + 28),
  tokens: (b: Buffer, at: number): number => b.readUInt32LE(at + 32),
  created: (b: Buffer, at: number): number => b.readUIntLE(at + 36, 6),
  access: (b: Buffer, at: number): number => b.readUIntLE(at + 42, 6),
  setUse(b: Buffer, at: number, hits: number, access: number): void {
    b.writeUInt16LE(Math.min(hits, MAX_HITS), at + 2)
    b.writeUIntLE(access, at + 42, 6)
  },
  setCreated(b: Buffer, at: number, created: number): void {
    b.writeUIntLE(created, at + 36, 6)
  },
  /** Whether two metas are of the same entry. */
  same(a: Buffer, atA: number, b: Buffer, atB: number): boolean {
    return a[atA] === b[atB] && a.compare(b, atB + 4, atB + 32, atA + 4, atA + 32) === 0
  },
}

export const slot = {
  isFree(b: Buffer, at: number): boolean {
    return b.readUInt32LE(at) === 0 && b[at + SLOT_META] === 0
  },
  isSound(b: Buffer, at: number): boolean {
    const kind = b[at + SLOT_META] as number
    return (
      kind >= Kind.dense &&
      kind <= Kind.kept &&
      b.readUInt32LE(at) === crc32Small(b, at + 4, at + SLOT_BYTES)
    )
  },
  seal(b: Buffer, at: number): void {
    b.writeUInt32LE(crc32Small(b, at + 4, at + SLOT_BYTES), at)
  },
  segment: (b: Buffer, at: number): number => b.readUInt32LE(at + 52),
  offset: (b: Buffer, at: number): number => b.readUInt32LE(at + 56),
  bytes: (b: Buffer, at: number): number => b.readUInt32LE(at + 60),
}

export const header = {
  isSound(b: Buffer, at: number): boolean {
    return (
      b.readUInt32LE(at) === MAGIC &&
      b.readUInt32LE(at + 4) === crc32Small(b, at + 8, at + HEADER_BYTES) &&
      b.readUInt32LE(at + 12) <= MAX_RECORD_BYTES - HEADER_BYTES
    )
  },
  dataCrc: (b: Buffer, at: number): number => b.readUInt32LE(at + 8),
  dataBytes: (b: Buffer, at: number): number => b.readUInt32LE(at + 12),
  seal(b: Buffer, at: number): void {
    b.writeUInt32LE(crc32Small(b, at + 8, at + HEADER_BYTES), at + 4)
  },
}

/** What identifies and describes an entry when it is written. */
export interface RecordInfo {
  kind: number
  model: Pick<ModelKey, 'tag'>
  /** 16 characters of one byte. */
  tag: string
  variant: number
  tokenCount: number
  created: number
  lastAccess: number
  hits: number
}

/** Header and data in one buffer. */
export function encodeRecord(info: RecordInfo, value: Value | Buffer): Buffer {
  const isBytes = Buffer.isBuffer(value)
  const dataBytes = isBytes ? value.length : byteLength(value)
  const record = Buffer.allocUnsafe(HEADER_BYTES + dataBytes)
  if (isBytes) value.copy(record, HEADER_BYTES)
  else writeValue(value, record, HEADER_BYTES)
  record.writeUInt32LE(MAGIC, 0)
  record.writeUInt32LE(crc32(record.subarray(HEADER_BYTES)), 8)
  record.writeUInt32LE(dataBytes, 12)
  const at = HEADER_META
  record[at] = info.kind
  record[at + 1] = 0
  record.write(info.tag, at + 4, 16, 'latin1')
  info.model.tag.copy(record, at + 20)
  record.writeUInt32LE(info.variant, at + 28)
  record.writeUInt32LE(info.tokenCount, at + 32)
  meta.setCreated(record, at, info.created)
  meta.setUse(record, at, info.hits, info.lastAccess)
  header.seal(record, 0)
  return record
}

/** The slot that points to a record. */
export function slotFor(record: Buffer, segment: number, offset: number, bytes: number): Buffer {
  const b = Buffer.allocUnsafe(SLOT_BYTES)
  record.copy(b, SLOT_META, HEADER_META, HEADER_META + META_BYTES)
  b.writeUInt32LE(segment, 52)
  b.writeUInt32LE(offset, 56)
  b.writeUInt32LE(bytes, 60)
  slot.seal(b, 0)
  return b
}

/** Entries made by a clock that was ahead by more than this count as made now. */
const CLOCK_TOLERANCE_MS = 5 * 60_000

export function isAhead(created: number, now: number): boolean {
  return created > now + CLOCK_TOLERANCE_MS
}

/** An entry from the future is young: a clock that was put back expires nothing. */
export function isExpired(created: number, now: number, ttlMs: number): boolean {
  return now - created > ttlMs
}
