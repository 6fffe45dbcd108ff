/**
 * What goes to the disk in the background: records in the order they came, uses of entries, upkeep. One
 * thing after the other, so that upkeep never meets a half-written segment of our own.
 */
import { turn } from '../../common/timers.js'
import type { ModelKey, Touch } from '../entry/key.js'
import type { Value } from '../entry/value.js'
import { isAhead, meta, type RecordInfo, SLOT_META, slotFor } from './layout.js'
import { writeName } from './names.js'
import { isMaintenanceDue, maintain, makeRoom, type Parts } from './upkeep.js'
import { WriteQueue } from './write-queue.js'

const HOUR_MS = 3_600_000

/** What the writer asks of the store, and tells it. */
export interface StoreHooks {
  isWritable(): boolean
  /** Follows other processes that replaced the index or removed segments. */
  refresh(): void
  /** A task ended, with an error or without. */
  done(error?: unknown): void
}

export class Writer {
  readonly queue = new WriteQueue()
  readonly #parts: Parts
  readonly #hooks: StoreHooks
  #work: Promise<void> = Promise.resolve()
  #draining = false
  #maintainedAt = 0
  #named = new Set<string>()

  constructor(parts: Parts, hooks: StoreHooks) {
    this.#parts = parts
    this.#hooks = hooks
  }

  /** Whether records are on their way to a segment that no slot points to yet. */
  get isDraining(): boolean {
    return this.#draining
  }

  add(key: string, info: RecordInfo & { model: ModelKey }, value: Value): void {
    this.queue.add(key, info, value)
    this.#drainSoon()
  }

  /** Waits until everything that was added is written. */
  flush(): Promise<void> {
    return this.#exclusively(() => this.#drain())
  }

  /** Moves what is left after removals together, so that the room is free. */
  compact(): Promise<void> {
    return this.#exclusively(() => maintain(this.#parts, 0))
  }

  /** Notes uses of entries, for what goes first when there is no room. */
  async touch(touches: readonly Touch[]): Promise<void> {
    if (touches.length === 0) return
    await this.#exclusively(async () => {
      let seen = 0
      for (const touch of touches) {
        if (++seen % 128 === 0) await turn()
        this.#touch(touch)
      }
    })
  }

  #touch({ model, tag, kind, variant, hits, lastAccess }: Touch): void {
    const { table } = this.#parts
    table.seek(model, tag)
    const at = table.find(model, kind, variant)
    if (at < 0) return
    const metaAt = at + SLOT_META
    const { buffer } = table
    const now = this.#parts.now()
    if (isAhead(meta.created(buffer, metaAt), now)) meta.setCreated(buffer, metaAt, now)
    const known = meta.access(buffer, metaAt)
    const access = isAhead(known, now) ? lastAccess : Math.max(known, lastAccess)
    meta.setUse(buffer, metaAt, meta.hits(buffer, metaAt) + hits, access)
    table.update(at)
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
      // what came while the last batch was being finished
      if (this.queue.size > 0 && this.#hooks.isWritable()) this.#drainSoon()
    })
  }

  async #drain(): Promise<void> {
    const { now, ttlMs, counts, appender } = this.#parts
    while (this.queue.size > 0) {
      this.#hooks.refresh()
      const batch = this.queue.batch()
      const bytes = batch.reduce((sum, { record }) => sum + record.length, 0)
      await makeRoom(this.#parts, bytes)
      const places = await appender.append(batch.map(({ record }) => record))
      places.forEach(({ segment, offset, bytes }, i) => {
        const pending = batch[i]
        // it may have been removed while it was written
        if (!pending || this.queue.get(pending.key) !== pending) return
        this.#name(pending.model)
        const entry = slotFor(pending.record, segment, offset, bytes)
        if (this.#parts.table.put(entry, now(), ttlMs) === 'evicted') counts.evictions++
        this.queue.delete(pending.key)
      })
      await this.#maintainIfDue()
    }
  }

  #name(model: ModelKey): void {
    if (this.#named.has(model.prefix)) return
    this.#named.add(model.prefix)
    writeName(this.#parts.dir, model)
  }

  async #maintainIfDue(): Promise<void> {
    const { dir, ttlMs } = this.#parts
    const now = this.#parts.now()
    const every = Math.min(HOUR_MS, ttlMs)
    if (Math.abs(now - this.#maintainedAt) < every) return
    this.#maintainedAt = now
    if (isMaintenanceDue(dir, now, every)) await maintain(this.#parts)
  }

  #exclusively(task: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(async () => {
      try {
        if (this.#hooks.isWritable()) await task()
        this.#hooks.done()
      } catch (error) {
        this.#hooks.done(error)
      }
    })
    return this.#work
  }
}
