/**
 * The cache of embeddings: a memory tier in front of an optional disk tier.
 *
 * An entry is one output (dense, sparse or ColBERT) of one text under one model's fingerprint, as the
 * engine gave it (`find`, `keep`); or an embedding that somebody keeps by hand, with data beside it (`get`, `set`). What
 * is handed out is the caller's own copy; what is given is copied.
 */

import type { CacheStats, DiskStats } from '../common/cache-stats.js'
import { DisposedError } from '../common/errors.js'
import { checkNumeric, checkText, refuseUnknown } from '../common/given.js'
import type { Embedding, OutputsOption, Precision } from '../common/types.js'
import { checkOptions, OPTIONS } from '../options/table.js'
import { embeddingOf } from '../outputs/embedding.js'
import { isExpired } from './disk/layout.js'
import { DiskStore } from './disk/store.js'
import { byRecency } from './disk/usage.js'
import { type CacheHit, type CacheKey, hasAll, tagOf } from './entry/hit.js'
import { decodeKept, encodeKept, type KeptEmbedding } from './entry/kept.js'
import {
  entryKey,
  KINDS,
  Kind,
  type ModelKey,
  ModelKeys,
  modelTag,
  OUTPUT_KINDS,
  textTag,
} from './entry/key.js'
import type {
  Asked,
  CachedOutputs,
  CacheOptions,
  EntryInfo,
  ImportResult,
  Limit,
} from './entry/types.js'
import { allFinite, byteLength, copyValue, outputOf } from './entry/value.js'
import { newEntry } from './memory.js'
import { Tiers } from './tiers.js'
import { exportRecords, importRecords } from './transfer.js'

const NO_DISK: DiskStats = {
  state: 'off',
  entries: 0,
  estimated: false,
  bytes: 0,
  maxBytes: 0,
  evictions: 0,
  expired: 0,
  damaged: 0,
  dropped: 0,
  pendingBytes: 0,
}

/** How often the memory tier is looked through for what expired. */
const SWEEP_EVERY_MS = 600_000

/**
 * What `openCache` and `Embedder.cache` give: a memory tier in front of an optional disk tier. See docs/caching.md.
 *
 * What goes wrong with the disk is one warning, and entries that are missing: nothing throws for it.
 */
export class EmbeddingCache {
  readonly #tiers: Tiers
  readonly #models = new ModelKeys()
  #hits = 0
  #misses = 0
  #isClosed = false
  #memoryHits = 0

  private constructor(tiers: Tiers) {
    this.#tiers = tiers
  }

  /**
   * Opens a cache. A disk tier that cannot be used is a warning, never an error.
   *
   * @internal
   */
  static async open(options: CacheOptions): Promise<EmbeddingCache> {
    const { disk, ttlMs, warn, now = Date.now } = options
    const store = disk && (await DiskStore.open({ ...disk, ttlMs, warn, now }))
    return new EmbeddingCache(new Tiers(options, store))
  }

  /**
   * The outputs of a text, if all that are asked for are there and the text is within the limit:
   * `undefined` also for a text with more tokens than an `error` limit allows. The arrays are the
   * caller's own.
   *
   * @internal
   */
  find(fingerprint: string, text: string, asked: Asked, limit: Limit): CachedOutputs | undefined {
    const tag = textTag(text)
    const model = this.#models.of(fingerprint)
    const found = tag === undefined ? undefined : this.#find(model, tag, asked, limit)
    this.#count(found !== undefined)
    return found
  }

  #count(isHit: boolean): void {
    if (!isHit) this.#misses++
    else {
      this.#hits++
      if (!this.#tiers.readDisk) this.#memoryHits++
    }
  }

