/**
 * The disk tier: entries that survive restarts, shared by the processes of one user.
 *
 * Reading is synchronous: two small reads, a few microseconds. Writing goes on in the background, in
 * the order it was asked for. Nothing here throws at its user: a disk that is full, read-only or broken
 * turns the tier off, or its writing, with one warning.
 */

import type { DiskState, DiskStats } from '../../common/cache-stats.js'
import { performance } from '../../common/timers.js'
import type { Touch } from '../entry/key.js'
import { entryKey, Kind, type ModelKey, OUTPUT_OF_KIND } from '../entry/key.js'
import type { EntryInfo } from '../entry/types.js'
import { byteLength, copyValue, type Value } from '../entry/value.js'
import { Appender } from './appender.js'
import { Health, isDiskFull, isOutOfFiles, isReadOnlyError } from './health.js'
import {
  HEADER_BYTES,
  HEADER_META,
  header,
  isAhead,
  isExpired,
  MAX_RECORD_BYTES,
  meta,
  SLOT_BYTES,
  SLOT_META,
} from './layout.js'
import { makeStoreDir, openIndex, openIndexToRead, storeDir } from './open.js'
import { readRecord, type Unread, valueIn } from './read-record.js'
import { Segments } from './segments.js'
import type { SlotTable } from './slots.js'
import { dropDead, type Parts, rebuild, sweep, usedBytes } from './upkeep.js'
import { MAX_PENDING_BYTES } from './write-queue.js'
import { Writer } from './writer.js'

export const MIN_DISK_BYTES = 1_000_000
const MIN_SEGMENT_BYTES = 64 << 10
const MAX_SEGMENT_BYTES = 64 << 20
/** How often other processes' removals are looked for. */
const REFRESH_MS = 2_000

export interface StoreOptions {
  dir: string
  maxBytes: number
  ttlMs: number
  warn(message: string): void
  now(): number
  /** Look only: nothing is made or changed, not even when entries are found damaged. */
  readOnly?: boolean
  /** A full disk is tried again after so long. */
  retryMs?: number
}

/** An entry that was read. */
export interface Loaded {
  value: Value
  tokenCount: number
  created: number
  hits: number
}

/** An entry to be kept. */
export interface Kept {
  value: Value
  tokenCount: number
  created: number
  hits?: number
  lastAccess?: number
}

export class DiskStore {
  /** The directory of this layout's version. */
  readonly dir: string
  readonly #options: StoreOptions
  readonly #health: Health
  readonly #segments: Segments
  readonly #parts: Parts
  readonly #writer: Writer
  readonly #counts = { evictions: 0, expired: 0, damaged: 0, dropped: 0 }
  #table: SlotTable | undefined
  #closed = false
  /** Whether the table holds the bucket of the text that is asked for. */
  #sought = false
  #refreshed = performance.now()

