/**
 * Keeping the store in its bounds: what is expired goes, what was not used for long goes when there is
 * no room, and what is left of segments that are mostly dead moves to new ones.
 *
 * Any process may do this at any time, and several at once: what each does to a segment is to copy
 * records, to point their slots to the copies, and to remove the segment. The worst that comes of two
 * doing so at once is a copy too many.
 */

import fs from 'node:fs'
import path from 'node:path'
import { turn } from '../../common/timers.js'
import { crc32 } from '../entry/checksum.js'
import type { Appender } from './appender.js'
import {
  HEADER_BYTES,
  HEADER_META,
  header,
  isAhead,
  isExpired,
  meta,
  SLOT_META,
  slot,
  slotFor,
} from './layout.js'
import type { Segments } from './segments.js'
import type { SlotTable } from './slots.js'

/** A store's parts, as upkeep needs them. */
export interface Parts {
  readonly dir: string
  readonly segments: Segments
  readonly appender: Appender
  /** May be another after a while: a bigger index replaces a smaller one. */
  readonly table: SlotTable
  readonly segmentBytes: number
  /** The most bytes of all files. */
  readonly limitBytes: number
  readonly ttlMs: number
  now(): number
  /** Entries that went: for lack of room, or because of their age. */
  readonly counts: { evictions: number; expired: number }
}

/** Slots or records that are looked at before others get a turn. */
const STEP = 200
/** Bytes of records that are copied at a time. */
const COPY_BYTES = 4 << 20
/** Segments written to so recently may have records whose slots are still to come. */
const SETTLED_MS = 10_000
/** Segments of other processes that wrote within this time are left to them. */
const IDLE_MS = 10 * 60_000
/** So many small segments become one. */
const MANY_SMALL = 8

export function usedBytes({ segments, table }: Parts): number {
  return segments.list().reduce((sum, { bytes }) => sum + bytes, table.diskBytes())
}

interface Live {
  offset: number
  bytes: number
  created: number
  hits: number
  access: number
  /** Read since it was written to this segment. */
  used: boolean
  expired: boolean
}

/** The records of a segment that the index still points to. */
async function liveRecords(parts: Parts, id: number): Promise<Live[]> {
  const live: Live[] = []
  const now = parts.now()
  let seen = 0
  for (const { offset, bytes, header: head } of parts.segments.scan(id)) {
    if (++seen % STEP === 0) await turn()
    const { table } = parts
    const at = table.seekMeta(head, HEADER_META)
    if (at < 0 || slot.segment(table.buffer, at) !== id) continue
    if (slot.offset(table.buffer, at) !== offset) continue
    const hits = meta.hits(table.buffer, at + SLOT_META)
    const access = meta.access(table.buffer, at + SLOT_META)
    const created = meta.created(table.buffer, at + SLOT_META)
    live.push({
      offset,
      bytes,
      created,
      hits,
      access: Math.min(now, access),
      used: hits > meta.hits(head, HEADER_META) || access > meta.access(head, HEADER_META),
      expired: isExpired(created, now, parts.ttlMs),
    })
  }
  return live
}

/** A record's bytes, with its uses so far; `undefined` when they are damaged or gone. */
function readLive(parts: Parts, id: number, live: Live): Buffer | undefined {
  const fd = parts.segments.reader(id)
  if (fd === undefined) return undefined
  const record = Buffer.allocUnsafe(live.bytes)
  if (fs.readSync(fd, record, 0, live.bytes, live.offset) < live.bytes) return undefined
  const isSound =
    header.isSound(record, 0) && crc32(record.subarray(HEADER_BYTES)) === header.dataCrc(record, 0)
  if (!isSound) return undefined
  meta.setCreated(record, HEADER_META, live.created)
  meta.setUse(record, HEADER_META, live.hits, live.access)
  header.seal(record, 0)
  return record
}

/** Copies some records of a segment to our own. */
async function carry(parts: Parts, id: number, chosen: readonly Live[]): Promise<void> {
  let batch: Buffer[] = []
  let bytes = 0
  const copy = async () => {
    const places = await parts.appender.append(batch)
    places.forEach(({ segment, offset, bytes }, i) => {
      const record = batch[i] as Buffer
      parts.table.put(slotFor(record, segment, offset, bytes), parts.now(), parts.ttlMs)
    })
    batch = []
    bytes = 0
  }
  for (const live of chosen) {
    const record = readLive(parts, id, live)
    if (!record) continue
    batch.push(record)
    bytes += record.length
    if (bytes >= COPY_BYTES || batch.length >= STEP) await copy()
  }
  if (batch.length > 0) await copy()
}

/** Frees the slots that still point to a segment, and removes it. */
async function remove(parts: Parts, id: number): Promise<void> {
  let seen = 0
  for (const { offset, header: head } of parts.segments.scan(id)) {
    if (++seen % STEP === 0) await turn()
    const { table } = parts
    const at = table.seekMeta(head, HEADER_META)
    if (at < 0 || slot.segment(table.buffer, at) !== id) continue
    if (slot.offset(table.buffer, at) === offset) table.free(at)
  }
  parts.segments.drop(id)
}

