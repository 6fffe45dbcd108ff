/** The types of the public API. */
import type { CacheStats } from './cache-stats.js'
import type {
  Calibration,
  Embedding,
  EmbeddingForms,
  Outputs,
  OutputsOption,
  Precision,
  Timings,
} from './embedding.js'
import type { EmbedderError } from './errors.js'

export type * from './embedding.js'

/** What ends work early: an `AbortSignal`, or whatever does what is asked of one here. */
export interface AbortSignalLike {
  /** Whether it has ended. */
  readonly aborted: boolean
  /** Why; without one it is an `AbortError`. */
  readonly reason?: unknown
  /** Tells when it ends. */
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void
  /** Tells no more. */
  removeEventListener?(type: 'abort', listener: () => void): void
}

/** A piece of a document, or anything else that has an id. */
export interface Chunk {
  /** Not empty, and different from the others' of a call. */
  id: string
  /** What is embedded. */
  text: string
  /** Handed through as it is, and so is any further field. */
  metadata?: Record<string, unknown>
}

/**
 * What a chunk gave, with all that it came with.
 *
 * - `C`: the chunk's type
 * - `T`: `keepText`; where only running can tell, the text may be there
 */
export type EmbeddedChunk<
  P extends Precision = 'float32',
  W extends OutputsOption | undefined = OutputsOption,
  C = string,
  T extends boolean = boolean,
> = ChunkOutputs<P, W> &
  ([T] extends [false] ? unknown : [T] extends [true] ? { text: string } : { text?: string }) &
  (C extends string ? unknown : Omit<C, keyof ChunkOutputs | 'text'>)

/** What is known of an embedded chunk. */
export interface ChunkOutputs<
  P extends Precision = 'float32',
  W extends OutputsOption | undefined = OutputsOption,
> {
  /** The chunk's own id. */
  id: string
  /** As it was passed. */
  metadata: Record<string, unknown> | undefined
  /** As `embed` gives it, bit for bit. */
  embedding: Embedding<P, W>
  /** Euclidean length of the dense vector as it is stored; NaN when dense was not asked. */
  norm: number
  /** Soundness, 0 to 1, see `bge-m3-node/quality`; only where dense was asked. */
  qualityScore?: number
  /** Fingerprint of the model that made it. */
  model: string
  /** When the result was made; the numbers of a cached one are older. */
  createdAt: Date
  /** Where this chunk's time went. */
  timings: Timings
}

/** A chunk that failed. */
export interface ChunkFailure {
  /** The chunk's own id. */
  id: string
  /** Position among the chunks that were passed in. */
  index: number
  /** Why; its `index` is this one's. */
  error: EmbedderError
}

/** One micro-batch that ran for a call; texts of other callers may have shared it. */
export interface BatchInfo {
  /** Numbers the batches of a loaded model, from 1. */
  id: number
  /** Texts and tokens of this call in it. */
  texts: number
  tokens: number
  /** Texts and tokens of everybody in it. */
  allTexts: number
  allTokens: number
  /** Milliseconds of the whole batch. */
  computeMs: number
  /** Resident bytes of the process when it had run. */
  peakBytes: number
  /** Texts of this call in it that failed. */
  errors: number
}

/** Statistics of one call. */
export interface RunStats {
  /** Texts of the call, failed ones included. */
  texts: number
  /** Tokens of the texts that were embedded, `<s>` and `</s>` included. */
  tokens: number
  /** Texts that failed. */
  failures: number
  /** Texts that came from the cache. */
  cached: number
  /** 0 to 1. */
  cacheHitRate: number
  /** From the call to its end. */
  seconds: number
  /** Texts over seconds. */
  textsPerSecond: number
  /** Tokens over seconds. */
  tokensPerSecond: number
  /** The most resident memory of the process meanwhile. */
  peakRssBytes: number
  /** Sums over the texts (tokenize, queue) and over the batches (compute), in milliseconds. */
  stages: { tokenizeMs: number; queueMs: number; computeMs: number }
}

/** What work will take here. */
export interface Estimate {
  /** Tokens of all texts that would be computed. */
  tokens: number
  /** Micro-batches. */
  batches: number
  /** From the call to its end, on this machine as busy as it has been of late. */
  seconds: number
  /** The most resident memory the process will have while it runs. */
  peakBytes: number
}

/** Where llama.cpp's log and our own warnings go. No line ever holds a text. */
export interface Logger {
  /** Details, such as llama.cpp's own log. */
  debug?(message: string): void
  /** What happens in the ordinary course. */
  info?(message: string): void
  /** Something is odd, and the work goes on. */
  warn?(message: string): void
  /** Something failed. */
  error?(message: string): void
}

/** How far the download of a model is. */
export interface DownloadProgress {
  /** Name of the file, and which of the files it is. */
  readonly file: string
  readonly index: number
  readonly count: number
  /**
   * `check`: bytes on disk are being hashed; `wait`: another process is pulling this file;
   * `download`: bytes arrive; `convert`: a GGUF is made of what arrived; `done`: the file is in place.
   */
  readonly phase: 'check' | 'wait' | 'download' | 'convert' | 'done'
  /** Bytes of this file in this phase, and of the whole file. */
  readonly received: number
  readonly total: number
  /** Bytes per second over the last seconds; 0 until known. */
  readonly rate: number
  /** Milliseconds to go at this rate; `undefined` until known. */
  readonly eta: number | undefined
}

