/**
 * The disk tier: entries that survive restarts, shared by the processes of one user.
 *
 * Reading is synchronous: two small reads, a few microseconds. Writing goes on in the background, in
 * the order it was asked for. Nothing here throws at its user: a disk that is full, read-only or broken
 * turns the tier off, or its writing, with one warning.
 */
import fs from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { crc32 } from '../checksum.js'
import { entryKey, type Kind, type ModelKey, OUTPUT_OF_KIND } from '../key.js'
import type { Touch } from '../memory.js'
import type { DiskState, DiskStats, EntryInfo } from '../types.js'
import { byteLength, copyValue, type Value, viewValue } from '../value.js'
import { Appender } from './appender.js'
import {
  encodeRecord,
  HEADER_BYTES,
  HEADER_META,
  header,
  isAhead,
  isExpired,
  MAX_RECORD_BYTES,
  meta,
  SLOT_BYTES,
  SLOT_META,
  slot,
  slotFor,
} from './layout.js'
import { writeName } from './names.js'
import { isReadOnlyError, makeStoreDir, openIndex, openIndexToRead, storeDir } from './open.js'
import { Segments } from './segments.js'
import type { SlotTable } from './slots.js'
import {
  dropDead,
  isMaintenanceDue,
  maintain,
  makeRoom,
  type Parts,
  rebuild,
  sweep,
  usedBytes,
} from './upkeep.js'

export const MIN_DISK_BYTES = 1_000_000
/** Records on their way to the disk; more are not kept, so that a slow disk costs no memory. */
const MAX_PENDING_BYTES = 64 << 20
/** Records written at a time. */
const BATCH_RECORDS = 256
const BATCH_BYTES = 8 << 20
/** How often other processes' removals are looked for. */
const REFRESH_MS = 2_000
const HOUR_MS = 3_600_000
/** A full disk is tried again after so long. */
const RETRY_MS = 5 * 60_000

export interface StoreOptions {
  dir: string
  maxBytes: number
  ttlMs: number
  warn(message: string): void
  now(): number
  /** Look only: nothing is made or changed, not even when entries are found damaged. */
  readOnly?: boolean
  retryMs?: number
}

/** An entry that was read. */
export interface Loaded {
  value: Value
  tokenCount: number
  created: number
  hits: number
}

interface Pending {
  record: Buffer
  model: ModelKey
  value: Value
  tokenCount: number
  created: number
}

export class DiskStore {
  /** The directory of this layout's version. */
  readonly dir: string
  readonly #options: StoreOptions
  readonly #segments: Segments
  readonly #parts: Parts
  #table: SlotTable | undefined
  #state: DiskState = 'failed'
  #reason: string | undefined
  #warned = new Set<string>()
  #pending = new Map<string, Pending>()
  #pendingBytes = 0
  /** Everything that writes to the store goes one after the other. */
  #work: Promise<void> = Promise.resolve()
  #draining = false
  #closed = false
  #sought = false
  #refreshed = performance.now()
  #maintainAt = 0
  #retryAt: number | undefined
  #named = new Set<string>()
  #counts = { evictions: 0, expired: 0, damaged: 0, dropped: 0 }

  private constructor(options: StoreOptions) {
    this.#options = options
    this.dir = storeDir(options.dir)
    this.#segments = new Segments(this.dir)
    const maxBytes = Math.max(options.maxBytes, MIN_DISK_BYTES)
    const segmentBytes = Math.min(64 << 20, Math.max(64 << 10, Math.floor(maxBytes / 16)))
    const { ttlMs, now } = options
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
  }

  /** Opens a store. What stands in the way is a warning, and the store's state. */
  static async open(options: StoreOptions): Promise<DiskStore> {
    const store = new DiskStore(options)
    try {
      if (options.readOnly) store.#openToRead('it was opened to be read only')
      else await store.#openToWrite()
    } catch (error) {
      if (isReadOnlyError(error)) store.#openReadOnlyStore(error)
      else store.#fail(error)
    }
    return store
  }

  async #openToWrite(): Promise<void> {
    makeStoreDir(this.dir)
    const {
      table,
      rebuild: mustRebuild,
      removeOthers,
    } = openIndex(this.dir, this.#options.maxBytes)
    this.#table = table
    this.#state = 'on'
    if (!mustRebuild) return
    await rebuild(this.#parts)
    removeOthers()
  }

  #openToRead(reason: string): void {
    this.#table = openIndexToRead(this.dir)
    this.#state = this.#table ? 'read-only' : 'failed'
    this.#reason = this.#table ? reason : 'there is no store'
  }

  #openReadOnlyStore(error: unknown): void {
    try {
      this.#openToRead(explain(error))
      if (this.#table) this.#warnOnce('write', `cannot be written (${explain(error)}).`)
      else this.#fail(error)
    } catch (second) {
      this.#fail(second)
    }
  }