  #find(model: ModelKey, tag: string, asked: Asked, limit: Limit): CachedOutputs | undefined {
    const now = this.#tiers.begin()
    const { maxTokens, truncate } = limit
    return (
      this.#tiers.collect(model, tag, asked, 0, maxTokens, now) ??
      (truncate === 'end'
        ? this.#tiers.collect(model, tag, asked, maxTokens, maxTokens, now)
        : undefined)
    )
  }

  /**
   * Keeps what the engine gave for a text. Everything is copied before this returns. Outputs that are
   * not finite are not kept, nor is a text that is no Unicode.
   *
   * @internal
   */
  keep(fingerprint: string, text: string, outputs: CachedOutputs, limit: Limit): void {
    const tag = textTag(text)
    if (tag === undefined || (outputs.pooled && !allFinite(outputs.pooled))) return
    const model = this.#models.of(fingerprint)
    const variant = outputs.truncated ? limit.maxTokens : 0
    const now = this.#tiers.now()
    for (const kind of OUTPUT_KINDS) {
      const value = outputOf(outputs, kind)
      if (!value) continue
      const { tokenCount } = outputs
      const key = entryKey(model, tag, kind, variant)
      const bytes = byteLength(value)
      if (this.#tiers.memory.accepts(bytes)) {
        const known = { value: copyValue(value), tokenCount, created: now }
        this.#tiers.memory.put(key, newEntry(model, tag, kind, variant, known))
      }
      this.#tiers.disk?.put(model, tag, kind, variant, { value, tokenCount, created: now })
    }
    if (Math.abs(now - this.#tiers.sweptAt) > SWEEP_EVERY_MS) this.#tiers.sweepMemory(now)
  }

  /**
   * What `set` kept for a text; else, if they are all there, the outputs that embedders kept for the whole text, dense
   * of length 1. The arrays are the caller's own.
   *
   * @param model which model the embedding is of: a fingerprint (`m3.info.fingerprint`), or a name of your own
   * @throws InvalidInputError for arguments of another type, DisposedError after `close`
   * @example
   * const hit = cache.get(m3.info.fingerprint, 'a text')
   * if (hit) console.log(hit.embedding.dense, hit.metadata, hit.created)
   */
  get<const W extends OutputsOption | undefined = undefined>(
    model: string,
    key: CacheKey,
    options: { outputs?: W | undefined } = {},
  ): CacheHit<W> | undefined {
    const [of, tag] = this.#keyOf(model, key)
    refuseUnknown(options, ['outputs'], 'EmbeddingCache.get')
    const { outputs = OPTIONS.outputs.default } = checkOptions(options)
    const found = tag === undefined ? undefined : this.#getKept(of, tag, outputs)
    this.#count(found !== undefined)
    return found as CacheHit<W> | undefined
  }

  #getKept(model: ModelKey, tag: string, outputs: Asked): CacheHit | undefined {
    const now = this.#tiers.begin()
    const key = entryKey(model, tag, Kind.kept, 0)
    const entry =
      this.#tiers.fromMemory(key, now) ?? this.#tiers.fromDisk(key, model, tag, Kind.kept, 0)
    const kept = entry && decodeKept(entry.value as Uint8Array)
    if (kept && hasAll(kept.embedding, outputs)) {
      this.#tiers.use(entry, now)
      return { ...kept, created: new Date(entry.created) }
    }
    const raw = this.#tiers.collect(model, tag, outputs, 0, Number.POSITIVE_INFINITY, now)
    if (!raw) return undefined
    const created = Math.min(
      ...OUTPUT_KINDS.flatMap((kind) => this.#tiers.describe(model, tag, kind, 0)?.created ?? now),
    )
    return { embedding: asEmbedded(raw, outputs), metadata: undefined, created: new Date(created) }
  }

  /**
   * Keeps an embedding by hand, whatever was kept there before. Everything is copied before this returns; where there
   * is a disk tier it is on its way there (`flush` waits for it), and other processes see it then.
   *
   * @param model as for `get`. What embedders keep under a fingerprint is not touched, nor found by them
   * @throws InvalidInputError for what is no embedding, not finite, or for metadata that is no JSON; DisposedError after
   *   `close`
   * @example
   * cache.set(m3.info.fingerprint, 'a text', await m3.embed('a text'), { metadata: { page: 3 } })
   */
  set(
    model: string,
    key: CacheKey,
    embedding: KeptEmbedding,
    options: { metadata?: unknown } = {},
  ): void {
    const [of, tag] = this.#keyOf(model, key)
    refuseUnknown(options, ['metadata'], 'EmbeddingCache.set')
    const value = encodeKept(embedding, options.metadata)
    // a text that is no Unicode is never found
    if (tag === undefined) return
    const known = { value, tokenCount: embedding.tokenCount ?? 1, created: this.#tiers.now() }
    const name = entryKey(of, tag, Kind.kept, 0)
    this.#tiers.memory.delete(name)
    // another process may keep another one there: no copy of it may stand in front of the disk
    if (this.#tiers.disk?.state === 'on') this.#tiers.disk.put(of, tag, Kind.kept, 0, known)
    else this.#tiers.memory.put(name, newEntry(of, tag, Kind.kept, 0, known))
  }

  /** Removes what `set` kept for a text. Returns whether it was there. */
  delete(model: string, key: CacheKey): boolean {
    const [of, tag] = this.#keyOf(model, key)
    if (tag === undefined) return false
    const wasHeld = this.#tiers.memory.delete(entryKey(of, tag, Kind.kept, 0))
    return (this.#tiers.disk?.delete(of, tag, Kind.kept, 0) ?? false) || wasHeld
  }

  /** @throws InvalidInputError, DisposedError */
  #keyOf(model: string, key: CacheKey): [model: ModelKey, tag: string | undefined] {
    if (this.#isClosed) throw new DisposedError('The cache was closed.')
    checkText(model, 'A model')
    return [this.#models.of(model), tagOf(key)]
  }

  /** What is known of the entries of a text, of whole texts and of those cut at `maxTokens`. */
  describe(fingerprint: string, text: string, maxTokens?: number): EntryInfo[] {
    checkText(fingerprint, 'A fingerprint')
    checkText(text, 'A text')
    checkNumeric({ maxTokens })
    const tag = textTag(text)
    if (tag === undefined) return []
    const model = this.#models.of(fingerprint)
    const variants = maxTokens === undefined ? [0] : [0, maxTokens]
    return variants.flatMap((variant) =>
      KINDS.flatMap((kind) => this.#tiers.describe(model, tag, kind, variant) ?? []),
    )
  }

  /** Removes what is past its age from both tiers, now. Returns how many entries of the larger one. */
  clearExpired(): number {
    const inMemory = this.#tiers.sweepMemory(this.#tiers.now())
    return Math.max(inMemory, this.#tiers.disk?.clearExpired() ?? 0)
  }

  /** Removes every entry of both tiers, other processes' included. */
  clear(): void {
    this.#tiers.clear()
  }

  /**
   * Removes the entries of one fingerprint from both tiers, as when its model is not used any more.
   * (A changed model has another fingerprint, so old entries are never mistaken for its own.) Returns
   * how many went, of the larger tier.
   */
  invalidate(fingerprint: string): number {
    checkText(fingerprint, 'A fingerprint')
    const gone = modelTag(fingerprint)
    return this.#remove((tag) => tag === gone)
  }

  /** Removes the entries of all fingerprints but this one, as `invalidate` does. */
  invalidateOthers(fingerprint: string): number {
    checkText(fingerprint, 'A fingerprint')
    const kept = modelTag(fingerprint)
    return this.#remove((tag) => tag !== kept)
  }

  #remove(pick: (tag: string) => boolean): number {
    const inMemory = this.#tiers.memory.sweep(
      (entry) => pick(entry.touch.model.tag.toString('hex')),
      'removed',
    )
    return Math.max(inMemory, this.#tiers.disk?.remove(pick) ?? 0)
  }

  /**
   * Fills the memory tier from the disk tier: the most recently used first, of those used at the same
   * time the most often used. Nothing that memory holds has to go. Returns the number of entries.
   *
   * @param fingerprint only entries of this model
   */
  async warmup(fingerprint?: string): Promise<number> {
    if (!this.#tiers.disk || this.#tiers.memory.maxBytes <= 0) return 0
    const only = fingerprint === undefined ? undefined : modelTag(fingerprint)
    let count = 0
    for await (const { model: tagOfModel, tag, kind, variant, bytes } of byRecency(
      this.#tiers.disk,
    )) {
      if (only !== undefined && tagOfModel !== only) continue
      if (kind === Kind.kept) continue
      if (!this.#tiers.memory.fits(bytes)) break
      const model = this.#models.ofTag(tagOfModel)
      const key = entryKey(model, tag, kind, variant)
      if (this.#tiers.memory.peek(key)) continue
      this.#tiers.disk.begin()
      const entry = this.#tiers.fromDisk(key, model, tag, kind, variant)
      if (entry && this.#tiers.memory.put(key, entry)) count++
    }
    return count
  }

  /**
   * Writes the entries to a file, in the format that docs/caching.md describes: those of the disk
   * tier where there is one, else those in memory.
   *
   * @throws CacheError when the file cannot be written; no part of it is left then
   */
  async exportTo(file: string): Promise<{ entries: number; bytes: number }> {
    await this.flush()
    return exportRecords(
      file,
      this.#tiers.now(),
      this.#tiers.disk?.isReadable ? this.#tiers.disk : this.#tiers.memory,
    )
  }

  /**
   * Adds the entries of a file that `exportTo` wrote. The file is checked whole before anything of it
   * is used. Entries keep their age.
   *
   * @throws CacheError when the file is no such file, is damaged, or is of another version
   */
  async importFrom(file: string): Promise<ImportResult> {
    const now = this.#tiers.now()
    const result: ImportResult = { imported: 0, present: 0, expired: 0 }
    await importRecords(file, async (record) => {
      const { kind, tag, variant, tokenCount, value, hits } = record
      const created = Math.min(record.created, now)
      if (isExpired(created, now, this.#tiers.options.ttlMs)) {
        result.expired++
        return
      }
      const model = this.#models.ofTag(record.modelTag, record.fingerprint)
      const lastAccess = Math.min(record.lastAccess, now)
      const key = entryKey(model, tag, kind, variant)
      const known = this.#tiers.describe(model, tag, kind, variant)
      if (known && known.created >= created) {
        result.present++
        return
      }
      result.imported++
      if (this.#tiers.disk?.state === 'on') {
        this.#tiers.disk.put(model, tag, kind, variant, {
          value,
          tokenCount,
          created,
          hits,
          lastAccess,
        })
        if (this.#tiers.disk.isBusy) await this.#tiers.disk.flush()
        return
      }
      const entry = newEntry(model, tag, kind, variant, { value, tokenCount, created, hits })
      this.#tiers.memory.put(key, entry)
    })
    await this.flush()
    return result
  }

  /** Readings since the cache was opened. */
  stats(): CacheStats {
    const asked = this.#hits + this.#misses
    return {
      hits: this.#hits,
      misses: this.#misses,
      hitRate: asked === 0 ? 0 : this.#hits / asked,
      memoryHits: this.#memoryHits,
      diskHits: this.#hits - this.#memoryHits,
      memory: this.#tiers.memory.stats(),
      disk: this.#tiers.disk?.stats() ?? { ...NO_DISK },
    }
  }

  /** Waits until the disk tier has everything, last uses included. */
  async flush(): Promise<void> {
    await this.#tiers.noteUses(this.#tiers.now())
    await this.#tiers.disk?.flush()
  }

  /** Flushes, and closes all files. `get` then finds nothing on the disk, and `set` keeps nothing there. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.flush()
    await this.#tiers.disk?.close()
    this.#tiers.memory.clear()
  }

  /** `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function asEmbedded(raw: CachedOutputs, outputs: Asked): Embedding<Precision> {
  const how = { outputs, normalize: true, precision: 'float32' } as const
  const timings = { tokenizeMs: 0, queueMs: 0, computeMs: 0, totalMs: 0 }
  return embeddingOf(raw, how, { cached: true, timings })
}
