/** The two tiers as one: an entry is in memory, else on the disk, and its uses are noted for both. */

import { isAhead, isExpired } from './disk/layout.js'
import type { DiskStore } from './disk/store.js'
import {
  entryKey,
  type Kind,
  type ModelKey,
  OUTPUT_KINDS,
  OUTPUT_OF_KIND,
  type Touch,
} from './entry/key.js'
import type { Asked, CachedOutputs, CacheOptions, EntryInfo } from './entry/types.js'
import { assign, copyValue, wants } from './entry/value.js'
import { type Entry, MemoryTier, newEntry } from './memory.js'

/** Uses that are noted before the disk tier is told. */
const MAX_TOUCHES = 4096
/** How often it is told at least. */
const NOTE_EVERY_MS = 60_000

export class Tiers {
  readonly options: CacheOptions
  readonly now: () => number
  readonly memory: MemoryTier
  readonly disk: DiskStore | undefined
  /** Whether the search under way had to read from the disk. */
  readDisk = false
  /** When the memory tier was last looked through for what expired. */
  sweptAt: number
  #touches: Touch[] = []
  #notedAt: number

  constructor(options: CacheOptions, disk: DiskStore | undefined) {
    this.options = options
    this.now = options.now ?? Date.now
    this.memory = new MemoryTier(options.memoryBytes)
    this.disk = disk
    this.#notedAt = this.sweptAt = this.now()
  }

  /** Begins a search. Returns what time it is for all of it. */
  begin(): number {
    this.disk?.begin()
    this.readDisk = false
    return this.now()
  }

  /** The outputs of a whole text (`variant` 0), or of one that was cut at `variant` tokens. */
  collect(
    model: ModelKey,
    tag: string,
    asked: Asked,
    variant: number,
    maxTokens: number,
    now: number,
  ): CachedOutputs | undefined {
    let found: CachedOutputs | undefined
    for (const kind of OUTPUT_KINDS) {
      if (!wants(asked, kind)) continue
      const key = entryKey(model, tag, kind, variant)
      const held = this.fromMemory(key, now)
      const entry = held ?? this.fromDisk(key, model, tag, kind, variant)
      if (!entry || entry.tokenCount > maxTokens) return undefined
      if (!held) this.memory.put(key, entry)
      found ??= { tokenCount: entry.tokenCount, truncated: variant !== 0 }
      // also where it was just read: that is a part of a longer record
      assign(found, kind, copyValue(entry.value))
      this.use(entry, now)
    }
    return found
  }

  fromMemory(key: string, now: number): Entry | undefined {
    const entry = this.memory.get(key)
    if (!entry) return undefined
    if (isExpired(entry.created, now, this.options.ttlMs)) {
      this.memory.expire(key)
      return undefined
    }
    if (isAhead(entry.created, now)) entry.created = now
    return entry
  }

  fromDisk(
    key: string,
    model: ModelKey,
    tag: string,
    kind: Kind,
    variant: number,
  ): Entry | undefined {
    const loaded = this.disk?.read(key, model, tag, kind, variant)
    if (!loaded) return undefined
    this.readDisk = true
    return newEntry(model, tag, kind, variant, loaded)
  }

  use(entry: Entry, now: number): void {
    const { touch } = entry
    entry.hits++
    touch.hits++
    touch.lastAccess = now
    if (!this.disk || touch.listed) return
    touch.listed = true
    this.#touches.push(touch)
    const isDue = Math.abs(now - this.#notedAt) > NOTE_EVERY_MS
    if (isDue || this.#touches.length >= MAX_TOUCHES) void this.noteUses(now)
  }

  noteUses(now: number): Promise<void> {
    const touches = this.#touches
    this.#notedAt = now
    this.#touches = []
    const snapshot = touches.map((touch) => ({ ...touch }))
    for (const touch of touches) {
      touch.listed = false
      touch.hits = 0
    }
    return this.disk?.touch(snapshot) ?? Promise.resolve()
  }

  describe(model: ModelKey, tag: string, kind: Kind, variant: number): EntryInfo | undefined {
    const held = this.memory.peek(entryKey(model, tag, kind, variant))
    const info = this.disk?.info(model, tag, kind, variant)
    if (!held) return info
    const { tokenCount, created, hits, touch } = held
    return {
      output: OUTPUT_OF_KIND[kind],
      tokenCount,
      truncated: variant !== 0,
      created,
      lastAccess: Math.max(touch.lastAccess, info?.lastAccess ?? 0),
      // those of other processes are on the disk, our last ones not yet
      hits: Math.max(hits, (info?.hits ?? 0) + touch.hits),
    }
  }

  sweepMemory(now: number): number {
    this.sweptAt = now
    const { ttlMs } = this.options
    return this.memory.sweep(({ created }) => isExpired(created, now, ttlMs), 'expired')
  }

  clear(): void {
    this.#touches = []
    this.memory.clear()
    this.disk?.clear()
  }
}