  get state(): DiskState {
    return this.#state
  }

  get reason(): string | undefined {
    return this.#reason
  }

  /** The index, to be walked through; `undefined` when there is nothing to read. */
  get table(): SlotTable | undefined {
    return this.#table
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
    const pending = this.#pending.size > 0 ? this.#pending.get(key) : undefined
    if (pending) {
      const { value, tokenCount, created } = pending
      return { value: copyValue(value), tokenCount, created, hits: 0 }
    }
    return this.#attempt(() => {
      const table = this.#seek(model, tag)
      if (!table) return undefined
      const at = table.find(model, kind, variant)
      if (at < 0) return undefined
      const loaded = this.#load(table, at)
      if (loaded !== 'gone') return loaded
      // another process moved it, between our reads of the index and of the segment
      table.seek(model, tag)
      const again = table.find(model, kind, variant)
      if (again < 0) return undefined
      const second = this.#load(table, again)
      if (second !== 'gone') return second
      table.free(again)
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
    this.#refresh()
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
    const record = this.#readRecord(buffer, at)
    if (record === 'gone') return record
    if (record === 'damaged') return this.#damaged(table, at)
    const kind = meta.kind(record, HEADER_META)
    const memory = record.buffer as ArrayBuffer
    const value = viewValue(kind, memory, HEADER_BYTES, record.length - HEADER_BYTES)
    if (!value) return this.#damaged(table, at)
    return {
      value,
      created,
      tokenCount: meta.tokens(record, HEADER_META),
      hits: meta.hits(buffer, at + SLOT_META),
    }
  }

