/**
 * The contract with `native/addon`: what the C++ side exports, and nothing more. Change both together.
 */

export interface NativeMachine {
  /** The kernels in use, or `ggml` when ours are off. */
  isa: string
  /** What quantized blocks are scaled with: `block`, `fixed`. */
  quantization: string
  cpuFeatures: string[]
  /** Real cores this process may use (affinity and cgroup quota respected). */
  defaultThreads: number
  /** Bytes that may still be allocated; null where the platform tells nothing. */
  availableMemory: number | null
  /** Bytes resident now. */
  residentMemory: number
}

export interface NativeModelInfo {
  architecture: string
  name: string
  layers: number
  /** Width of a token state. */
  dim: number
  /** Numbers in a dense vector. */
  denseDim: number
  heads: number
  ffn: number
  contextLength: number
  vocabSize: number
  /** sentence-transformers' names, several joined by `+`; `rank`: a re-ranker, whose result is one score. */
  pooling: string
  standin: boolean
  weightBytes: number
  /** Whether texts packed into one micro-batch keep their bits. */
  packsExactly: boolean
  warnings: string[]
}

export interface NativeTokens {
  /** The ids of all texts, one text after the other. */
  ids: Uint32Array
  /** Where they stand in their text, if asked for: first UTF-16 unit and the one behind the last, of each id. */
  spans: Uint32Array
  /** How many of `ids` belong to each text; 0 for a text that is too long and was not cut. */
  counts: Uint32Array
  /** Tokens each text has, kept or not; after a cut a lower bound. */
  totals: Float64Array
  /** 1 where a text lost its end. */
  truncated: Uint32Array
}

/** What becomes of a text over the limit. Values as in native/addon/native_model.cpp. */
export const TokenizeMode = {
  /** Its exact total, no ids. */
  refuse: 0,
  /** It loses its end. */
  cut: 1,
  /** Totals alone, for every text. */
  count: 2,
} as const

export interface NativeBatchResult {
  /** texts x denseDim, not normalised; of a re-ranker one score per text. */
  pooled: Float32Array
  /** Ids ascend within a text; `counts` says how many belong to each. */
  sparse?: { counts: Uint32Array; indices: Uint32Array; values: Float32Array }
  /** (tokens - 1) x dim rows of each text, one text after the other. */
  colbert?: Float32Array
  /** tokens x dim: the last hidden state of every token. */
  states?: Float32Array
  queueMs: number
  computeMs: number
}

/** Bits of `run`'s `outputs`; as in native/engine/output_heads.h. */
export const Output = { dense: 1, sparse: 2, colbert: 4, states: 8 } as const

/** Heads ready for use; immutable. */
export type NativeHeads = object

export interface NativeHeadValues {
  sparseWeight?: Float32Array
  sparseBias?: number
  /** dim x dim, row-major [out, in]. */
  colbertWeight?: Float32Array
  colbertBias?: Float32Array
}

export interface NativeSession {
  /**
   * `id` is the caller's own number for `cancel`. Ids of all texts one after the other. `outputs` is a
   * sum of `Output` bits; dense is always computed. `firsts`: where texts are pairs, the tokens of each
   * one's first part, separators included.
   */
  run(
    id: number,
    tokens: Int32Array,
    lengths: Uint32Array,
    outputs: number,
    heads: NativeHeads | null,
    firsts?: Uint32Array | null,
  ): Promise<NativeBatchResult>
  cancel(id: number): void
  /** Takes back a batch that has not begun (its promise rejects as cancelled); false for any other. */
  withdraw(id: number): boolean
  /** Bytes that the context for a batch of so many tokens takes. */
  contextBytes(tokens: number): number
  stats(): { threads: number; contextTokens: number; contextBytes: number }
  release(): Promise<void>
}

/** A tokenizer; its handle is released apart from its model's. */
export interface NativeTokenizer {
  info(): {
    /** What texts are cut by: XLM-RoBERTa's SentencePiece model or BERT's. */
    vocabulary: 'unigram' | 'wordpiece'
    vocabSize: number
    contextLength: number
  }
  /** `maxTokens` 0 = no limit, else at least 2; `mode` is a `TokenizeMode`. */
  tokenize(texts: string[], maxTokens: number, mode: number, spans?: boolean): Promise<NativeTokens>
  /** The vocabulary's own spelling of each id, and 1 where it is no text of its own: `<s>` and the like. */
  pieces(ids: Uint32Array): { pieces: string[]; special: Uint32Array }
  release(): Promise<void>
}

export interface NativeModel {
  info(): NativeModelInfo
  tokenizer(): NativeTokenizer
  /** `threads` 0 = one per real core. The session is shared with whoever asked for the same. */
  session(threads: number): NativeSession
  release(): Promise<void>
}

export interface NativeAddon {
  NativeHeads: new (dim: number, values: NativeHeadValues) => NativeHeads
  /** The first call in the process chooses the kernels: those of `isa` where the machine has it, else the best. */
  machine(isa?: string): NativeMachine
  loadModel(path: string): Promise<NativeModel>
  /** The tokenizer of a model file, without its weights. */
  loadTokenizer(path: string): Promise<NativeTokenizer>
  setLogger(log: ((level: NativeLogLevel, line: string) => void) | null): void
  /** Row-major a (m x k) times the transpose of row-major b (n x k); see lib/scoring/simd.ts. */
  matmulTransposed(
    a: Float32Array,
    b: Float32Array,
    out: Float32Array,
    m: number,
    n: number,
    k: number,
  ): void
  /** Stops every engine thread in the process, because the process is about to leave. */
  shutdown(): void
}

export type NativeLogLevel = 'debug' | 'info' | 'warn' | 'error'
