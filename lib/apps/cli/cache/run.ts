/** What `bge-m3 cache` does. */
import { existsSync, statSync } from 'node:fs'
import path from 'node:path'
import { EmbeddingCache } from '../../../cache/cache.js'
import { DEFAULT_TTL_MS, embeddingsDir } from '../../../cache/defaults.js'
import { storeDir } from '../../../cache/disk/open.js'
import { DiskStore } from '../../../cache/disk/store.js'
import { usageByModel } from '../../../cache/disk/usage.js'
import { modelTag } from '../../../cache/entry/key.js'
import type { ModelUsage } from '../../../cache/entry/types.js'
import { exportRecords } from '../../../cache/transfer.js'
import { CacheError } from '../../../common/errors.js'
import { formatSize, parseDuration } from '../../../common/units.js'
import { EXIT, UsageError } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import { type Flags, optionValues } from '../shared/options.js'
import { table } from '../shared/table.js'

/** Room that an import needs beside its entries: what the store keeps free. */
const IMPORT_SLACK_BYTES = 128_000_000

function directory(io: CliIo, flags: Flags): string {
  if (typeof flags.dir === 'string') return path.resolve(flags.dir)
  const { cacheDir, diskCache } = optionValues(flags, io.env)
  return typeof diskCache === 'string' ? path.resolve(diskCache) : embeddingsDir(cacheDir)
}

/** The store, if there is one. */
async function open(
  io: CliIo,
  dir: string,
  { readOnly, ttlMs = Number.POSITIVE_INFINITY }: { readOnly: boolean; ttlMs?: number },
): Promise<DiskStore | undefined> {
  if (!existsSync(storeDir(dir))) return undefined
  const store = await DiskStore.open({
    dir,
    // an index that is there is never made smaller
    maxBytes: 0,
    ttlMs,
    warn: (message) => say(io, `warning: ${message}`),
    now: Date.now,
    readOnly,
  })
  const { state, reason } = store.stats()
  if (state === 'on' || (readOnly && state === 'read-only')) return store
  await store.close()
  if (readOnly) return undefined
  throw new CacheError(`The cache in ${dir} cannot be written: ${reason}.`)
}

export async function stats(io: CliIo, flags: Flags): Promise<number> {
  const dir = directory(io, flags)
  const store = await open(io, dir, { readOnly: true })
  const models = store ? await usageByModel(store) : []
  const bytes = store?.stats().bytes ?? 0
  await store?.close()
  const entries = models.reduce((sum, model) => sum + count(model), 0)
  if (flags.json) {
    io.stdout.write(
      `${JSON.stringify({ dir, exists: store !== undefined, entries, bytes, models })}\n`,
    )
    return EXIT.done
  }
  io.stdout.write(
    table([
      ['directory', store ? dir : `${dir} (there is none)`],
      ['size', formatSize(bytes)],
      ['entries', String(entries)],
    ]),
  )
  if (models.length > 0)
    io.stdout.write(`\n${table([HEADINGS, ...models.map(row)], [1, 2, 3, 4, 5])}`)
  return EXIT.done
}

const count = ({ entries }: ModelUsage): number =>
  entries.dense + entries.sparse + entries.colbert + entries.kept

const HEADINGS = [
  'fingerprint',
  'dense',
  'sparse',
  'colbert',
  'bytes',
  'uses',
  'oldest',
  'last used',
]

function row({ tag, fingerprint, entries, bytes, hits, oldest, lastAccess }: ModelUsage): string[] {
  const day = (time: number): string => new Date(time).toISOString().slice(0, 10)
  return [
    fingerprint ?? tag,
    String(entries.dense),
    String(entries.sparse),
    String(entries.colbert),
    formatSize(bytes),
    String(hits),
    day(oldest),
    day(lastAccess),
  ]
}

