/** Readings of the cache: what `Embedder.stats()` and `EmbeddingCache.stats()` give. */

/** Readings of the memory tier. */
export interface MemoryStats {
  /** Entries held now. */
  entries: number
  /** Estimate of what the entries take, keys and bookkeeping included. */
  bytes: number
  /** What they may take. */
  maxBytes: number
  /** Entries that went because there was no room. */
  evictions: number
  /** Entries that went because of their age. */
  expired: number
}

/**
 * `on`; `off`: none was asked for; `read-only`: entries are read, none can be written; `failed`: the
 * directory cannot be used at all.
 */
export type DiskState = 'on' | 'off' | 'read-only' | 'failed'

/** Readings of the disk tier. */
export interface DiskStats {
  /** Whether it works. */
  state: DiskState
  /** Why it is read-only or failed. */
  reason?: string
  /** Where it lies. */
  dir?: string
  /** Entries held now. */
  entries: number
  /** Whether `entries` was extrapolated from a part of the index. */
  estimated: boolean
  /** Bytes of all files of the store, shared with other processes. */
  bytes: number
  /** What it may take. */
  maxBytes: number
  /** Entries this process removed because there was no room. */
  evictions: number
  /** Entries this process removed because of their age. */
  expired: number
  /** Entries this process found damaged, and removed. */
  damaged: number
  /** Entries that were not written: too large, or the disk could not keep up. */
  dropped: number
  /** Bytes on their way to the disk. */
  pendingBytes: number
}

/** Readings since the cache was opened, of this process. */
export interface CacheStats {
  /** Texts that were asked for and found. */
  hits: number
  /** Texts that were asked for and not found. */
  misses: number
  /** 0 to 1; 0 before the first question. */
  hitRate: number
  /** Hits by where the last missing piece came from. */
  memoryHits: number
  diskHits: number
  /** The memory tier. */
  memory: MemoryStats
  /** The disk tier. */
  disk: DiskStats
}
