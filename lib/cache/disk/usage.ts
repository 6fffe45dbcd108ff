/** What lies in a store: by model, by recency. */
import { turn } from '../../common/timers.js'
import { type Kind, OUTPUT_OF_KIND } from '../entry/key.js'
import type { ModelUsage } from '../entry/types.js'
import { HEADER_BYTES, meta, SLOT_META, slot } from './layout.js'
import { readName } from './names.js'
import type { DiskStore } from './store.js'

/** What each model left, the one with the most bytes first. Reads the whole index. */
export async function usageByModel(store: DiskStore): Promise<ModelUsage[]> {
  const models = new Map<string, ModelUsage>()
  for (const slots of store.slots()) {
    for (const entry of slots) {
      const tag = meta.model(entry, SLOT_META)
      let usage = models.get(tag)
      if (!usage) {
        const fingerprint = readName(store.dir, tag)
        usage = { tag, ...(fingerprint !== undefined && { fingerprint }), ...nothing() }
        models.set(tag, usage)
      }
      count(usage, entry)
    }
    await turn()
  }
  return [...models.values()].sort((a, b) => b.bytes - a.bytes)
}

const nothing = () => ({
  entries: { dense: 0, sparse: 0, colbert: 0, kept: 0 },
  bytes: 0,
  hits: 0,
  oldest: Number.POSITIVE_INFINITY,
  newest: 0,
  lastAccess: 0,
})

function count(usage: ModelUsage, entry: Buffer): void {
  const created = meta.created(entry, SLOT_META)
  usage.entries[OUTPUT_OF_KIND[meta.kind(entry, SLOT_META) as Kind]]++
  usage.bytes += slot.bytes(entry, 0)
  usage.hits += meta.hits(entry, SLOT_META)
  usage.oldest = Math.min(usage.oldest, created)
  usage.newest = Math.max(usage.newest, created)
  usage.lastAccess = Math.max(usage.lastAccess, meta.access(entry, SLOT_META))
}

/** What a slot says of an entry. */
export interface Listed {
  model: string
  tag: string
  kind: Kind
  variant: number
  /** Of its value. */
  bytes: number
}

/** Entries a listing holds at a time: what a memory tier could take besides is not worth more room. */
const MOST_LISTED = 200_000

/** Entries by last access, the latest first; of those of the same time the most read first. */
export async function* byRecency(store: DiskStore): AsyncGenerator<Listed> {
  let entries: Buffer[] = []
  for (const slots of store.slots()) {
    entries.push(...slots)
    if (entries.length > 2 * MOST_LISTED) entries = latest(entries)
    await turn()
  }
  let seen = 0
  for (const entry of latest(entries)) {
    if (++seen % 100 === 0) await turn()
    yield {
      model: meta.model(entry, SLOT_META),
      tag: meta.tag(entry, SLOT_META),
      kind: meta.kind(entry, SLOT_META) as Kind,
      variant: meta.variant(entry, SLOT_META),
      bytes: slot.bytes(entry, 0) - HEADER_BYTES,
    }
  }
}

function latest(entries: Buffer[]): Buffer[] {
  const use = entries.map((entry) => ({
    entry,
    access: meta.access(entry, SLOT_META),
    hits: meta.hits(entry, SLOT_META),
  }))
  use.sort((a, b) => b.access - a.access || b.hits - a.hits)
  return use.slice(0, MOST_LISTED).map(({ entry }) => entry)
}
