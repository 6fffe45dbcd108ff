/**
 * Export files. Version 1, integers little-endian:
 *
 *     0   "bge-m3-cache"                         12 bytes
 *     12  version: 1                              4
 *     16  time of the export, ms since 1970       8
 *     24  0                                       8
 *     32  records, as the disk tier has them (disk/layout.ts); a record of kind 15 has a fingerprint
 *         in UTF-8 for its data and comes before the first record of its model
 *     -44 records, those of kind 15 included      8
 *     -36 "BGCE"                                  4
 *     -32 SHA-256 of everything before           32
 */
import { createHash, randomUUID } from 'node:crypto'
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { CacheError } from '../common/errors.js'
import { isTyped } from '../common/realms.js'
import { encodeRecord, HEADER_BYTES, HEADER_META, header, meta, NAME_KIND } from './disk/layout.js'
import { readName } from './disk/names.js'
import { DiskStore } from './disk/store.js'
import { crc32 } from './entry/checksum.js'
import { decodeKept } from './entry/kept.js'
import { KINDS, Kind, modelTag } from './entry/key.js'
import { allFinite, isSparse, type Value, viewValue } from './entry/value.js'
import type { MemoryTier } from './memory.js'

const MAGIC = Buffer.from('bge-m3-cache', 'latin1')
const END_MAGIC = Buffer.from('BGCE', 'latin1')
const VERSION = 1
const FILE_HEADER_BYTES = 32
const TRAILER_BYTES = 44
const SHA_BYTES = 32
const MAX_NAME_BYTES = 4096
/** bge-m3 takes 8,192; no model we know takes more than this. */
const MAX_TOKENS = 1 << 24

// -- export ------------------------------------------------------------------------------------

/** Writes all entries of a tier; the file is there whole or not at all, and its owner's alone. */
export async function exportRecords(
  file: string,
  now: number,
  source: DiskStore | MemoryTier,
): Promise<{ entries: number; bytes: number }> {
  const target = path.resolve(file)
  const temporary = `${target}.${randomUUID().slice(0, 8)}.tmp`
  try {
    const handle = await open(temporary, 'wx', 0o600)
    let written: { entries: number; bytes: number }
    try {
      written = await writeExport(handle, now, source)
    } finally {
      await handle.close()
    }
    await rename(temporary, target)
    return written
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    const { code, message } = error as NodeJS.ErrnoException
    throw new CacheError(`The cache could not be exported to ${target}: ${code ?? message}.`, {
      cause: error,
    })
  }
}

async function writeExport(
  handle: FileHandle,
  now: number,
  source: DiskStore | MemoryTier,
): Promise<{ entries: number; bytes: number }> {
  const hash = createHash('sha256')
  let bytes = 0
  const write = async (buffer: Buffer) => {
    hash.update(buffer)
    await handle.writeFile(buffer)
    bytes += buffer.length
  }
  const head = Buffer.alloc(FILE_HEADER_BYTES)
  MAGIC.copy(head)
  head.writeUInt32LE(VERSION, 12)
  head.writeBigUInt64LE(BigInt(Math.trunc(now)), 16)
  await write(head)

  let entries = 0
  let records = 0
  const named = new Set<string>()
  const nameOf = (tag: string): string | undefined =>
    source instanceof DiskStore ? readName(source.dir, tag) : source.fingerprint(tag)
  for (const batch of batches(source)) {
    const parts: Buffer[] = []
    for (const record of batch) {
      const tag = meta.model(record, HEADER_META)
      const name = named.has(tag) ? undefined : nameOf(tag)
      named.add(tag)
      if (name !== undefined) parts.push(nameRecord(tag, name))
      parts.push(record)
      entries++
    }
    records += parts.length
    await write(Buffer.concat(parts))
  }
  const end = Buffer.alloc(TRAILER_BYTES - SHA_BYTES)
  end.writeBigUInt64LE(BigInt(records), 0)
  END_MAGIC.copy(end, 8)
  await write(end)
  const digest = hash.digest()
  await handle.writeFile(digest)
  return { entries, bytes: bytes + digest.length }
}

const BATCH_BYTES = 1 << 20

