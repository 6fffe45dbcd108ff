/**
 * Fills the empty vectors of a table: rows whose vector is NULL are claimed in key order, embedded and written,
 * batch by batch. Any number of processes can work on one table; what a process that dies had claimed is taken
 * over by others, and what it had written is not done again.
 */

import { type AbortSignalLike, throwIfAborted } from '../../../common/abort.js'
import { InvalidInputError } from '../../../common/errors.js'
import {
  checkEmbedder,
  checkFunction,
  checkObject,
  checkSignal,
  namesOf,
  refuseUnknown,
  shown,
} from '../../../common/given.js'
import type { Embedder } from '../../../embedder/embedder.js'
import { checkRetry } from '../../retry.js'
import { connect, type PostgresTarget } from './connection.js'
import { DEFAULT_SPARSE_LIMIT, type HnswOptions } from './hnsw.js'
import { TableLoader } from './loader.js'
import { SPARSEVEC_LIMITS, type TableName } from './sql.js'
import type { TableColumns } from './table.js'

/** Options of `loadTable`. */
export interface LoadTableOptions {
  table: TableName
  columns: TableColumns
  /** Rows that are claimed, embedded and written at a time. Default: 64. */
  batchRows?: number
  /** Builds HNSW indexes on the filled columns when all rows are done. */
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
  signal?: AbortSignalLike
  /** Called after each batch. */
  onProgress?: (progress: LoadProgress) => void
}

const NAMES = namesOf<LoadTableOptions>({
  table: 1,
  columns: 1,
  batchRows: 1,
  index: 1,
  sparseLimit: 1,
  dimensions: 1,
  truncate: 1,
  maxTokens: 1,
  force: 1,
  stalledAfter: 1,
  retry: 1,
  signal: 1,
  onProgress: 1,
})

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

const BATCH_ROWS = 64
const STALLED_MS = 30_000

/**
 * Resolves when every row that we may take has a vector or failed.
 *
 * @param target a connection string, a `pg.Pool` or a PGlite database
 * @throws InvalidInputError before any work, for a table that does not fit; StoreError when the database cannot
 *   be reached, or fails
 */
export async function loadTable(
  embedder: Embedder,
  target: PostgresTarget,
  options: LoadTableOptions,
): Promise<LoadTableResult> {
  checkEmbedder(embedder, 'embed')
  refuseUnknown(options, NAMES, 'loadTable')
  const {
    batchRows = BATCH_ROWS,
    sparseLimit = DEFAULT_SPARSE_LIMIT,
    stalledAfter = STALLED_MS,
    force = false,
  } = options
  checkRetry(options.retry)
  checkObject(options.columns, '`columns`')
  checkRange('batchRows', batchRows, 1, 10_000)
  checkRange('sparseLimit', sparseLimit, 1, SPARSEVEC_LIMITS.stored)
  checkRange('stalledAfter', stalledAfter, 500, 86_400_000)
  checkSwitch('force', force)
  checkSignal(options.signal)
  checkFunction('onProgress', options.onProgress)
  throwIfAborted(options.signal)
  const connection = await connect(target)
  try {
    return await new TableLoader(embedder, connection, {
      ...options,
      batchRows,
      sparseLimit,
      stalledAfter,
      force,
    }).run()
  } finally {
    await connection.close()
  }
}

function checkRange(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new InvalidInputError(`\`${name}\` must be an integer from ${least} to ${most}.`)
}

function checkSwitch(name: string, value: unknown): void {
  if (typeof value === 'boolean') return
  throw new InvalidInputError(`\`${name}\` must be true or false, not ${shown(value)}.`)
}
