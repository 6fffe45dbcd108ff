/**
 * Fills the empty vectors of a table: rows whose vector is NULL are taken in key order, embedded, written
 * and committed, batch by batch. A batch's rows stay locked while it is under way and others skip them, so
 * any number of processes can work on one table; a process that dies gives its rows back, and what it had
 * committed is not done again.
 */

import { type AbortSignalLike, throwIfAborted } from '../../../common/abort.js'
import { EmbedderError, InvalidInputError } from '../../../common/errors.js'
import {
  checkEmbedder,
  checkFunction,
  checkObject,
  checkSignal,
  namesOf,
  refuseUnknown,
} from '../../../common/given.js'
import { performance } from '../../../common/timers.js'
import type { Embedding, EmbedOptions, Settled } from '../../../common/types.js'
import type { Embedder } from '../../../embedder/embedder.js'
import { checkRetry, withRetries } from '../../retry.js'
import { COMPARABLE, fallbackError } from '../../store.js'
import { type Connection, connect, type PostgresTarget, type Queryable } from './connection.js'
import { checkHnsw, createHnsw, DEFAULT_SPARSE_LIMIT, type HnswOptions } from './hnsw.js'
import {
  arrayLiteral,
  SPARSEVEC_LIMITS,
  sparsevecLiteral,
  type TableName,
  vectorLiteral,
} from './sql.js'
import { storeError } from './store-error.js'
import { type CheckedTable, checkTable, type TableColumns } from './table.js'

/** Options of `loadTable`. */
export interface LoadTableOptions {
  table: TableName
  columns: TableColumns
  /** Rows of a batch, which is a transaction. Default: 64. */
  batchRows?: number
  /** Builds HNSW indexes on the filled columns when all rows are done. */
  index?: boolean | HnswOptions
  /** The most weights of a sparse vector that are stored, the largest ones. Default: 1,000, which can be indexed. */
  sparseLimit?: number
  /** Dimensions of dense vectors; the column must have as many. Default: the model's. */
  dimensions?: number
  truncate?: 'error' | 'end'
  maxTokens?: number
  /** Tries again after a deadlock or a lost connection. Default: 8, from 100 ms on, doubled each time. */
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

/** A row whose text could not be embedded. */
export interface LoadFailure {
  id: string
  code: string
  message: string
}

/** What `loadTable` did. */
export interface LoadTableResult {
  /** Rows embedded and committed here. */
  rows: number
  tokens: number
  batches: number
  /** Rows whose text could not be embedded. */
  failed: number
  /** The first 1,000 of them. */
  failures: LoadFailure[]
  /** Sparse vectors of which only the largest weights were stored. */
  sparseCut: number
  /** Transactions that were tried again. */
  retries: number
  seconds: number
}

const BATCH_ROWS = 64
const MOST_FAILURES = 1000
const RETRIES = 8
const FIRST_RETRIES = 2
const RETRIES_AT_MOST = Number.POSITIVE_INFINITY
const RETRY_MS = 100

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
  const { batchRows = BATCH_ROWS, sparseLimit = DEFAULT_SPARSE_LIMIT } = options
  checkRetry(options.retry)
  checkObject(options.columns, '`columns`')
  checkRange('batchRows', batchRows, 10_000)
  checkRange('sparseLimit', sparseLimit, SPARSEVEC_LIMITS.stored)
  checkSignal(options.signal)
  checkFunction('onProgress', options.onProgress)
  throwIfAborted(options.signal)
  const connection = await connect(target)
  try {
    return await new TableLoader(embedder, connection, {
      ...options,
      batchRows,
      sparseLimit,
    }).run()
  } finally {
    await connection.close()
  }
}

function checkRange(name: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return
  throw new InvalidInputError(`\`${name}\` must be an integer from 1 to ${most}.`)
}

interface Written {
  rows: number
  tokens: number
  cuts: number
  failures: readonly LoadFailure[]
}

const NOTHING: Written = { rows: 0, tokens: 0, cuts: 0, failures: [] }

interface Batch {
  /** Key of its last row. */
  last: string
  written: Written
}

interface Taken {
  id: string
  text: string
}

