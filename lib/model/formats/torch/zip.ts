/**
 * Reads zip archives whose entries are stored, which is how PyTorch writes checkpoints. Follows
 * PKWARE's APPNOTE 6.3.10, sections 4.3 and 4.5.3 (zip64). Compressed, encrypted and split archives
 * are refused.
 */

import { TextDecoder } from 'node:util'
import { type AbortSignalLike, throwIfAborted } from '../../../common/abort.js'
import { IntegrityError, ModelLoadError } from '../../../common/errors.js'
import type { RandomAccess } from '../random-access.js'
import { quoted } from '../tensor-file.js'
import { crc32 } from './crc32.js'

const LOCAL_HEADER = 0x04034b50
const CENTRAL_HEADER = 0x02014b50
const END_RECORD = 0x06054b50
const ZIP64_LOCATOR = 0x07064b50
const ZIP64_END_RECORD = 0x06064b50

const END_RECORD_BYTES = 22
const LOCATOR_BYTES = 20
const ZIP64_END_BYTES = 56
const LOCAL_HEADER_BYTES = 30
const CENTRAL_HEADER_BYTES = 46

/** A checkpoint of bge-m3's size has 400 entries, and 40 KiB of directory. */
const MAX_DIRECTORY_BYTES = 1 << 24
const CRC_CHUNK_BYTES = 1 << 22

/** Where an entry's bytes are. */
export interface ZipEntry {
  readonly name: string
  readonly size: number
  readonly crc32: number
  /** Of the local header. */
  readonly headerOffset: number
}

/** The directory of an archive, checked. */
export class StoredZip {
  private constructor(
    private readonly source: RandomAccess,
    /** By name, in the directory's order. */
    readonly entries: ReadonlyMap<string, ZipEntry>,
    /** Where the directory starts: entries end before it. */
    private readonly directoryOffset: number,
  ) {}

  /** @throws ModelLoadError when this is no such archive. */
  static async open(source: RandomAccess): Promise<StoredZip> {
    const directory = await findDirectory(source)
    const bytes = await source.read(directory.offset, directory.size)
    const entries = readDirectory(bytes, directory, source.name)
    return new StoredZip(source, entries, directory.offset)
  }

  /** Where an entry's bytes start in the file, after its local header has been checked. */
  async dataOffset(entry: ZipEntry): Promise<number> {
    const what = `${this.source.name}: entry ${quoted(entry.name)}`
    const header = view(await this.source.read(entry.headerOffset, LOCAL_HEADER_BYTES))
    if (header.getUint32(0, true) !== LOCAL_HEADER) {
      throw new ModelLoadError(`${what} does not start where the directory says.`)
    }
    checkStored(what, header.getUint16(6, true), header.getUint16(8, true))
    const nameLength = header.getUint16(26, true)
    const extraLength = header.getUint16(28, true)
    const name = utf8.decode(
      await this.source.read(entry.headerOffset + LOCAL_HEADER_BYTES, nameLength),
    )
    if (name !== entry.name) throw new ModelLoadError(`${what} has another name in its header.`)
    const offset = entry.headerOffset + LOCAL_HEADER_BYTES + nameLength + extraLength
    if (offset + entry.size > this.directoryOffset) {
      throw new ModelLoadError(`${what} runs into the directory.`)
    }
    return offset
  }

  /**
   * All bytes of a small entry, compared with its checksum.
   *
   * @throws IntegrityError when they differ.
   */
  async read(entry: ZipEntry, maxBytes: number): Promise<Uint8Array> {
    if (entry.size > maxBytes) {
      throw new ModelLoadError(`${this.source.name}: entry ${quoted(entry.name)} is too large.`)
    }
    const bytes = await this.source.read(await this.dataOffset(entry), entry.size)
    this.compare(entry, crc32(bytes))
    return bytes
  }

  /** Compares an entry of any size with its checksum. */
  async verify(entry: ZipEntry, signal?: AbortSignalLike): Promise<void> {
    const offset = await this.dataOffset(entry)
    let crc = 0
    for (let done = 0; done < entry.size; done += CRC_CHUNK_BYTES) {
      throwIfAborted(signal)
      const length = Math.min(CRC_CHUNK_BYTES, entry.size - done)
      crc = crc32(await this.source.read(offset + done, length), crc)
    }
    this.compare(entry, crc)
  }

  private compare(entry: ZipEntry, crc: number): void {
    // PyTorch can be told not to compute checksums; it then records 0.
    if (entry.crc32 !== 0 && entry.crc32 !== crc) {
      throw new IntegrityError(
        `${this.source.name}: entry ${quoted(entry.name)} does not match its checksum.`,
      )
    }
  }
}

interface Directory {
  offset: number
  size: number
  count: number
}

async function findDirectory(source: RandomAccess): Promise<Directory> {
  const tailLength = Math.min(source.size, END_RECORD_BYTES + 0xffff)
  const tail = view(await source.read(source.size - tailLength, tailLength))
  let at = tailLength - END_RECORD_BYTES
  // The comment after the record must reach exactly to the end, or it is no end record.
  const isEnd = () =>
    tail.getUint32(at, true) === END_RECORD &&
    at + END_RECORD_BYTES + tail.getUint16(at + 20, true) === tailLength
  while (at >= 0 && !isEnd()) at--
  if (at < 0) throw new ModelLoadError(`${source.name} is not a zip archive, or is cut short.`)

  const end = source.size - tailLength + at
  const directory = {
    count: tail.getUint16(at + 10, true),
    size: tail.getUint32(at + 12, true),
    offset: tail.getUint32(at + 16, true),
  }
  const saturated =
    directory.count === 0xffff || directory.size === 0xffffffff || directory.offset === 0xffffffff
  let limit = end
  if (saturated) {
    limit = await readZip64(source, end, directory)
  } else if (tail.getUint16(at + 4, true) !== 0 || tail.getUint16(at + 6, true) !== 0) {
    throw splitArchive(source)
  }
  const { offset, size, count } = directory
  if (!(offset + size <= limit)) throw damaged(source)
  if (size > MAX_DIRECTORY_BYTES || count * CENTRAL_HEADER_BYTES > size) throw damaged(source)
  return directory
}

