/** What `loadTable` takes and gives. */

import type { AbortSignalLike } from '../../../common/abort.js'
import type { Logger } from '../../../common/types.js'
import type { BatchReport } from '../../batch-report.js'
import type { ChunkOptions } from './chunk-table.js'
import type { HnswOptions } from './hnsw.js'
import type { TableName } from './sql.js'
import type { TableColumns } from './table.js'

/** Options of `loadTable`. */
export interface LoadTableOptions {
  table: TableName
  /** With `chunk`, `dense` and `sparse` are columns of the table of chunks. */
  columns: TableColumns
  /**
   * Cuts the texts, and fills a table of chunks: a row a chunk, replaced when its document's text changes, gone with
   * the document. Default: false.
   */
  chunk?: boolean | ChunkOptions | undefined
  /** Rows that are claimed, embedded and written at a time. Default: 64; 8 documents with `chunk`. */
  batchRows?: number
  /** Builds HNSW indexes on the filled columns when all rows are done; with `follow`, those that were there. */
  index?: boolean | HnswOptions
  /** The most weights of a sparse vector that are stored, the largest ones. Default: 1,000, which can be indexed. */
  sparseLimit?: number
  /** Dimensions of dense vectors; the column must have as many. Default: the model's. */
  dimensions?: number
  truncate?: 'error' | 'end'
  maxTokens?: number
  /** Fills also columns that another model has filled. Default: false. */
  force?: boolean
  /** Milliseconds without a sign of life after which others take over a batch. Default: 30,000. */
  stalledAfter?: number
  /**
   * Tries again after a deadlock or a lost connection. Default: as long as it takes once the table was read, from
   * 100 ms on, doubled up to 10 s.
   */
  retry?: { retries?: number; delayMs?: number }
  /**
   * Goes on with rows as they come, until `signal` aborts, and then the call resolves. Needs `columns.error`: what
   * runs for weeks cannot remember which rows failed. Default: false.
   */
  follow?: boolean | FollowOptions
  signal?: AbortSignalLike
  /** A line a batch at `info`: texts, tokens, milliseconds by phase, memory, failures by code. No line holds a text. */
  logger?: Logger | undefined
  /** Called after each batch with what it came to: for counts and rates of your own. */
  onBatch?: (batch: BatchReport) => void
  /** Called after each batch. */
  onProgress?: (progress: LoadProgress) => void
}

/** How `loadTable` looks for new rows. */
export interface FollowOptions {
  /**
   * Milliseconds between two looks, when no notice comes; where a look takes long, 20 times as long, up to a minute.
   * Default: 5,000.
   */
  pollMs?: number
  /**
   * Creates triggers on the table, if they are missing: one gives notice of new rows and texts, so that nobody has to
   * look, one empties the vectors of a row whose text changes. Default: false.
   */
  trigger?: boolean
}

/** How far `loadTable` is. */
export interface LoadProgress {
  /** Rows embedded and committed here. */
  done: number
  failed: number
  /** Rows without a vector when we began; others may be working on them too. */
  total: number
  /** Rows a second since the beginning. */
  rate: number
}

/** A row whose text could not be embedded, or that the database refused. */
export interface LoadFailure {
  id: string
  code: string
  /** PostgreSQL's code, where it refused the row: `23514` is a check constraint. */
  sqlState?: string
  message: string
}

/** What `loadTable` did. */
export interface LoadTableResult {
  /** Rows embedded and committed here. */
  rows: number
  tokens: number
  batches: number
  /** Rows whose text could not be embedded, or that the database refused. */
  failed: number
  /** The first 1,000 of them. */
  failures: LoadFailure[]
  /** Sparse vectors of which only the largest weights were stored. */
  sparseCut: number
  /** Statements that were tried again. */
  retries: number
  seconds: number
}
