/** What one text gives, by what was asked for. */

/** Which of bge-m3's three outputs to compute; dense alone when nothing is said. */
export interface Outputs {
  /** One vector a text. Default: true where no output is named, else false. */
  dense?: boolean
  /** A weight a token that matters; needs the sparse head. Default: false. */
  sparse?: boolean
  /** A vector a token; needs the ColBERT head. Default: false. */
  colbert?: boolean
}

/** `dense`, `sparse` or `colbert`. */
export type OutputName = keyof Outputs

/** The same in three ways: by name, all that there are, or one by one. */
export type OutputsOption = Outputs | readonly OutputName[] | 'all'

/** Number formats that dense vectors and ColBERT rows can be handed out in. */
export type Precision = 'float32' | 'float16' | 'int8' | 'binary'

/** What `calibrate` gives: per dimension of a dense vector. */
export interface Calibration {
  readonly means: readonly number[]
  readonly lows: readonly number[]
  readonly highs: readonly number[]
}

/** What holds a vector of each precision. */
export interface PrecisionArrays {
  float32: Float32Array
  /** The bits of IEEE halves. */
  float16: Uint16Array
  int8: Int8Array
  /** Sign bits, eight to a byte. */
  binary: Uint8Array
}

/** Lexical weights: token ids, ascending, and the weight of each. */
export interface SparseEmbedding {
  /** Ids of the model's vocabulary, ascending, each once. */
  indices: Uint32Array
  /** Above zero; one for each index. */
  values: Float32Array
}

/** One row per token but the first, each of length 1 before conversion. */
export interface ColbertEmbedding<P extends Precision = 'float32'> {
  /** rows x cols, row after row; for `binary` rows x cols / 8 bytes. */
  data: PrecisionArrays[P]
  /** Tokens but `<s>`: `tokenCount - 1`. */
  rows: number
  /** Dimensions of a row. */
  cols: number
}

/** A row for every token of a text. */
export interface TokenMatrix {
  /** rows x cols, row after row. */
  data: Float32Array
  /** `tokenCount`, `<s>` and `</s>` included. */
  rows: number
  /** Dimensions of a row. */
  cols: number
}

/** What `tokenStates` gives for one text. */
export interface TokenStates extends EmbeddingFacts {
  /** The last hidden state of every token, as the encoder leaves it: no head, no normalization. */
  states: TokenMatrix
}

/** The outputs themselves. */
export interface OutputValues<P extends Precision = 'float32'> {
  /** One vector for the whole text, of length 1 unless `normalize: false`. */
  dense: PrecisionArrays[P]
  /** A weight for each token that matters. */
  sparse: SparseEmbedding
  /** A vector for each token. */
  colbert: ColbertEmbedding<P>
}

/** What is known of a text beside its outputs. */
export interface EmbeddingFacts {
  /** Tokens that went through the model, `<s>` and `</s>` included. */
  tokenCount: number
  /** Whether the text's end was cut off (`truncate: 'end'`). */
  truncated: boolean
  /** Whether it came from the cache. */
  cached: boolean
  /**
   * Set when the fallback gave it, because the model could not: the fingerprint of the model that did,
   * or `function`. Vectors of different models do not compare.
   */
  fallback?: string
  /** Where this text's time went. */
  timings: Timings
}

/** Where one text's time went, in milliseconds. */
export interface Timings {
  /** Text to token ids. */
  tokenizeMs: number
  /** From being submitted to the batch's start. */
  queueMs: number
  /** The time of the batch that computed it; 0 for a text from the cache. */
  computeMs: number
  /** From the call to the result. */
  totalMs: number
}

/** The outputs as plain arrays, as stores and JSON take them. */
export interface OutputArrays {
  /** The components: of float16 as numbers, of binary the bytes. */
  dense: number[]
  sparse: { indices: number[]; values: number[] }
  /** A row for each token. */
  colbert: number[][]
}

/** What an embedding can turn into. Not there in a copy: `{ ...embedding }`, `structuredClone`. */
export interface EmbeddingForms<W extends OutputsOption | undefined = OutputsOption> {
  /** The outputs that are there, as plain arrays. */
  toArrays(): { [K in SureOutput<W>]: OutputArrays[K] } & {
    [K in Exclude<PossibleOutput<W>, SureOutput<W>>]?: OutputArrays[K]
  }
  /** For `JSON.stringify`: what is known of the text, and the outputs as plain arrays. */
  toJSON(): EmbeddingFacts & Partial<OutputArrays>
}

/**
 * What is known of a text, and its outputs, without methods: what came back from a file or a database fits.
 * `W` as in {@link Embedding}.
 */
export type EmbeddingData<
  P extends Precision = 'float32',
  W extends OutputsOption | undefined = OutputsOption,
> = EmbeddingFacts & {
  [K in SureOutput<W>]: OutputValues<P>[K]
} & {
  [K in Exclude<PossibleOutput<W>, SureOutput<W>>]?: OutputValues<P>[K]
}

/**
 * What one text gave. `W` is what was asked for: those outputs are there, others are not; where only running
 * can tell (the default: any), they may be.
 */
export type Embedding<
  P extends Precision = 'float32',
  W extends OutputsOption | undefined = OutputsOption,
> = EmbeddingData<P, W> & EmbeddingForms<W>

/** The outputs that `W` asks for, whatever happens. */
type SureOutput<W> = [W] extends [undefined]
  ? 'dense'
  : [W] extends ['all']
    ? OutputName
    : [W] extends [readonly OutputName[]]
      ? number extends W['length']
        ? never
        : W[number]
      : [W] extends [Outputs]
        ? { [K in OutputName]: W extends { [N in K]: true } ? K : never }[OutputName]
        : never

/** The outputs that `W` does not rule out. */
type PossibleOutput<W> = [W] extends [undefined]
  ? 'dense'
  : [W] extends ['all']
    ? OutputName
    : [W] extends [readonly OutputName[]]
      ? W[number]
      : [W] extends [Outputs]
        ? {
            [K in OutputName]: K extends keyof W ? (true extends W[K] ? K : never) : never
          }[OutputName]
        : OutputName