/** Replaces what did not fit the 32-bit record; says where the zip64 record starts. */
async function readZip64(source: RandomAccess, end: number, directory: Directory): Promise<number> {
  if (end < LOCATOR_BYTES) throw damaged(source)
  const locator = view(await source.read(end - LOCATOR_BYTES, LOCATOR_BYTES))
  if (locator.getUint32(0, true) !== ZIP64_LOCATOR) throw damaged(source)
  if (locator.getUint32(4, true) !== 0 || locator.getUint32(16, true) > 1)
    throw splitArchive(source)
  const at = uint64(locator, 8)
  const record = view(await source.read(at, ZIP64_END_BYTES))
  if (record.getUint32(0, true) !== ZIP64_END_RECORD) throw damaged(source)
  if (record.getUint32(16, true) !== 0 || record.getUint32(20, true) !== 0) {
    throw splitArchive(source)
  }
  directory.count = uint64(record, 32)
  directory.size = uint64(record, 40)
  directory.offset = uint64(record, 48)
  return at
}

function readDirectory(
  bytes: Uint8Array,
  directory: Directory,
  fileName: string,
): Map<string, ZipEntry> {
  const header = view(bytes)
  const entries = new Map<string, ZipEntry>()
  let at = 0
  for (let i = 0; i < directory.count; i++) {
    const invalid = () => new ModelLoadError(`${fileName}: its directory is damaged at entry ${i}.`)
    if (at + CENTRAL_HEADER_BYTES > bytes.length || header.getUint32(at, true) !== CENTRAL_HEADER) {
      throw invalid()
    }
    const nameEnd = at + CENTRAL_HEADER_BYTES + header.getUint16(at + 28, true)
    const extraEnd = nameEnd + header.getUint16(at + 30, true)
    const next = extraEnd + header.getUint16(at + 32, true)
    if (next > bytes.length) throw invalid()
    const name = utf8.decode(bytes.subarray(at + CENTRAL_HEADER_BYTES, nameEnd))
    const what = `${fileName}: entry ${quoted(name)}`
    checkStored(what, header.getUint16(at + 8, true), header.getUint16(at + 10, true))
    const fields = centralSizes(header, at, nameEnd, extraEnd)
    if (fields === undefined) throw invalid()
    if (fields.disk !== 0) throw new ModelLoadError(`${what} is on another volume.`)
    if (fields.compressed !== fields.size) throw invalid()
    if (!(fields.offset + LOCAL_HEADER_BYTES + fields.size <= directory.offset)) throw invalid()
    if (entries.has(name)) throw new ModelLoadError(`${what} is there twice.`)
    entries.set(name, {
      name,
      size: fields.size,
      crc32: header.getUint32(at + 16, true),
      headerOffset: fields.offset,
    })
    at = next
  }
  return entries
}

/** Sizes and offset of a central header; where a field is saturated, its zip64 extra has it. */
function centralSizes(
  header: DataView,
  at: number,
  extraStart: number,
  extraEnd: number,
): { compressed: number; size: number; offset: number; disk: number } | undefined {
  const fields = {
    size: header.getUint32(at + 24, true),
    compressed: header.getUint32(at + 20, true),
    offset: header.getUint32(at + 42, true),
    disk: header.getUint16(at + 34, true),
  }
  // In this order; each is present only if its 32-bit field is saturated.
  const wide = (['size', 'compressed', 'offset'] as const).filter(
    (name) => fields[name] === 0xffffffff,
  )
  if (wide.length === 0) return fields
  for (let extra = extraStart; extra + 4 <= extraEnd; ) {
    const id = header.getUint16(extra, true)
    const length = header.getUint16(extra + 2, true)
    extra += 4
    if (id === 1) {
      if (length < 8 * wide.length || extra + length > extraEnd) return undefined
      wide.forEach((name, i) => {
        fields[name] = uint64(header, extra + 8 * i)
      })
      return fields
    }
    extra += length
  }
  return undefined
}

const ENCRYPTED_FLAGS = 0x2041 // bits 0, 6 and 13

function checkStored(what: string, flags: number, method: number): void {
  if (flags & ENCRYPTED_FLAGS) throw new ModelLoadError(`${what} is encrypted.`)
  if (method !== 0) {
    throw new ModelLoadError(
      `${what} is compressed: PyTorch stores. Re-save the file with PyTorch.`,
    )
  }
}

/** Above 2^53 it becomes infinity, which no later check passes. */
function uint64(data: DataView, at: number): number {
  const value = Number(data.getBigUint64(at, true))
  return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY
}

function damaged(source: RandomAccess): ModelLoadError {
  return new ModelLoadError(`${source.name}: the directory of the zip archive is damaged.`)
}

function splitArchive(source: RandomAccess): ModelLoadError {
  return new ModelLoadError(`${source.name} is a zip archive split over several volumes.`)
}

const utf8 = new TextDecoder('utf-8')

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