/** Records, about a megabyte at a time. */
function* batches(source: DiskStore | MemoryTier): Generator<Buffer[]> {
  let batch: Buffer[] = []
  let bytes = 0
  for (const record of recordsOf(source)) {
    batch.push(record)
    bytes += record.length
    if (bytes < BATCH_BYTES) continue
    yield batch
    batch = []
    bytes = 0
  }
  if (batch.length > 0) yield batch
}

function* recordsOf(source: DiskStore | MemoryTier): Generator<Buffer> {
  if (source instanceof DiskStore) {
    for (const slots of source.slots()) {
      for (const entry of slots) {
        const record = source.record(entry)
        if (record) yield record
      }
    }
    return
  }
  for (const [, { value, tokenCount, created, hits, touch }] of source.entries()) {
    const { model, tag, kind, variant, lastAccess } = touch
    yield encodeRecord({ kind, model, tag, variant, tokenCount, created, lastAccess, hits }, value)
  }
}

function nameRecord(tag: string, name: string): Buffer {
  const model = { tag: Buffer.from(tag, 'hex') }
  const zeros = { variant: 0, tokenCount: 0, created: 0, lastAccess: 0, hits: 0 }
  return encodeRecord({ kind: NAME_KIND, model, tag: '\0'.repeat(16), ...zeros }, Buffer.from(name))
}

// -- import ------------------------------------------------------------------------------------

export interface ImportedRecord {
  modelTag: string
  fingerprint: string | undefined
  tag: string
  kind: Kind
  variant: number
  tokenCount: number
  created: number
  lastAccess: number
  hits: number
  value: Value
}

/**
 * Hands over the entries of an export file, one by one, after all of it was checked: its checksum, and
 * the structure and plausibility of every record.
 *
 * @throws CacheError that says what is wrong with the file
 */
export async function importRecords(
  file: string,
  take: (record: ImportedRecord) => Promise<void>,
): Promise<void> {
  const source = path.resolve(file)
  const wrong = (what: string, cause?: unknown): CacheError =>
    new CacheError(`${source} ${what}. Nothing was imported.`, { cause })
  let handle: FileHandle
  try {
    // opening a pipe would wait for its other end
    if (!(await stat(source)).isFile()) throw wrong('is no regular file')
    handle = await open(source, 'r')
  } catch (error) {
    if (error instanceof CacheError) throw error
    throw wrong(`cannot be read (${(error as NodeJS.ErrnoException).code})`, error)
  }
  try {
    const { size } = await handle.stat()
    await checkFrame(handle, size, wrong)
    await forEachRecord(handle, size, wrong, async () => {})
    await forEachRecord(handle, size, wrong, take)
  } catch (error) {
    if (error instanceof CacheError) throw error
    throw wrong(`cannot be read (${(error as NodeJS.ErrnoException).code})`, error)
  } finally {
    await handle.close()
  }
}

type Wrong = (what: string) => CacheError

async function readExactly(handle: FileHandle, at: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.from(new ArrayBuffer(bytes))
  let got = 0
  while (got < bytes) {
    const { bytesRead } = await handle.read(buffer, got, bytes - got, at + got)
    if (bytesRead === 0) throw new CacheError('The file became shorter while it was read.')
    got += bytesRead
  }
  return buffer
}

/** Magic, version and checksum. */
async function checkFrame(handle: FileHandle, size: number, wrong: Wrong): Promise<void> {
  if (size < FILE_HEADER_BYTES) throw wrong('is no exported cache')
  const head = await readExactly(handle, 0, FILE_HEADER_BYTES)
  if (!head.subarray(0, MAGIC.length).equals(MAGIC)) throw wrong('is no exported cache')
  const version = head.readUInt32LE(12)
  if (version !== VERSION) throw wrong(`has version ${version}; this package reads ${VERSION}`)
  if (size < FILE_HEADER_BYTES + TRAILER_BYTES) throw wrong('was cut short')
  const hash = createHash('sha256')
  for (let at = 0; at < size - SHA_BYTES; at += BATCH_BYTES) {
    hash.update(await readExactly(handle, at, Math.min(BATCH_BYTES, size - SHA_BYTES - at)))
  }
  const digest = await readExactly(handle, size - SHA_BYTES, SHA_BYTES)
  if (!hash.digest().equals(digest)) throw wrong('is damaged or was cut short')
}

