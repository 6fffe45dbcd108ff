/** Reads what a slot of the index points to, and believes nothing that a checksum does not confirm. */
import fs from 'node:fs'
import { crc32 } from '../entry/checksum.js'
import { type Value, viewValue } from '../entry/value.js'
import {
  HEADER_BYTES,
  HEADER_META,
  header,
  MAX_RECORD_BYTES,
  meta,
  SLOT_META,
  slot,
} from './layout.js'
import type { Segments } from './segments.js'

/** `gone`: the segment was removed. */
export type Unread = 'gone' | 'damaged'

/** The record that the slot at `at` points to, in a buffer of its own. */
export function readRecord(segments: Segments, buffer: Buffer, at: number): Buffer | Unread {
  const bytes = slot.bytes(buffer, at)
  if (bytes < HEADER_BYTES || bytes > MAX_RECORD_BYTES) return 'damaged'
  const fd = segments.reader(slot.segment(buffer, at))
  if (fd === undefined) return 'gone'
  const record = Buffer.from(new ArrayBuffer(bytes))
  const read = fs.readSync(fd, record, 0, bytes, slot.offset(buffer, at))
  const isWhole =
    read === bytes &&
    header.isSound(record, 0) &&
    header.dataBytes(record, 0) === bytes - HEADER_BYTES &&
    meta.same(record, HEADER_META, buffer, at + SLOT_META) &&
    crc32(record.subarray(HEADER_BYTES)) === header.dataCrc(record, 0)
  if (isWhole) return record
  if (fs.fstatSync(fd).nlink > 0) return 'damaged'
  segments.forgetGone()
  return 'gone'
}

/** The value in a record, as a view of it. */
export function valueIn(record: Buffer): Value | undefined {
  const memory = record.buffer as ArrayBuffer
  const kind = meta.kind(record, HEADER_META)
  return viewValue(kind, memory, record.byteOffset + HEADER_BYTES, record.length - HEADER_BYTES)
}
