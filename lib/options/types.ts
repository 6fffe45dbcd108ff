/** The options of `Embedder.load`. Written by scripts/options.mjs from the table: change that. */
import type { URL } from 'node:url'
import type { AbortSignalLike } from '../common/abort.js'
import type {
  DownloadProgress,
  FallbackFunction,
  Goals,
  Logger,
  MemoryReading,
} from '../common/types.js'

/** Options of `Embedder.load`. */
export interface LoadOptions {
  /** GGUF file, the directory it lies in, a name (`bge-m3 model list`) or hf:OWNER/REPOSITORY. Default: bge-m3. */
  model?: string | URL | undefined
  /** Fetch a model that is named and not here. Default: on, unless HF_HUB_OFFLINE or BGE_M3_OFFLINE is set. */
  download?: boolean | undefined
  /** Directory of sparse_linear.pt and colbert_linear.pt, or a GGUF that carries the heads. Default: in the model, or beside it. */
  heads?: string | URL | undefined
  /** Compute threads. Default: the real cores this process may use. */
  threads?: number | undefined
  /** The most tokens a text may have, <s> and </s> included. Default: what the model was made for (8192 for bge-m3). */
  maxTokens?: number | undefined
  /** Token budget of one batch. Default: the preset decides (512: beyond it packing gains no speed). */
  batchTokens?: number | undefined
  /** Memory for weights, context, cache, queue and results in flight. Default: 2GB, or what the container leaves. */
  memoryLimit?: number | string | undefined
  /** Texts that may wait; a call beyond that fails with QUEUE_FULL. Default: 1000000. */
  maxPending?: number | undefined
  /** Give the weights back after so long without work; the next call reads them again. Default: never, 60s with preset low-memory. */
  unloadAfter?: number | string | undefined
  /** Size of the memory cache, or off; off in a call keeps it from both caches. Default: the preset decides (64MB). */
  cache?: number | string | boolean | undefined
  /** Directory of a cache on disk that outlives the process; `on` stands for one in the cache directory. Default: off. */
  diskCache?: string | URL | boolean | undefined
  /** The most the disk cache may take. Default: 1GB. */
  diskCacheSize?: number | string | undefined
  /** How long a cached embedding is kept. Default: 30d. */
  cacheTtl?: number | string | undefined
  /** Directory for models, builds and caches. Default: the cache directory of the platform. */
  cacheDir?: string | URL | undefined
  /** Instruction set of the kernels, as `bge-m3 doctor` lists them. Default: the best the processor has. */
  isa?: string | undefined
  /** Defaults of other options: throughput is batches of 1024 tokens and a cache of 256MB; low-memory is 256 tokens, one batch at a time, a cache of 8MB and unloadAfter 60s. Default: balanced. */
  preset?: 'balanced' | 'throughput' | 'low-memory' | undefined
  /** Model that takes over when the first one cannot be used. Default: none. */
  fallback?: string | URL | FallbackFunction | undefined
  /** How often a failed item is tried again, alone. Default: 1. */
  retry?: number | undefined
  /** Checksum of the model file at load: once per change of the file, every time, or never. Default: auto. */
  verify?: 'auto' | 'always' | 'never' | undefined
  /** What the model file must hash to, whatever `verify` says. Default: what is recorded beside it. */
  sha256?: string | undefined
  /** Read the weights on first use instead of now. The file is checked for being there either way. */
  lazy?: boolean | undefined
  /**
   * Goals in units. They are measured at load, which takes as long as some 15 texts, and set batchTokens,
   * memoryLimit and cache where these are not given; `info.plan` says which are met.
   */
  optimizeFor?: Goals | undefined
  /** Where warnings and llama.cpp's own log go. Default: stderr, from the level of BGE_M3_LOG_LEVEL (warn) on. */
  logger?: Logger | undefined
  /** Called as a model is fetched or converted; with bytes, rate and time left. */
  onProgress?: ((progress: DownloadProgress) => void) | undefined
  /** Called when memory gets short and batches smaller, and when there is enough again. */
  onMemory?: ((reading: MemoryReading) => void) | undefined
  /** Gives up loading; the call rejects with its reason. */
  signal?: AbortSignalLike | undefined
}
