/** What chunks and documents give. */

import type {
  BatchInfo,
  ChunkFailure,
  EmbeddedChunk,
  OutputsOption,
  Precision,
  RunStats,
} from '../../common/types.js'
import type { QualityReport } from '../../quality/types.js'

/** The result of a list of chunks, or of one document. */
export interface EmbeddingResult<
  P extends Precision = 'float32',
  W extends OutputsOption | undefined = OutputsOption,
> {
  /** In input order, without those that failed. */
  items: EmbeddedChunk<P, W>[]
  /** In input order. */
  failures: ChunkFailure[]
  /** Times, tokens, rates. */
  stats: RunStats
  /**
   * What `qualityReport` says of the dense vectors; absent where there are none. Made when it is first
   * read: for thousands of chunks that takes a moment.
   */
  readonly quality?: QualityReport | undefined
  /** The micro-batches that ran, in order. What came from the cache was in none. */
  batches: BatchInfo[]
}
