/**
 * Fills the empty vectors of a table: rows whose vector is NULL are claimed in key order, embedded and written,
 * batch by batch. Any number of processes can work on one table; what a process that dies had claimed is taken
 * over by others, and what it had written is not done again.
 */

import { throwIfAborted } from '../../../common/abort.js'
import { InvalidInputError } from '../../../common/errors.js'
import {
  checkEmbedder,
  checkFunction,
  checkObject,
  checkRange,
  checkSignal,
  namesOf,
  refuseUnknown,
  shown,
} from '../../../common/given.js'
import type { Embedder } from '../../../embedder/embedder.js'
import { programLogger } from '../../../options/logger.js'
import { checkRetry } from '../../retry.js'
import type { ChunkOptions } from './chunk-table.js'
import { connect, type PostgresTarget } from './connection.js'
import { DEFAULT_SPARSE_LIMIT } from './hnsw.js'
import type { FollowOptions, LoadTableOptions, LoadTableResult } from './load-types.js'
import { TableLoader } from './loader.js'
import { SPARSEVEC_LIMITS } from './sql.js'

const NAMES = namesOf<LoadTableOptions>({
  table: 1,
  columns: 1,
  chunk: 1,
  batchRows: 1,
  index: 1,
  sparseLimit: 1,
  dimensions: 1,
  truncate: 1,
  maxTokens: 1,
  force: 1,
  stalledAfter: 1,
  follow: 1,
  retry: 1,
  signal: 1,
  logger: 1,
  onBatch: 1,
  onProgress: 1,
})

const FOLLOW_NAMES = namesOf<FollowOptions>({ pollMs: 1, trigger: 1 })

const CHUNK_NAMES = namesOf<ChunkOptions>({ table: 1, maxTokens: 1, overlap: 1, language: 1 })

const BATCH_ROWS = 64
/** Documents have many vectors. */
const BATCH_DOCUMENTS = 8
const STALLED_MS = 30_000
const POLL_MS = 5000

/**
 * Resolves when every row that we may take has a vector or failed; with `follow` when `signal` aborts.
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
  const chunk = checkChunk(options.chunk)
  const {
    batchRows = chunk ? BATCH_DOCUMENTS : BATCH_ROWS,
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
  checkFunction('onBatch', options.onBatch)
  if (options.logger !== undefined) checkObject(options.logger, '`logger`')
  const follow = checkFollow(options)
  throwIfAborted(options.signal)
  const connection = await connect(target)
  try {
    return await new TableLoader(embedder, connection, {
      ...options,
      chunk,
      batchRows,
      sparseLimit,
      stalledAfter,
      force,
      follow,
      logger: programLogger(options.logger),
    }).run()
  } finally {
    await connection.close()
  }
}

/** @throws InvalidInputError; sizes are checked where texts are cut, before any of them is */
function checkChunk(chunk: LoadTableOptions['chunk'] = false): ChunkOptions | undefined {
  if (chunk === false) return undefined
  const given = chunk === true ? {} : chunk
  refuseUnknown(given, CHUNK_NAMES, '`chunk`')
  return given
}

function checkFollow({
  follow = false,
  columns,
}: LoadTableOptions): Required<FollowOptions> | undefined {
  if (follow === false) return undefined
  const given = follow === true ? {} : follow
  refuseUnknown(given, FOLLOW_NAMES, '`follow`')
  const { pollMs = POLL_MS, trigger = false } = given
  checkRange('follow.pollMs', pollMs, 100, 86_400_000)
  checkSwitch('follow.trigger', trigger)
  if (columns.error !== undefined) return { pollMs, trigger }
  throw new InvalidInputError(
    '`follow` needs `columns.error`: rows that fail are marked there, or they would be tried again for ever.',
  )
}

function checkSwitch(name: string, value: unknown): void {
  if (typeof value === 'boolean') return
  throw new InvalidInputError(`\`${name}\` must be true or false, not ${shown(value)}.`)
}