/** An embedding per text, or an error for a text that it cannot embed either. */
export type FallbackFunction = (
  texts: readonly string[],
  options: EmbedOptions,
) => Promise<
  readonly Settled<
    Omit<Embedding<Precision>, 'fallback' | 'timings' | 'cached' | keyof EmbeddingForms>
  >[]
>

/** What goes in front of a text: by its name in the model, or as a text of its own. */
export type Prompt = string | { readonly text: string }

/** Options of one call. */
export interface EmbedOptions {
  /** Which to compute: `['dense', 'sparse']`, `'all'`, or `{ dense: true, sparse: true }`. Default: dense alone. */
  outputs?: OutputsOption | undefined
  /** Dense vectors have length 1. Default: true. */
  normalize?: boolean | undefined
  /** A text over the limit is an error (default), or loses its end. */
  truncate?: 'error' | 'end' | undefined
  /** A lower limit than the embedder's own. */
  maxTokens?: number | undefined
  /**
   * What goes in front of the text: `query` or `passage`, another prompt of the model by its name, or
   * `{ text }`. Default: the model's own default, if it has one, for texts; `passage` for chunks, documents
   * and streams. bge-m3 has no prompts.
   */
  prompt?: Prompt | undefined
  /** Cut dense vectors and ColBERT rows to so many dimensions, then normalise. */
  dimensions?: number | undefined
  /** Number format of dense and ColBERT vectors. Default: float32. */
  precision?: Precision | undefined
  /** What `calibrate` gave, for dense vectors in `int8` or `binary`; without the ColBERT output. It is part of the fingerprint. */
  calibration?: Calibration | undefined
  /** Interactive work is computed before bulk work. Default: interactive; bulk for streams and chunks. */
  priority?: 'interactive' | 'bulk' | undefined
  /** `false` keeps this call from the caches. */
  cache?: boolean | undefined
  /** Cancels: the call rejects with its reason. */
  signal?: AbortSignalLike | undefined
  /** Milliseconds, or text such as `30s`. */
  timeout?: number | string | undefined
  /** `collect`: a failed text is an error among the results, and the call does not reject. */
  onError?: 'throw' | 'collect' | undefined
  /** Called as texts are done. What it throws is logged and does not stop the work. */
  onProgress?: ((progress: Progress) => void) | undefined
}

/**
 * Options of a call whose result's type follows from them.
 *
 * - `W`: the `outputs`
 * - `P`: the `precision`
 * - `E`: `onError`
 */
export type EmbedOptionsFor<
  W extends OutputsOption | undefined,
  P extends Precision,
  E extends 'throw' | 'collect' = 'throw' | 'collect',
  Options extends EmbedOptions = EmbedOptions,
> = Omit<Options, 'outputs' | 'precision' | 'onError'> & {
  outputs?: W | undefined
  precision?: P | undefined
  onError?: E | undefined
}

/** A result where a failed text rejects the call; with `collect`, a result or an error. */
export type ResultFor<E extends 'throw' | 'collect', T> = 'collect' extends E ? Settled<T> : T

/** How far a call is. */
export interface Progress {
  /** Texts that are done, failed ones included. */
  done: number
  /** null for a stream: nobody knows. */
  total: number | null
  /** Tokens of what is done. */
  tokens: number
  /** Texts a second, of late: what was seconds ago counts less. */
  rate: number
  /** Seconds left at that rate; null where the total is. */
  eta: number | null
}

/** Options of counting tokens. */
export interface CountOptions {
  /** Read a text only until it has more tokens than that; it costs no more then, however long it is. Default: all. */
  atMost?: number | undefined
}

/** Options of `tokenize`. */
export interface TokenizeOptions {
  /** The most tokens; more are an error unless `truncate: 'end'`. Default: no limit. */
  maxTokens?: number | undefined
  /** A text over the limit is an error (default), or loses its end. */
  truncate?: 'error' | 'end' | undefined
  /** Also the pieces, and where they stand in the text. */
  pieces?: boolean | undefined
}

/** What goes through the model for a text. */
export interface TokenizeResult {
  /** `<s>` and `</s>` included. */
  ids: Uint32Array
  /** Whether the end was cut off. */
  truncated: boolean
  /** One for each id, with `pieces: true`. */
  pieces?: PlacedToken[]
}

/** Options of `decode`. */
export interface DecodeOptions {
  /** Keep `<s>`, `</s>` and the like, spelt out. Default: false. */
  specialTokens?: boolean | undefined
}

/** A token of the vocabulary. */
export interface TokenPiece {
  id: number
  /** The vocabulary's own spelling; `▁` (U+2581) stands for a space in front. */
  piece: string
  /** The piece for reading, with its space in front. Empty for special tokens. */
  text: string
  /** `<s>`, `</s>`, `<unk>`, `<mask>` and the like. */
  special: boolean
}