  /** The record that a slot points to, in a buffer of its own. */
  #readRecord(buffer: Buffer, at: number): Buffer | 'gone' | 'damaged' {
    const bytes = slot.bytes(buffer, at)
    if (bytes < HEADER_BYTES || bytes > MAX_RECORD_BYTES) return 'damaged'
    const fd = this.#segments.reader(slot.segment(buffer, at))
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
    this.#segments.forgetGone()
    return 'gone'
  }

  #damaged(table: SlotTable, at: number): undefined {
    table.damaged++
    table.free(at)
    return undefined
  }

  /** Looks now and then whether other processes replaced the index or removed segments. */
  #refresh(): void {
    const now = performance.now()
    if (now - this.#refreshed < REFRESH_MS) return
    this.#refreshed = now
    this.#segments.forgetGone()
    if (!this.#table?.isGone()) return
    this.#table.close()
    this.#table = undefined
    this.#sought = false
    if (this.#state === 'on') {
      makeStoreDir(this.dir)
      this.#table = openIndex(this.dir, this.#options.maxBytes).table
    } else this.#openToRead(this.#reason ?? '')
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
    const record = this.#attempt(() => this.#readRecord(entry, 0))
    if (record === undefined || record === 'gone' || record === 'damaged') return undefined
    const [hits, access] = [meta.hits(entry, SLOT_META), meta.access(entry, SLOT_META)]
    meta.setCreated(record, HEADER_META, meta.created(entry, SLOT_META))
    meta.setUse(record, HEADER_META, hits, access)
    header.seal(record, 0)
    return record
  }

  // -- writing ---------------------------------------------------------------------------------

  /** Keeps an entry, unless it is there already. The value is copied. */
  put(
    model: ModelKey,
    tag: string,
    kind: Kind,
    variant: number,
    entry: {
      value: Value
      tokenCount: number
      created: number
      hits?: number
      lastAccess?: number
    },
  ): void {
    if (!this.#isWritable()) return
    const key = entryKey(model, tag, kind, variant)
    const bytes = HEADER_BYTES + byteLength(entry.value)
    const isTooMuch =
      bytes > Math.min(MAX_RECORD_BYTES, this.#parts.limitBytes / 4) ||
      (this.#pendingBytes > 0 && this.#pendingBytes + bytes > MAX_PENDING_BYTES)
    if (isTooMuch) {
      this.#counts.dropped++
      return
    }
    this.begin()
    if (this.#pending.has(key) || this.#has(model, tag, kind, variant, entry.created)) return
    const { tokenCount, created, hits = 0, lastAccess = created } = entry
    const info = { kind, model, tag, variant, tokenCount, created, lastAccess, hits }
    const record = encodeRecord(info, entry.value)
    const data = record.byteOffset + HEADER_BYTES
    const memory = record.buffer as ArrayBuffer
    const value = viewValue(kind, memory, data, bytes - HEADER_BYTES) as Value
    this.#pending.set(key, { record, model, value, tokenCount, created })
    this.#pendingBytes += bytes
    this.#drainSoon()
  }

  /** Whether there is an entry that is no older. */
  #has(model: ModelKey, tag: string, kind: Kind, variant: number, created: number): boolean {
    return (
      this.#attempt(() => {
        const table = this.#seek(model, tag)
        const at = table?.find(model, kind, variant) ?? -1
        if (!table || at < 0) return false
        const present = meta.created(table.buffer, at + SLOT_META)
        return present >= created && !isAhead(present, this.#options.now())
      }) ?? false
    )
  }

  #isWritable(): boolean {
    if (this.#closed) return false
    if (this.#state === 'on') return true
    if (this.#retryAt === undefined || performance.now() < this.#retryAt) return false
    this.#retryAt = undefined
    this.#state = 'on'
    this.#reason = undefined
    return true
  }

  /** After this turn of the event loop, so that what comes together is written together. */
  #drainSoon(): void {
    if (this.#draining) return
    this.#draining = true
    void this.#exclusively(async () => {
      await turn()
      await this.#drain()
    }).then(() => {
      this.#draining = false
    })
  }

  async #drain(): Promise<void> {
    while (this.#pending.size > 0 && this.#table) {
      const keys: string[] = []
      const batch: Pending[] = []
      let bytes = 0
      for (const [key, pending] of this.#pending) {
        if (batch.length > 0 && (batch.length >= BATCH_RECORDS || bytes >= BATCH_BYTES)) break
        keys.push(key)
        batch.push(pending)
        bytes += pending.record.length
      }
      await makeRoom(this.#parts, bytes)
      const places = await this.#parts.appender.append(batch.map(({ record }) => record))
      const { now, ttlMs } = this.#options
      places.forEach(({ segment, offset, bytes }, i) => {
        const key = keys[i] as string
        // it may have been removed while it was written
        if (this.#pending.get(key) !== batch[i]) return
        const { record, model } = batch[i] as Pending
        this.#name(model)
        const entry = slotFor(record, segment, offset, bytes)
        if (this.#parts.table.put(entry, now(), ttlMs) === 'evicted') this.#counts.evictions++
        this.#pending.delete(key)
        this.#pendingBytes -= record.length
      })
      await this.#maintainIfDue()
    }
  }

  #name(model: ModelKey): void {
    if (this.#named.has(model.prefix)) return
    this.#named.add(model.prefix)
    writeName(this.dir, model)
  }

  async #maintainIfDue(): Promise<void> {
    const now = this.#options.now()
    if (Math.abs(now - this.#maintainAt) < HOUR_MS) return
    this.#maintainAt = now
    const every = Math.min(HOUR_MS, this.#options.ttlMs)
    if (isMaintenanceDue(this.dir, now, every)) await maintain(this.#parts)
  }

  /** Notes uses of entries, for what goes first when there is no room. */
  async touch(touches: readonly Touch[]): Promise<void> {
    if (this.#state !== 'on') return
    await this.#exclusively(async () => {
      let seen = 0
      for (const { model, tag, kind, variant, hits, lastAccess } of touches) {
        if (++seen % 128 === 0) await turn()
        const table = this.#table
        if (!table) return
        table.seek(model, tag)
        const at = table.find(model, kind, variant)
        if (at < 0) continue
        const metaAt = at + SLOT_META
        const { buffer } = table
        const now = this.#options.now()
        if (isAhead(meta.created(buffer, metaAt), now)) meta.setCreated(buffer, metaAt, now)
        const known = meta.access(buffer, metaAt)
        const access = isAhead(known, now) ? lastAccess : Math.max(known, lastAccess)
        meta.setUse(buffer, metaAt, meta.hits(buffer, metaAt) + hits, access)
        table.update(at)
      }
    })
  }

  // -- removing --------------------------------------------------------------------------------

  /** Removes what is expired, now. Returns the number of entries. */
  clearExpired(): number {
    return this.#sweepNow(() => false)?.expired ?? 0
  }

  /** Removes the entries whose model's tag (16 hex digits) is picked. Returns their number. */
  remove(pick: (modelTag: string) => boolean): number {
    let waiting = 0
    for (const [key, { model, record }] of this.#pending) {
      if (!pick(model.tag.toString('hex'))) continue
      this.#pending.delete(key)
      this.#pendingBytes -= record.length
      waiting++
    }
    const swept = this.#sweepNow((buffer, at) => pick(meta.model(buffer, at)))
    return waiting + (swept?.removed ?? 0)
  }

  #sweepNow(gone: (buffer: Buffer, metaAt: number) => boolean) {
    if (!this.#isWritable()) return undefined
    return this.#attempt(() => {
      this.#refresh()
      this.#sought = false
      const steps = sweep(this.#parts, gone)
      for (;;) {
        const step = steps.next()
        if (!step.done) continue
        // segments that our own writes are on their way to are looked at another time
        if (!this.#draining) dropDead(this.#parts, step.value)
        return step.value
      }
    })
  }

  /** Moves what is left after removals together, so that the room is free. */
  async compact(): Promise<void> {
    if (this.#state === 'on') await this.#exclusively(() => maintain(this.#parts, 0))
  }

  /** Removes every entry, of all processes. */
  clear(): void {
    this.#pending.clear()
    this.#pendingBytes = 0
    if (!this.#isWritable()) return
    this.#attempt(() => {
      this.#sought = false
      this.#refresh()
      this.#table?.clear()
      if (!this.#draining) this.#parts.appender.finish()
      for (const { id } of this.#segments.list()) this.#segments.drop(id)
    })
  }

  // -- state -----------------------------------------------------------------------------------

  stats(): DiskStats {
    const { dir, maxBytes } = this.#options
    const { damaged, ...counts } = this.#counts
    const counted = this.#attempt(() => {
      this.#refresh()
      if (!this.#table) return undefined
      return { ...this.#table.count(), bytes: usedBytes(this.#parts) }
    })
    return {
      state: this.#state,
      ...(this.#reason !== undefined && { reason: this.#reason }),
      dir,
      ...(counted ?? { entries: 0, estimated: false, bytes: 0 }),
      maxBytes,
      ...counts,
      damaged: damaged + (this.#table?.damaged ?? 0),
      pendingBytes: this.#pendingBytes,
    }
  }

  /** Whether so much waits to be written that a bulk job should wait for `flush`. */
  get isBusy(): boolean {
    return this.#pendingBytes > MAX_PENDING_BYTES / 4
  }

  /** Waits until everything that was put is on the disk (in the system's cache: there is no fsync). */
  async flush(): Promise<void> {
    await this.#exclusively(() => this.#drain())
  }

  async close(): Promise<void> {
    if (this.#closed) return
    if (this.#state === 'on') await this.flush()
    this.#closed = true
    await this.#work
    this.#parts.appender.finish()
    this.#segments.close()
    this.#table?.close()
    this.#table = undefined
    this.#state = 'failed'
    this.#reason = 'it was closed'
  }

  // -- trouble ---------------------------------------------------------------------------------

  /** Runs what writes after all that was asked for before. What fails ends the writing. */
  #exclusively(task: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(async () => {
      try {
        if (this.#state === 'on' && this.#table) await task()
      } catch (error) {
        this.#stopWriting(error)
      }
      this.#reportDamage()
    })
    return this.#work
  }

  /** Runs what reads. What fails ends the use of the disk. */
  #attempt<T>(task: () => T): T | undefined {
    try {
      if (!this.#table) return undefined
      const result = task()
      if (this.#table && this.#table.damaged > 0) this.#reportDamage()
      return result
    } catch (error) {
      if (isDiskFull(error) || isReadOnlyError(error)) this.#stopWriting(error)
      else this.#fail(error)
      return undefined
    }
  }

  #reportDamage(): void {
    if (!this.#table || this.#table.damaged === 0) return
    this.#counts.damaged += this.#table.damaged
    this.#table.damaged = 0
    this.#warnOnce('damage', 'holds damaged entries; they are dropped and computed anew.')
  }

  #stopWriting(error: unknown): void {
    if (this.#closed || this.#state !== 'on') return
    this.#state = 'read-only'
    this.#reason = explain(error)
    if (isDiskFull(error)) this.#retryAt = performance.now() + (this.#options.retryMs ?? RETRY_MS)
    this.#counts.dropped += this.#pending.size
    this.#pending.clear()
    this.#pendingBytes = 0
    this.#warnOnce('write', `cannot be written (${this.#reason}); it is only read from here on.`)
  }

  #fail(error: unknown): void {
    this.#state = 'failed'
    this.#reason = explain(error)
    this.#pending.clear()
    this.#pendingBytes = 0
    this.#segments.close()
    try {
      this.#parts.appender.finish()
      this.#table?.close()
    } catch {
      // it is of no use any more either way
    }
    this.#table = undefined
    this.#warnOnce('fail', `cannot be used (${this.#reason}); embeddings are not kept on disk.`)
  }

  #warnOnce(kind: string, what: string): void {
    // being unreadable after being unwritable is no news worth a second line
    const group = kind === 'damage' ? kind : 'trouble'
    if (this.#warned.has(group)) return
    this.#warned.add(group)
    this.#options.warn(`The disk cache in ${this.#options.dir} ${what}`)
  }
}

function isDiskFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT'
}

function explain(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC') return 'the disk is full'
  if (code === 'EDQUOT') return 'the disk quota is used up'
  if (code === 'EROFS') return 'the file system is read-only'
  if (code === 'EACCES' || code === 'EPERM') return 'permission is missing'
  return code ?? message
}