/** Replaces a segment by copies of those of its records that `choose` picks. */
async function rewrite(
  parts: Parts,
  id: number,
  choose: (live: readonly Live[]) => Live[],
): Promise<void> {
  if (parts.appender.segment === id) parts.appender.finish()
  const live = await liveRecords(parts, id)
  const chosen = choose(live)
  await carry(parts, id, chosen)
  await remove(parts, id)
  const expired = live.filter((record) => record.expired).length
  parts.counts.expired += expired
  parts.counts.evictions += live.length - expired - chosen.length
}

const alive = (live: readonly Live[]): Live[] => live.filter(({ expired }) => !expired)

/**
 * Makes room for so many bytes. The oldest segment goes first. Of its records those that were read
 * since they were written move to our own segment, the most recently used first, up to half of it (of
 * a small one all): so what is used stays. It ends, because what was moved counts as not used there.
 */
export async function makeRoom(parts: Parts, bytes: number): Promise<void> {
  while (usedBytes(parts) + bytes > parts.limitBytes) {
    const victim = parts.segments.list()[0]
    if (!victim) return
    await rewrite(parts, victim.id, (live) => {
      const used = alive(live).filter((record) => record.used)
      used.sort((a, b) => b.access - a.access)
      let room = Math.max(victim.bytes / 2, parts.segmentBytes / 4)
      return used.filter((record) => {
        room -= record.bytes
        return room >= 0
      })
    })
  }
}

export interface Swept {
  expired: number
  /** Bytes of live records by segment. */
  live: Map<number, number>
}

/**
 * Frees the slots of expired entries, and those that `gone` names. Entries from the future, made by a
 * clock that was ahead, are dated now: they live for one more term, neither longer nor shorter.
 */
export function* sweep(
  parts: Parts,
  gone: (buffer: Buffer, metaAt: number) => boolean = () => false,
): Generator<void, Swept & { removed: number }> {
  const swept = { expired: 0, removed: 0, live: new Map<number, number>() }
  const now = parts.now()
  yield* parts.table.walk((buffer, at) => {
    const created = meta.created(buffer, at + SLOT_META)
    if (gone(buffer, at + SLOT_META)) {
      swept.removed++
      return 'free'
    }
    if (isExpired(created, now, parts.ttlMs)) {
      swept.expired++
      return 'free'
    }
    const segment = slot.segment(buffer, at)
    swept.live.set(segment, (swept.live.get(segment) ?? 0) + slot.bytes(buffer, at))
    if (!isAhead(created, now)) return 'keep'
    meta.setCreated(buffer, at + SLOT_META, now)
    meta.setUse(buffer, at + SLOT_META, meta.hits(buffer, at + SLOT_META), now)
    return 'update'
  })
  parts.counts.expired += swept.expired
  return swept
}

/** Both are of the file system's clock, which may have been put back. */
const olderThan = (mtimeMs: number, ms: number): boolean => Math.abs(Date.now() - mtimeMs) > ms

/** Removes segments that nothing points to. */
export function dropDead(parts: Parts, { live }: Swept): void {
  for (const { id, mtimeMs } of parts.segments.list()) {
    if (live.has(id)) continue
    const own = parts.appender.segment === id
    if (!own && !olderThan(mtimeMs, SETTLED_MS)) continue
    if (own) parts.appender.finish()
    parts.segments.drop(id)
  }
}

/**
 * Moves what lives in segments that are mostly dead to our own, and makes one of many small ones.
 *
 * @param idleMs segments that were written to within this time are left alone
 */
export async function compact(parts: Parts, { live }: Swept, idleMs = IDLE_MS): Promise<void> {
  const idle = parts.segments
    .list()
    .filter(({ id, mtimeMs }) => id !== parts.appender.segment && olderThan(mtimeMs, idleMs))
  const sparse = idle.filter(({ id, bytes }) => (live.get(id) ?? 0) < bytes / 2)
  const small = idle.filter(({ bytes }) => bytes < parts.segmentBytes / 4)
  const worth = new Set([...sparse, ...(small.length >= MANY_SMALL ? small : [])])
  for (const { id } of worth) await rewrite(parts, id, alive)
}

/** What a process does now and then: expire, drop, compact. */
export async function maintain(parts: Parts, idleMs?: number): Promise<void> {
  const swept = await inTurns(sweep(parts))
  dropDead(parts, swept)
  await compact(parts, swept, idleMs)
}

export async function inTurns<T>(steps: Generator<void, T>): Promise<T> {
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
    await turn()
  }
}

const MAINTAINED = 'maintained'

/** Whether an hour has passed since any process looked after the store; if so, says that this one does. */
export function isMaintenanceDue(dir: string, now: number, everyMs: number): boolean {
  const file = path.join(dir, MAINTAINED)
  const last = fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs
  if (last !== undefined && Math.abs(now - last) < everyMs) return false
  fs.closeSync(fs.openSync(file, 'a', 0o600))
  fs.utimesSync(file, now / 1000, now / 1000)
  return last !== undefined
}

/** Fills an empty index from the segments. */
export async function rebuild(parts: Parts): Promise<void> {
  let seen = 0
  for (const { id } of parts.segments.list()) {
    for (const { offset, bytes, header: head } of parts.segments.scan(id)) {
      if (++seen % STEP === 0) await turn()
      const created = meta.created(head, HEADER_META)
      if (isExpired(created, parts.now(), parts.ttlMs)) continue
      parts.table.put(slotFor(head, id, offset, bytes), parts.now(), parts.ttlMs)
    }
  }
}