/** A token of a text, and where it stands: `text.slice(start, end)`, before the tokenizer normalised it. */
export interface PlacedToken extends TokenPiece {
  /** First UTF-16 unit; the same as `end` for what begins and ends every text. */
  start: number
  /** Behind the last UTF-16 unit. */
  end: number
}

/** What is loaded, and how it runs. */
export interface EmbedderInfo {
  /** Absolute path. */
  model: string
  /** Tells weights, heads, tokenizer and kernels apart: embeddings with the same one compare. */
  fingerprint: string
  /** `general.name` of the file. */
  name: string
  /** `general.architecture` of the file, such as `bert`. */
  architecture: string
  /** How token states become the dense vector: `cls`, `mean` ..., several joined by `+`. */
  pooling: string
  /** Numbers in a dense vector: 1024 for bge-m3. */
  dimensions: number
  /** Numbers in a ColBERT row: 1024 for bge-m3, another width where a checkpoint has a `colbert_dim`; 0 without that head. */
  colbertDimensions: number
  /** Transformer layers: 24 for bge-m3. */
  layers: number
  /** Token ids are below it. */
  vocabSize: number
  /** The most tokens a text may have, `<s>` and `</s>` included. */
  maxTokens: number
  /** What the model wants in front of texts, by name; empty for bge-m3. */
  prompts: Record<string, string>
  /** The name of the one that a text gets when nothing is said. */
  defaultPrompt: string | undefined
  /** Compute threads in use. */
  threads: number
  /** What the model can give. */
  outputs: Required<Outputs>
  /** Files the sparse and ColBERT heads came from. */
  heads: string[]
  /** The kernels in use, such as `avx512vnni`; `ggml` where ours are off. */
  isa: string
  /**
   * What quantized blocks are scaled with: `block` (float32) or `fixed` (16-bit numbers); `ggml` where our
   * kernels are off.
   */
  quantization: string
  /** Random weights made by `bge-m3 model standin`: embeddings mean nothing. */
  standin: boolean
  /** Whether several texts share a micro-batch (only where their bits do not depend on it). */
  packing: boolean
  /** Resident bytes of the weights. */
  weightBytes: number
  /** Instruction sets of the processor. */
  cpuFeatures: string[]
  /** Which goals of `optimizeFor` are met, and by what; undefined without goals. */
  plan: Plan | undefined
  /** What is odd about the file, for people. */
  warnings: string[]
}

/** What an embedder should reach; see `Plan` for which of it it does. */
export interface Goals {
  /** The most that weights, context, cache and the program's own code may take: bytes, or `'512MB'`. */
  memory?: number | string | undefined
  /** The longest that one text of up to 64 tokens may take while a corpus is embedded beside it. */
  latencyMs?: number | undefined
  /** Texts of 64 tokens, in batches. */
  textsPerSecond?: number | undefined
}

/** One goal, and what was measured at load. Memory in bytes. */
export interface GoalReading {
  wanted: number
  expected: number
  met: boolean
}

/** What `optimizeFor` came to. */
export interface Plan {
  /** Token budget of a batch. */
  batchTokens: number
  goals: { memory?: GoalReading; latencyMs?: GoalReading; textsPerSecond?: GoalReading }
}

/** What `onMemory` tells. */
export interface MemoryReading {
  /** Bytes that the machine, or the container, has left. */
  freeBytes: number
  /** Tokens that a batch may have from now on. */
  batchTokens: number
}

/** Readings since the embedder was loaded. */
export interface EmbedderStats {
  /** Texts that were computed. */
  texts: number
  /** Tokens of these texts. */
  tokens: number
  /** Micro-batches that ran. */
  batches: number
  /** Texts that failed. */
  failures: number
  /** Texts whose call was cancelled. */
  cancelled: number
  /** Texts that were tried once more, alone. */
  retries: number
  /** Texts that got the result of an identical one in flight. */
  shared: number
  /** Texts that the fallback embedded. */
  fallbacks: number
  /** Texts that wait or run now. */
  pending: number
  /** Milliseconds, summed over batches. */
  computeMs: number
  /** Milliseconds, summed over texts. */
  queueMs: number
  /** Milliseconds, summed over calls. */
  tokenizeMs: number
  /** Averages over the texts that were computed, in milliseconds but for the tokens; 0 before the first. */
  perText: { tokens: number; tokenizeMs: number; queueMs: number; computeMs: number }
  /** Averages over micro-batches; 0 before the first. */
  perBatch: { texts: number; tokens: number; computeMs: number }
  /** Bytes. */
  memory: {
    rss: number
    weights: number
    context: number
    /** Reserved for results of calls under way. */
    results: number
    limit: number
    /** Calls that wait for memory. */
    waitingCalls: number
    /** What the machine, or the container, has left. */
    free: number
  }
  /** Tokens that the next batch may have. */
  batchTokens: number
  /** Null when the cache is off. */
  cache: CacheStats | null
  /** Tokens the model's context is sized for now; 0 while nothing is held. */
  contextTokens: number
}

/** A result of `embed(..., { onError: 'collect' })`. */
export type Settled<T> = T | EmbedderError
