/** The memory tier: least recently used goes first, counted in bytes. */
import { LRUCache } from 'lru-cache'
import type { MemoryStats } from '../common/cache-stats.js'
import type { Kind, ModelKey, Touch } from './entry/key.js'
import { byteLength, type Value } from './entry/value.js'

export interface Entry {
  readonly value: Value
  readonly tokenCount: number
  /** Milliseconds since 1970. */
  created: number
  /** All hits known here. */
  hits: number
  readonly touch: Touch
}

export function newEntry(
  model: ModelKey,
  tag: string,
  kind: Kind,
  variant: number,
  known: { value: Value; tokenCount: number; created: number; hits?: number },
): Entry {
  const { value, tokenCount, created, hits = 0 } = known
  const touch = { model, tag, kind, variant, hits: 0, lastAccess: created, listed: false }
  return { value, tokenCount, created, hits, touch }
}

/** Key, map entry, objects and array headers of an entry, measured on Node 20. */
export const ENTRY_OVERHEAD = 700

export class MemoryTier {
  readonly maxBytes: number
  #entries: LRUCache<string, Entry> | undefined
  #evictions = 0
  #expired = 0

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
    if (maxBytes <= 0) return
    this.#entries = new LRUCache<string, Entry>({
      maxSize: maxBytes,
      dispose: (_entry, _key, reason) => {
        if (reason === 'evict') this.#evictions++
      },
    })
  }

  get(key: string): Entry | undefined {
    return this.#entries?.get(key)
  }

  /** Looks without counting as use. */
  peek(key: string): Entry | undefined {
    return this.#entries?.peek(key)
  }

  /** Whether an entry of so many bytes is kept at all: not when it alone takes over half of the room. */
  accepts(valueBytes: number): boolean {
    return valueBytes + ENTRY_OVERHEAD <= this.maxBytes / 2
  }

  /** Keeps the entry, its value not copied, if its size is accepted. */
  put(key: string, entry: Entry): boolean {
    const bytes = byteLength(entry.value)
    if (!this.#entries || !this.accepts(bytes)) return false
    this.#entries.set(key, entry, { size: bytes + ENTRY_OVERHEAD })
    return true
  }

  /** Whether an entry of so many bytes fits without another having to go. */
  fits(valueBytes: number): boolean {
    const entries = this.#entries
    return !!entries && entries.calculatedSize + valueBytes + ENTRY_OVERHEAD <= this.maxBytes
  }

  /** Whether it was there. */
  delete(key: string): boolean {
    return this.#entries?.delete(key) ?? false
  }

  expire(key: string): void {
    if (this.#entries?.delete(key)) this.#expired++
  }

  /** Removes the entries that `gone` says; those past their age count as expired. */
  sweep(gone: (entry: Entry) => boolean, count: 'expired' | 'removed'): number {
    const entries = this.#entries
    if (!entries) return 0
    const keys: string[] = []
    for (const [key, entry] of entries.entries()) if (gone(entry)) keys.push(key)
    for (const key of keys) entries.delete(key)
    if (count === 'expired') this.#expired += keys.length
    return keys.length
  }

  /** Most recently used first. */
  *entries(): Generator<[string, Entry]> {
    if (this.#entries) yield* this.#entries.entries() as Iterable<[string, Entry]>
  }

  /** The fingerprint behind a tag, of the entries that are held. */
  fingerprint(tag: string): string | undefined {
    for (const [, { touch }] of this.entries()) {
      const { model } = touch
      if (model.fingerprint !== undefined && model.tag.toString('hex') === tag) {
        return model.fingerprint
      }
    }
    return undefined
  }

  clear(): void {
    this.#entries?.clear()
  }

  stats(): MemoryStats {
    return {
      entries: this.#entries?.size ?? 0,
      bytes: this.#entries?.calculatedSize ?? 0,
      maxBytes: Math.max(0, this.maxBytes),
      evictions: this.#evictions,
      expired: this.#expired,
    }
  }
}