async function forEachRecord(
  handle: FileHandle,
  size: number,
  wrong: Wrong,
  take: (record: ImportedRecord) => Promise<void>,
): Promise<void> {
  const end = size - TRAILER_BYTES
  const names = new Map<string, string>()
  const widths = new Map<string, number>()
  let records = 0
  let at = FILE_HEADER_BYTES
  while (at < end) {
    if (end - at < HEADER_BYTES) throw wrong('has a record that is cut short')
    const head = await readExactly(handle, at, HEADER_BYTES)
    const bytes = header.dataBytes(head, 0)
    if (!header.isSound(head, 0) || bytes > end - at - HEADER_BYTES) {
      throw wrong(`has no sound record at byte ${at}`)
    }
    const data = await readExactly(handle, at + HEADER_BYTES, bytes)
    if (crc32(data) !== header.dataCrc(head, 0)) throw wrong(`has a damaged record at byte ${at}`)
    const tag = meta.model(head, HEADER_META)
    if (meta.kind(head, HEADER_META) === NAME_KIND) {
      const name = data.toString('utf8')
      if (bytes > MAX_NAME_BYTES || modelTag(name) !== tag) {
        throw wrong(`has a fingerprint that is none at byte ${at}`)
      }
      names.set(tag, name)
    } else {
      const record = parseRecord(head, data, names.get(tag), widths)
      if (!record) throw wrong(`has an entry that cannot be at byte ${at}`)
      await take(record)
    }
    at += HEADER_BYTES + bytes
    records++
  }
  const trailer = await readExactly(handle, end, TRAILER_BYTES)
  const isEnd = trailer.subarray(8, 12).equals(END_MAGIC)
  if (!isEnd || trailer.readBigUInt64LE(0) !== BigInt(records)) throw wrong('has a wrong end')
}

/** `undefined` for what no engine gives: an entry that is let in is served like a computed one. */
function parseRecord(
  head: Buffer,
  data: Buffer,
  fingerprint: string | undefined,
  widths: Map<string, number>,
): ImportedRecord | undefined {
  const kind = meta.kind(head, HEADER_META)
  const tokenCount = meta.tokens(head, HEADER_META)
  const variant = meta.variant(head, HEADER_META)
  const tag = meta.model(head, HEADER_META)
  if (!KINDS.includes(kind as Kind)) return undefined
  if (tokenCount < 1 || tokenCount > MAX_TOKENS) return undefined
  if (variant !== 0 && variant < tokenCount) return undefined
  const value = viewValue(kind as Kind, data.buffer as ArrayBuffer, data.byteOffset, data.length)
  if (!value || !isPlausible(value, kind as Kind, tokenCount, tag, widths)) return undefined
  return {
    modelTag: tag,
    fingerprint,
    tag: meta.tag(head, HEADER_META),
    kind: kind as Kind,
    variant,
    tokenCount,
    created: meta.created(head, HEADER_META),
    lastAccess: meta.access(head, HEADER_META),
    hits: meta.hits(head, HEADER_META),
    value,
  }
}

/** Numbers are finite, ids ascend, and all vectors of a model are equally wide. */
function isPlausible(
  value: Value,
  kind: Kind,
  tokenCount: number,
  modelTag: string,
  widths: Map<string, number>,
): boolean {
  if (isSparse(value)) {
    for (let i = 1; i < value.indices.length; i++) {
      if ((value.indices[i] as number) <= (value.indices[i - 1] as number)) return false
    }
    return allFinite(value.values)
  }
  if (isTyped(value, 'Uint8Array')) return decodeKept(value) !== undefined
  if (value.length === 0) return kind === Kind.colbert && tokenCount === 1
  const width = kind === Kind.dense ? value.length : value.length / (tokenCount - 1)
  const known = widths.get(modelTag) ?? width
  widths.set(modelTag, known)
  return Number.isInteger(width) && width === known && allFinite(value)
}