  private constructor(options: StoreOptions) {
    const { dir, ttlMs, now, warn } = options
    this.#options = options
    this.dir = storeDir(dir)
    this.#health = new Health((what) => warn(`The disk cache in ${dir} ${what}`), options.retryMs)
    this.#segments = new Segments(this.dir)
    const maxBytes = Math.max(options.maxBytes, MIN_DISK_BYTES)
    const segmentBytes = clamp(Math.floor(maxBytes / 16), MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES)
    const store = this
    this.#parts = {
      dir: this.dir,
      segments: this.#segments,
      appender: new Appender(this.#segments, segmentBytes),
      get table() {
        return store.#table as SlotTable
      },
      segmentBytes,
      // a segment's worth less, for what is copied before it is removed, and for other processes
      limitBytes: maxBytes - segmentBytes,
      ttlMs,
      now,
      counts: this.#counts,
    }
    this.#writer = new Writer(this.#parts, {
      isWritable: () => this.state === 'on' && this.#table !== undefined,
      refresh: () => this.#refresh(),
      done: (error) => {
        if (error !== undefined) this.#stopWriting(error)
        this.#reportDamage()
      },
    })
  }

  /** Opens a store. What stands in the way is a warning, and the store's state. */
  static async open(options: StoreOptions): Promise<DiskStore> {
    const store = new DiskStore(options)
    try {
      if (options.readOnly) store.#openToRead('it was opened to be read only')
      else await store.#openToWrite()
    } catch (error) {
      store.#openAfter(error)
    }
    return store
  }

  async #openToWrite(): Promise<void> {
    makeStoreDir(this.dir)
    const index = openIndex(this.dir, this.#options.maxBytes)
    this.#table = index.table
    this.#health.set('on')
    if (!index.rebuild) return
    await rebuild(this.#parts)
    index.removeOthers()
  }

  #openToRead(reason: string): void {
    this.#table = openIndexToRead(this.dir)
    if (this.#table) this.#health.set('read-only', reason)
    else this.#health.set('failed', 'there is no store')
  }

  /** What cannot be written may still be read. */
  #openAfter(error: unknown): void {
    try {
      if (isReadOnlyError(error) || isDiskFull(error)) this.#openToRead('')
    } catch {
      // the first error says more
    }
    if (this.#table) this.#health.stopWriting(error)
    else this.#fail(error)
  }

  get state(): DiskState {
    return this.#health.state
  }

  /** Whether there is something to read. */
  get isReadable(): boolean {
    return this.#table !== undefined
  }

  // -- reading ---------------------------------------------------------------------------------

  /** Begins a search: what was read of the index before is not looked at again. */
  begin(): void {
    this.#sought = false
  }

  /**
   * Reads an entry; `undefined` when it is not there, expired or damaged. The value is the caller's.
   *
   * @param key what `entryKey` gives for the rest
   */
  read(key: string, model: ModelKey, tag: string, kind: Kind, variant: number): Loaded | undefined {
    const pending = this.#writer.queue.get(key)
    if (pending) {
      const { value, tokenCount, created } = pending
      return { value: copyValue(value), tokenCount, created, hits: 0 }
    }
    return this.#attempt(() => {
      const table = this.#seek(model, tag)
      if (!table) return undefined
      for (let tries = 0; tries < 2; tries++) {
        const at = table.find(model, kind, variant)
        if (at < 0) return undefined
        const loaded = this.#load(table, at)
        if (loaded !== 'gone') return loaded
        // another process moved it, between our reads of the index and of the segment
        if (tries > 0) table.free(at)
        else table.seek(model, tag)
      }
      return undefined
    })
  }

  /** What is known of an entry, without reading it. */
  info(model: ModelKey, tag: string, kind: Kind, variant: number): EntryInfo | undefined {
    return this.#attempt(() => {
      this.begin()
      const table = this.#seek(model, tag)
      const at = table?.find(model, kind, variant) ?? -1
      if (!table || at < 0) return undefined
      const { buffer } = table
      const metaAt = at + SLOT_META
      return {
        output: OUTPUT_OF_KIND[kind],
        tokenCount: meta.tokens(buffer, metaAt),
        truncated: variant !== 0,
        created: meta.created(buffer, metaAt),
        lastAccess: meta.access(buffer, metaAt),
        hits: meta.hits(buffer, metaAt),
      }
    })
  }

  #seek(model: ModelKey, tag: string): SlotTable | undefined {
    const now = performance.now()
    if (now - this.#refreshed > REFRESH_MS) this.#refresh()
    if (!this.#table) return undefined
    if (!this.#sought) this.#table.seek(model, tag)
    this.#sought = true
    return this.#table
  }

  #load(table: SlotTable, at: number): Loaded | 'gone' | undefined {
    const { buffer } = table
    const created = meta.created(buffer, at + SLOT_META)
    if (isExpired(created, this.#options.now(), this.#options.ttlMs)) {
      this.#counts.expired++
      table.free(at)
      return undefined
    }
    const record: Buffer | Unread = readRecord(this.#segments, buffer, at)
    if (record === 'gone') return record
    const value = record === 'damaged' ? undefined : valueIn(record)
    if (record === 'damaged' || !value) {
      table.damaged++
      table.free(at)
      return undefined
    }
    const hits = meta.hits(buffer, at + SLOT_META)
    return { value, created, tokenCount: meta.tokens(record, HEADER_META), hits }
  }

  /** Follows other processes that replaced the index or removed segments. */
  #refresh(): void {
    this.#refreshed = performance.now()
    this.#segments.forgetGone()
    if (!this.#table?.isGone()) return
    this.#table.close()
    this.#table = undefined
    this.#sought = false
    if (this.state === 'on') {
      makeStoreDir(this.dir)
      this.#table = openIndex(this.dir, this.#options.maxBytes).table
    } else this.#openToRead(this.#health.reason ?? '')
  }

  /** A copy of every slot that is sound and not expired, a few thousand at a time. */
  *slots(): Generator<Buffer[]> {
    const table = this.#table
    if (!table) return
    const { now, ttlMs } = this.#options
    let slots: Buffer[] = []
    const steps = table.walk((buffer, at) => {
      const isOld = isExpired(meta.created(buffer, at + SLOT_META), now(), ttlMs)
      if (!isOld) slots.push(Buffer.from(buffer.subarray(at, at + SLOT_BYTES)))
      return 'keep'
    })
    while (!steps.next().done) {
      yield slots
      slots = []
    }
  }

  /** The record that a slot points to, its uses brought up to date; `undefined` when it is lost. */
  record(entry: Buffer): Buffer | undefined {
    const record = this.#attempt(() => readRecord(this.#segments, entry, 0))
    if (record === undefined || record === 'gone' || record === 'damaged') return undefined
    meta.setCreated(record, HEADER_META, meta.created(entry, SLOT_META))
    meta.setUse(record, HEADER_META, meta.hits(entry, SLOT_META), meta.access(entry, SLOT_META))
    header.seal(record, 0)
    return record
  }

  // -- writing ---------------------------------------------------------------------------------

  /**
   * Keeps an entry, unless one is there that is no older: an output is the same for ever. What is kept by hand may be
   * another each time: the last one stays, or none. The value is copied.
   */
  put(model: ModelKey, tag: string, kind: Kind, variant: number, entry: Kept): void {
    if (this.#closed || !this.#health.isWritable()) return
    if (kind === Kind.kept) this.delete(model, tag, kind, variant)
    const bytes = HEADER_BYTES + byteLength(entry.value)
    const isTooLarge = bytes > Math.min(MAX_RECORD_BYTES, this.#parts.limitBytes / 4)
    if (isTooLarge || !this.#writer.queue.accepts(bytes)) {
      this.#counts.dropped++
      return
    }
    const key = entryKey(model, tag, kind, variant)
    const { tokenCount, created, hits = 0, lastAccess = created, value } = entry
    const known =
      this.#writer.queue.get(key)?.created ?? this.info(model, tag, kind, variant)?.created
    const isKnown = known !== undefined && known >= created && !isAhead(known, this.#options.now())
    // looking may have shown that the disk is of no use
    if (isKnown || !this.#table || this.state !== 'on') return
    const info = { kind, model, tag, variant, tokenCount, created, lastAccess, hits }
    this.#writer.add(key, info, value)
  }

  /** Notes uses of entries, for what goes first when there is no room. */
  touch(touches: readonly Touch[]): Promise<void> {
    return this.#writer.touch(touches)
  }

  // -- removing --------------------------------------------------------------------------------

  /** Removes what is expired, now. Returns the number of entries. */
  clearExpired(): number {
    return this.#sweepNow()?.expired ?? 0
  }

  /** Removes one entry. Returns whether it was there. */
  delete(model: ModelKey, tag: string, kind: Kind, variant: number): boolean {
    if (this.#closed || !this.#health.isWritable()) return false
    const key = entryKey(model, tag, kind, variant)
    const isPending = this.#writer.queue.get(key) !== undefined
    this.#writer.queue.delete(key)
    const isThere = this.#attempt(() => {
      this.begin()
      const table = this.#seek(model, tag)
      const at = table?.find(model, kind, variant) ?? -1
      if (at >= 0) table?.free(at)
      return at >= 0
    })
    return isPending || isThere === true
  }

  /** Removes the entries whose model's tag (16 hex digits) is picked. Returns their number. */
  remove(pick: (modelTag: string) => boolean): number {
    const waiting = this.#writer.queue.remove(({ model }) => pick(model.tag.toString('hex')))
    const swept = this.#sweepNow((buffer, at) => pick(meta.model(buffer, at)))
    return waiting + (swept?.removed ?? 0)
  }

  #sweepNow(gone?: (buffer: Buffer, metaAt: number) => boolean) {
    if (this.#closed || !this.#health.isWritable()) return undefined
    return this.#attempt(() => {
      this.#refresh()
      this.#sought = false
      const steps = sweep(this.#parts, gone)
      let step = steps.next()
      while (!step.done) step = steps.next()
      // segments that our own writes are on their way to are looked at another time
      if (!this.#writer.isDraining) dropDead(this.#parts, step.value)
      return step.value
    })
  }

  /** Moves what is left after removals together, so that the room is free. */
  compact(): Promise<void> {
    return this.#writer.compact()
  }

  /** Removes every entry, of all processes. */
  clear(): void {
    this.#writer.queue.remove(() => true)
    if (this.#closed || !this.#health.isWritable()) return
    this.#attempt(() => {
      this.#sought = false
      this.#refresh()
      this.#table?.clear()
      this.#parts.appender.finish()
      for (const { id } of this.#segments.list()) this.#segments.drop(id)
    })
  }

  // -- state -----------------------------------------------------------------------------------

  stats(): DiskStats {
    const { dir, maxBytes } = this.#options
    const counted = this.#attempt(() => {
      this.#refresh()
      if (!this.#table) return undefined
      return { ...this.#table.count(), bytes: usedBytes(this.#parts) }
    })
    const { state, reason } = this.#health
    return {
      state,
      ...(reason !== undefined && { reason }),
      dir,
      ...(counted ?? { entries: 0, estimated: false, bytes: 0 }),
      maxBytes,
      ...this.#counts,
      pendingBytes: this.#writer.queue.bytes,
    }
  }

  /** Whether so much waits to be written that a bulk job should wait for `flush`. */
  get isBusy(): boolean {
    return this.#writer.queue.bytes > MAX_PENDING_BYTES / 4
  }

  /** Waits until everything that was put is on the disk (in the system's cache: there is no fsync). */
  flush(): Promise<void> {
    return this.#writer.flush()
  }

  /** Flushes and closes. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return
    const flushed = this.flush()
    this.#closed = true
    await flushed
    this.#parts.appender.finish()
    this.#segments.close()
    this.#table?.close()
    this.#table = undefined
    this.#health.set('failed', 'it was closed')
  }

  // -- trouble ---------------------------------------------------------------------------------

  /** Runs what reads. What fails ends the use of the disk. */
  #attempt<T>(task: () => T): T | undefined {
    if (!this.#table) return undefined
    try {
      return task()
    } catch (error) {
      if (isDiskFull(error) || isReadOnlyError(error)) this.#stopWriting(error)
      // a miss, this time
      else if (!isOutOfFiles(error)) this.#fail(error)
      return undefined
    } finally {
      this.#reportDamage()
    }
  }

  #reportDamage(): void {
    if (!this.#table || this.#table.damaged === 0) return
    this.#counts.damaged += this.#table.damaged
    this.#table.damaged = 0
    this.#health.damaged()
  }

  #stopWriting(error: unknown): void {
    if (this.state !== 'on') return
    this.#health.stopWriting(error)
    this.#counts.dropped += this.#writer.queue.remove(() => true)
  }

  #fail(error: unknown): void {
    this.#health.fail(error)
    this.#counts.dropped += this.#writer.queue.remove(() => true)
    try {
      this.#segments.close()
      this.#parts.appender.finish()
      this.#table?.close()
    } catch {
      // it is of no use any more either way
    }
    this.#table = undefined
  }
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value))
}
