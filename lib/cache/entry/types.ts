/** The types of the cache. */

/**
 * What the engine gave for one text: float32, before it is cut, normalised or converted, so that one
 * entry serves every `dimensions`, `normalize` and `precision`.
 */
export interface CachedOutputs {
  /** Tokens that went through the model, `<s>` and `</s>` included. */
  tokenCount: number
  /** Whether the text's end was cut off. */
  truncated: boolean
  /** dim floats, not normalised. */
  pooled?: Float32Array
  /** Token ids, ascending, and the weight of each. */
  sparse?: { indices: Uint32Array; values: Float32Array }
  /** tokenCount - 1 rows of floats, row after row, of length 1. */
  colbert?: Float32Array
}

/** The outputs a call wants; an entry that lacks one of them is no hit. */
export interface Asked {
  /** The dense vector. */
  dense: boolean
  /** The lexical weights. */
  sparse: boolean
  /** The multi-vector. */
  colbert: boolean
}

/** The limit a text is under: with `error` it fails when it has more tokens, with `end` it is cut. */
export interface Limit {
  /** `<s>` and `</s>` included. */
  maxTokens: number
  /** What happens to a longer text. */
  truncate: 'error' | 'end'
}

/** The disk tier of a cache. */
export interface DiskOptions {
  /** Directory of the disk tier; made when it is not there. */
  dir: string
  /** The most bytes it may take, at least 1 MB. */
  maxBytes: number
}

/** Options of `EmbeddingCache.open`. */
export interface CacheOptions {
  /** Size of the memory tier; 0 turns it off. */
  memoryBytes: number
  /** Default: no disk tier. */
  disk?: DiskOptions | undefined
  /** Milliseconds from being computed to being forgotten; `Infinity` for never. */
  ttlMs: number
  /** Gets at most one line per kind of trouble. */
  warn(message: string): void
  /** Milliseconds since 1970. Default: `Date.now`. */
  now?: () => number
}

/** What is known of one entry. Times are milliseconds since 1970. */
export interface EntryInfo {
  /** Which output, as the engine gave it; or `kept`: what `set` was given. */
  output: 'dense' | 'sparse' | 'colbert' | 'kept'
  /** Tokens of its text. */
  tokenCount: number
  /** Whether its text was cut. */
  truncated: boolean
  /** When it was computed. */
  created: number
  /** When it was last read. */
  lastAccess: number
  /** Times it was read; counts stop at 65,535. */
  hits: number
}

/** What one model left in the disk tier. */
export interface ModelUsage {
  /** 16 hex digits that stand for the fingerprint. */
  tag: string
  /** The fingerprint, where it is known. */
  fingerprint?: string
  /** By output. */
  entries: { dense: number; sparse: number; colbert: number; kept: number }
  /** Bytes of all of them. */
  bytes: number
  /** Times they were read. */
  hits: number
  /** When the first was computed. */
  oldest: number
  /** When the last was computed. */
  newest: number
  /** When one was last read. */
  lastAccess: number
}

/** What an import did. */
export interface ImportResult {
  /** Entries that were added. */
  imported: number
  /** Entries that are there already, and not older. */
  present: number
  /** Entries past their age. */
  expired: number
}