class TableLoader {
  readonly #embedder: Embedder
  readonly #connection: Connection
  readonly #options: LoadTableOptions & { batchRows: number; sparseLimit: number }
  readonly #result: LoadTableResult = {
    rows: 0,
    tokens: 0,
    batches: 0,
    failed: 0,
    failures: [],
    sparseCut: 0,
    retries: 0,
    seconds: 0,
  }
  /** Not to be tried again here. */
  readonly #failed = new Set<string>()
  #table!: CheckedTable
  #sparseDimensions = 0
  #total = 0
  #started = 0

  constructor(
    embedder: Embedder,
    connection: Connection,
    options: LoadTableOptions & { batchRows: number; sparseLimit: number },
  ) {
    this.#embedder = embedder
    this.#connection = connection
    this.#options = options
  }

  async run(): Promise<LoadTableResult> {
    this.#started = performance.now()
    const { table, columns, index, dimensions } = this.#options
    const { info } = this.#embedder
    this.#sparseDimensions = info.vocabSize
    const denseDimensions = dimensions ?? info.dimensions
    if (columns.sparse !== undefined && !info.outputs.sparse) {
      throw new InvalidInputError('This model has no sparse head: leave out the sparse column.')
    }
    // a mistake in the address should not take half a minute to tell
    this.#table = await this.#retrying(FIRST_RETRIES, () =>
      checkTable(this.#connection, table, columns, {
        denseDimensions,
        sparseDimensions: this.#sparseDimensions,
      }),
    )
    const hnsw = index === true ? {} : index || undefined
    if (hnsw) checkHnsw(this.#table, hnsw, denseDimensions)
    this.#total = await this.#retrying(RETRIES_AT_MOST, () => this.#count())
    // lanes: while one batch is embedded, another is read or written
    const lanes = Array.from({ length: this.#connection.lanes }, () => this.#lane())
    const ends = await Promise.allSettled(lanes)
    for (const end of ends) if (end.status === 'rejected') throw end.reason
    if (hnsw) {
      const name = typeof table === 'string' ? table.replace(/^[^.]*\./, '') : table.table
      await this.#retrying(RETRIES_AT_MOST, () =>
        createHnsw(this.#connection, this.#table, { ...columns, table: name }, hnsw),
      )
    }
    this.#result.seconds = (performance.now() - this.#started) / 1000
    return this.#result
  }

  get #pendingSql(): string {
    const { text, dense, sparse, error } = this.#table.columns
    const empty = [dense, sparse].filter((column) => column !== undefined)
    const conditions = [
      `(${empty.map((column) => `${column} IS NULL`).join(' OR ')})`,
      `${text} IS NOT NULL`,
    ]
    if (error !== undefined) conditions.push(`${error} IS NULL`)
    return conditions.join(' AND ')
  }

  async #count(): Promise<number> {
    const { rows } = await this.#connection.query(
      `SELECT count(*)::text AS n FROM ${this.#table.name} WHERE ${this.#pendingSql}`,
    )
    return Number(rows[0]?.n)
  }

  /** Goes through the table in key order, and again until it finds nothing to do. */
  async #lane(): Promise<void> {
    let after: string | undefined
    let foundInPass = false
    for (;;) {
      throwIfAborted(this.#options.signal)
      const batch = await this.#retrying(RETRIES_AT_MOST, () =>
        this.#connection.transaction((transaction) => this.#batch(transaction, after)),
      )
      if (batch === undefined) {
        if (!foundInPass) return
        after = undefined
        foundInPass = false
        continue
      }
      this.#account(batch.written)
      after = batch.last
      // rows whose texts fail are found again, and are no progress
      foundInPass ||= batch.written.rows > 0
    }
  }

  /** One transaction: locks rows, embeds and writes them. */
  async #batch(db: Queryable, after: string | undefined): Promise<Batch | undefined> {
    const { name, idType, columns } = this.#table
    const { batchRows, signal } = this.#options
    // qualified: ORDER BY would take the text named `id` before a column of that name
    const key = `t.${columns.id}`
    const { rows } = await db.query(
      `SELECT ${key}::text AS id, t.${columns.text}::text AS text FROM ${name} AS t
       WHERE ${this.#pendingSql}${after === undefined ? '' : ` AND ${key} > $2::text::${idType}`}
       ORDER BY ${key} LIMIT $1 FOR UPDATE SKIP LOCKED`,
      after === undefined ? [batchRows] : [batchRows, after],
    )
    const taken = rows as unknown as Taken[]
    const last = taken.at(-1)?.id
    if (last === undefined) return undefined
    const fresh = taken.filter(({ id }) => !this.#failed.has(id))
    if (fresh.length === 0) return { last, written: NOTHING }
    const results = await this.#embedder.embed(
      fresh.map(({ text }) => text),
      this.#embedOptions(),
    )
    throwIfAborted(signal)
    return { last, written: await this.#write(db, fresh, results) }
  }

  #embedOptions(): EmbedOptions & typeof COMPARABLE & { onError: 'collect' } {
    const { columns, truncate = 'error', maxTokens, dimensions, signal } = this.#options
    return {
      ...COMPARABLE,
      outputs: { dense: columns.dense !== undefined, sparse: columns.sparse !== undefined },
      priority: 'bulk',
      onError: 'collect',
      truncate,
      ...(maxTokens === undefined ? {} : { maxTokens }),
      ...(dimensions === undefined ? {} : { dimensions }),
      ...(signal === undefined ? {} : { signal }),
    }
  }

  async #write(
    db: Queryable,
    taken: readonly Taken[],
    results: readonly Settled<Embedding>[],
  ): Promise<Written> {
    const { name, idType, columns, denseKind } = this.#table
    const ids: string[] = []
    const dense: string[] = []
    const sparse: string[] = []
    const failures: LoadFailure[] = []
    let tokens = 0
    let cuts = 0
    taken.forEach(({ id }, i) => {
      const settled = results[i] as Settled<Embedding>
      const error = settled instanceof EmbedderError ? settled : fallbackError(settled)
      if (error) {
        failures.push({ id, code: error.code, message: error.message })
        return
      }
      const result = settled as Embedding
      ids.push(id)
      tokens += result.tokenCount
      if (result.dense) {
        dense.push((denseKind === 'float4[]' ? arrayLiteral : vectorLiteral)(result.dense))
      }
      if (result.sparse) {
        const limit = this.#options.sparseLimit
        const { literal, cut } = sparsevecLiteral(result.sparse, this.#sparseDimensions, limit)
        sparse.push(literal)
        if (cut) cuts++
      }
    })
    if (ids.length > 0) {
      const filled = [
        { column: columns.dense, type: denseKind as string, values: dense },
        { column: columns.sparse, type: 'sparsevec', values: sparse },
      ].filter(({ column }) => column !== undefined)
      const set = filled.map(({ column, type }, i) => `${column} = v.v${i}::${type}`)
      const arrays = filled.map((_, i) => `, $${i + 2}::text[]`)
      const names = filled.map((_, i) => `, v${i}`)
      await db.query(
        `UPDATE ${name} AS t SET ${set.join(', ')}
         FROM unnest($1::text[]${arrays.join('')}) AS v(id${names.join('')})
         WHERE t.${columns.id} = v.id::${idType}`,
        [ids, ...filled.map(({ values }) => values)],
      )
    }
    if (columns.error !== undefined && failures.length > 0) {
      await db.query(
        `UPDATE ${name} AS t SET ${columns.error} = v.code
         FROM unnest($1::text[], $2::text[]) AS v(id, code) WHERE t.${columns.id} = v.id::${idType}`,
        [failures.map(({ id }) => id), failures.map(({ code }) => code)],
      )
    }
    return { rows: ids.length, tokens, cuts, failures }
  }

  /** What was committed: only then does it count. */
  #account({ rows, tokens, cuts, failures }: Written): void {
    const result = this.#result
    if (rows > 0) result.batches++
    result.rows += rows
    result.tokens += tokens
    result.sparseCut += cuts
    result.failed += failures.length
    result.failures.push(...failures.slice(0, MOST_FAILURES - result.failures.length))
    for (const { id } of failures) this.#failed.add(id)
    const seconds = (performance.now() - this.#started) / 1000
    this.#options.onProgress?.({
      done: result.rows,
      failed: result.failed,
      total: this.#total,
      rate: result.rows / seconds,
    })
  }

  async #retrying<T>(most: number, run: () => Promise<T>): Promise<T> {
    const { retry: { retries = RETRIES, delayMs = RETRY_MS } = {}, signal } = this.#options
    let tries = 0
    try {
      return await withRetries({ retries: Math.min(retries, most), delayMs, signal }, () => {
        if (tries++ > 0) this.#result.retries++
        return run()
      })
    } catch (error) {
      throwIfAborted(signal)
      throw storeError(error)
    }
  }
}