export async function clear(io: CliIo, flags: Flags): Promise<number> {
  const { all, expired, fingerprint } = flags
  if ([all, expired, fingerprint].filter((flag) => flag !== undefined).length > 1) {
    throw new UsageError('Only one of --all, --expired and --fingerprint can be given.')
  }
  const ttlMs = ageOf(io, flags)
  const dir = directory(io, flags)
  const store = await open(io, dir, { readOnly: false, ...(expired === true && { ttlMs }) })
  const before = store?.stats()
  const removed = store ? remove(store, flags, before?.entries ?? 0) : 0
  await store?.compact()
  const after = store?.stats()
  await store?.close()
  if (after && after.state !== 'on') {
    throw new CacheError(`The cache in ${dir} cannot be written: ${after.reason}.`)
  }
  const freedBytes = Math.max(0, (before?.bytes ?? 0) - (after?.bytes ?? 0))
  io.stdout.write(
    flags.json
      ? `${JSON.stringify({ dir, removed, freedBytes })}\n`
      : `${removed} entries removed, ${formatSize(freedBytes)} freed\n`,
  )
  return EXIT.done
}

function ageOf(io: CliIo, flags: Flags): number {
  if (flags.olderThan === undefined) return timeToLive(io, flags)
  if (!flags.expired) throw new UsageError('--older-than goes with --expired.')
  const age = parseDuration(String(flags.olderThan))
  if (age === undefined) throw new UsageError('--older-than must be a duration, such as 12h or 7d.')
  return age
}

const timeToLive = (io: CliIo, flags: Flags): number =>
  optionValues(flags, io.env).cacheTtl ?? DEFAULT_TTL_MS

function remove(store: DiskStore, flags: Flags, entries: number): number {
  if (flags.expired) return store.clearExpired()
  if (typeof flags.fingerprint === 'string') {
    const named = flags.fingerprint
    // what `stats` prints where the fingerprint itself is not known
    return store.remove((tag) => tag === modelTag(named) || tag === named)
  }
  store.clear()
  return entries
}

export async function exportCache(
  io: CliIo,
  [file = '']: readonly string[],
  flags: Flags,
): Promise<number> {
  const dir = directory(io, flags)
  const store = await open(io, dir, { readOnly: true })
  if (!store) throw new CacheError(`There is no cache in ${dir}.`)
  const written = await exportRecords(file, Date.now(), store).finally(() => store.close())
  io.stdout.write(
    flags.json
      ? `${JSON.stringify({ file: path.resolve(file), ...written })}\n`
      : `${written.entries} entries, ${formatSize(written.bytes)}\n`,
  )
  return EXIT.done
}

export async function importCache(
  io: CliIo,
  [file = '']: readonly string[],
  flags: Flags,
): Promise<number> {
  const dir = directory(io, flags)
  const present = await open(io, dir, { readOnly: true })
  const bytes = present?.stats().bytes ?? 0
  await present?.close()
  const added = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  // nothing that is there has to go for what is imported
  const maxBytes = Math.ceil((bytes + added) * 1.2) + IMPORT_SLACK_BYTES
  const cache = await EmbeddingCache.open({
    memoryBytes: 0,
    disk: { dir, maxBytes },
    ttlMs: timeToLive(io, flags),
    warn: (message) => say(io, `warning: ${message}`),
  })
  try {
    const result = await cache.importFrom(file)
    const { state, reason } = cache.stats().disk
    if (state !== 'on') throw new CacheError(`The cache in ${dir} cannot be written: ${reason}.`)
    io.stdout.write(
      flags.json
        ? `${JSON.stringify({ dir, ...result })}\n`
        : `${result.imported} entries imported, ${result.present} were there, ${result.expired} were too old\n`,
    )
  } finally {
    await cache.close()
  }
  return EXIT.done
}

export async function printPath(io: CliIo, flags: Flags): Promise<number> {
  const dir = directory(io, flags)
  io.stdout.write(flags.json ? `${JSON.stringify({ path: dir })}\n` : `${dir}\n`)
  return EXIT.done
}
