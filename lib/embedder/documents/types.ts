/** What chunks and documents give. */

import type { ChunkTextOptions } from '../../chunking/types.js'
import type {
  BatchInfo,
  ChunkFailure,
  EmbeddedChunk,
  EmbedOptions,
  OutputsOption,
  Precision,
  RunStats,
} from '../../common/types.js'
import type { QualityReport } from '../../quality/types.js'

/** Options of `embedChunks` and `embedDocuments`. */
export interface ChunkOptions extends EmbedOptions {
  /** Whether results carry their texts. Default: true. */
  keepText?: boolean | undefined
  /** A vector whose soundness (`qualityScore`, 0 to 1) is below it is a failure. Default: 0. */
  minQuality?: number | undefined
}

/** Options of `embedDocuments`. */
export interface DocumentOptions extends ChunkOptions {
  /** How documents that are texts are cut. Default: 500 tokens, or what the model takes, with an overlap of 50. */
  chunk?: Omit<ChunkTextOptions, 'tokenizer' | 'signal'> | undefined
}

/** The result of a list of chunks, or of one document. `C` and `T` as in {@link EmbeddedChunk}. */
export interface EmbeddingResult<
  P extends Precision = 'float32',
  W extends OutputsOption | undefined = OutputsOption,
  C = string,
  T extends boolean = boolean,
> {
  /** In input order, without those that failed. */
  items: EmbeddedChunk<P, W, C, T>[]
  /** In input order. */
  failures: ChunkFailure[]
  /** Times, tokens, rates. */
  stats: RunStats
  /**
   * What `qualityReport` says of the dense vectors; absent where there are none. Made when it is first
   * read: for thousands of chunks that takes a moment.
   */
  readonly quality: QualityReport | undefined
  /** The micro-batches that ran, in order. What came from the cache was in none. */
  batches: BatchInfo[]
}
