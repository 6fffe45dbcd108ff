/**
 * A table as a store: a row per chunk, written by id. What is written twice is there once, and a row that
 * is there already, the same in every column, is not touched.
 */

import { InvalidInputError } from '../../../common/errors.js'
import {
  checkObject,
  checkRange,
  checkText,
  namesOf,
  refuseUnknown,
} from '../../../common/given.js'
import { isTyped } from '../../../common/realms.js'
import type { EmbedderInfo } from '../../../common/types.js'
import { checkRetry, withRetries } from '../../retry.js'
import { type EmbeddingStore, fallbackError, type StoredChunk } from '../../store.js'
import { type Connection, connect, type PostgresTarget, type Queryable } from './connection.js'
import { DEFAULT_SPARSE_LIMIT } from './hnsw.js'
import { recordModel } from './model-record.js'
import { createOnce } from './own-tables.js'
import {
  arrayLiteral,
  quoteIdentifier,
  quoteTable,
  SPARSEVEC_LIMITS,
  sparsevecLiteral,
  type TableName,
  vectorLiteral,
} from './sql.js'
import { isBadValue, storeError } from './store-error.js'
import {
  type CheckedTable,
  checkNames,
  checkTable,
  type DenseKind,
  type StoreColumns,
  tableId,
} from './table.js'

/** What table, and what goes into which of its columns. */
export interface PostgresStoreOptions {
  table: TableName
  columns: StoreColumns
  /** The model whose vectors are written: `m3.info`. */
  model: Pick<EmbedderInfo, 'dimensions' | 'vocabSize' | 'outputs' | 'fingerprint'>
  /** Writes also to columns that another model has filled. Default: false. */
  force?: boolean
  /** Dimensions of dense vectors, where they are cut. Default: the model's. */
  dimensions?: number
  /** Creates a table that is missing. Default: true. */
  create?: boolean
  /** Type of the dense column of a table that is created. Default: `vector`. */
  denseType?: DenseKind
  /** The most weights of a sparse vector that are stored, the largest ones. Default: 1,000, which can be indexed. */
  sparseLimit?: number
  /** Tries again after a deadlock or a lost connection. Default: 8, from 100 ms on, doubled each time. */
  retry?: { retries?: number; delayMs?: number }
}

const NAMES = namesOf<PostgresStoreOptions>({
  table: 1,
  columns: 1,
  model: 1,
  force: 1,
  dimensions: 1,
  create: 1,
  denseType: 1,
  sparseLimit: 1,
  retry: 1,
})

const RETRIES = 8
const FIRST_RETRIES = 2
const RETRY_MS = 100

/** A table of PostgreSQL or PGlite with pgvector, as a store of embedded chunks. */
export class PostgresStore implements EmbeddingStore {
  readonly #connection: Connection
  readonly #options: PostgresStoreOptions
  readonly #dimensions: number
  readonly #sparseLimit: number
  #table: CheckedTable | undefined
  #closed: Promise<void> | undefined

  private constructor(connection: Connection, options: PostgresStoreOptions) {
    this.#connection = connection
    this.#options = options
    this.#dimensions = options.dimensions ?? options.model.dimensions
    this.#sparseLimit = options.sparseLimit ?? DEFAULT_SPARSE_LIMIT
  }

  /**
   * Connects to nothing yet: `prepare` does.
   *
   * @param target a connection string, a `pg.Pool` or a PGlite database
   * @throws InvalidInputError for options that are wrong, and when `pg` is missing
   */
  static async open(target: PostgresTarget, options: PostgresStoreOptions): Promise<PostgresStore> {
    refuseUnknown(options, NAMES, 'PostgresStore.open')
    const { columns, model, sparseLimit } = options
    checkRetry(options.retry)
    checkObject(columns, '`columns`')
    checkObject(model, '`model`')
    checkObject(model.outputs, '`model.outputs`')
    checkText(model.fingerprint, '`model.fingerprint`')
    if (columns.dense === undefined && columns.sparse === undefined) {
      throw new InvalidInputError('Name a dense or a sparse column to fill.')
    }
    checkNames(columns)
    quoteTable(options.table)
    for (const column of Object.values(columns)) if (column !== undefined) quoteIdentifier(column)
    if (columns.sparse !== undefined && !model.outputs.sparse) {
      throw new InvalidInputError('This model has no sparse head: leave out the sparse column.')
    }
    checkRange('sparseLimit', sparseLimit, 1, SPARSEVEC_LIMITS.stored)
    return new PostgresStore(await connect(target), options)
  }

  /**
   * Creates the table if it is missing, and checks it: columns, types, dimensions, a unique id, what must
   * not be NULL, permissions, the model that filled it.
   *
   * @throws InvalidInputError naming what does not fit, StoreError when the database cannot be reached
   */
  async prepare(): Promise<void> {
    // a mistake in the address should not take half a minute to tell
    this.#table = await this.#transaction(FIRST_RETRIES, (db) => this.#prepare(db))
    const { columns, model, force = false } = this.#options
    const { oid, name: table } = this.#table
    const vectors = [columns.dense, columns.sparse].filter((column) => column !== undefined)
    const claim = { oid, table, columns: vectors, model: model.fingerprint, force }
    await this.#retrying(RETRIES, () => recordModel(this.#connection, claim))
  }

  async #prepare(db: Queryable): Promise<CheckedTable> {
    const { table, columns, model, create = true } = this.#options
    const name = quoteTable(table)
    if (create) {
      const exists = async () => (await tableId(db, name)) !== undefined
      // several workers begin at a time
      await createOnce(db, name, exists, () => this.#create(db, name))
    }
    const checked = await checkTable(db, table, columns, {
      denseDimensions: this.#dimensions,
      sparseDimensions: model.vocabSize,
    })
    await checkWritable(db, checked, columns)
    return checked
  }

  async #create(db: Queryable, name: string): Promise<void> {
    const { columns, model, denseType = 'vector' } = this.#options
    const { id, text, dense, sparse, metadata, model: modelColumn } = columns
    const definitions = [`${quoteIdentifier(id)} text PRIMARY KEY`]
    const add = (column: string | undefined, type: string) => {
      if (column !== undefined) definitions.push(`${quoteIdentifier(column)} ${type}`)
    }
    add(text, 'text')
    add(metadata, 'jsonb')
    add(modelColumn, 'text')
    if (dense !== undefined) await needType(db, denseType)
    add(dense, denseType === 'float4[]' ? denseType : `${denseType}(${this.#dimensions})`)
    if (sparse !== undefined) await needType(db, 'sparsevec')
    add(sparse, `sparsevec(${model.vocabSize})`)
    await db.query(`CREATE TABLE ${name} (${definitions.join(', ')})`)
  }

  /** @throws StoreError; then nothing of this call is stored */
  async write(chunks: readonly StoredChunk[]): Promise<void> {
    const table = this.#checked
    // of equal ids the last one, as it would be with one call after the other
    const byId = new Map(chunks.map((stored) => [stored.chunk.id, stored]))
    const last = [...byId.values()]
    if (last.length === 0) return
    for (const { chunk } of last) {
      const foreign = fallbackError(chunk.embedding)
      if (foreign) throw foreign
    }
    const filled = [
      { column: table.columns.text, type: 'text', values: last.map(({ text }) => text ?? null) },
      {
        column: table.columns.metadata,
        type: 'jsonb',
        values: last.map(({ chunk }) => jsonOf(chunk.metadata)),
      },
      { column: table.columns.model, type: 'text', values: last.map(({ chunk }) => chunk.model) },
      {
        column: table.columns.dense,
        type: table.denseKind as string,
        values: last.map((stored) => this.#dense(stored)),
      },
      {
        column: table.columns.sparse,
        type: 'sparsevec',
        values: last.map((stored) => this.#sparse(stored)),
      },
    ].filter(({ column }) => column !== undefined)
    const { id } = table.columns
    const names = filled.map(({ column }) => column as string)
    const sql = `INSERT INTO ${table.name} AS t (${[id, ...names].join(', ')})
      SELECT v.id::${table.idType}${filled.map(({ type }, i) => `, v.v${i}::${type}`).join('')}
      FROM unnest($1::text[]${filled.map((_, i) => `, $${i + 2}::text[]`).join('')})
        AS v(id${filled.map((_, i) => `, v${i}`).join('')})
      ORDER BY v.id
      ON CONFLICT (${id}) DO UPDATE SET ${names.map((name) => `${name} = EXCLUDED.${name}`).join(', ')}
      WHERE (${names.map((name) => `t.${name}::text`).join(', ')})
        IS DISTINCT FROM (${names.map((name) => `EXCLUDED.${name}::text`).join(', ')})`
    const parameters = [[...byId.keys()], ...filled.map(({ values }) => values)]
    await this.#transaction(RETRIES, (db) => db.query(sql, parameters))
  }

  /** Ids that have all the vectors that are asked for. */
  async stored(ids: readonly string[]): Promise<Set<string>> {
    const { name, idType, columns } = this.#checked
    const vectors = [columns.dense, columns.sparse].filter((column) => column !== undefined)
    const sql = `SELECT v.id FROM unnest($1::text[]) AS v(id)
      JOIN ${name} AS t ON t.${columns.id} = v.id::${idType}
      WHERE ${vectors.map((column) => `t.${column} IS NOT NULL`).join(' AND ')}`
    const find = async (some: readonly string[]): Promise<string[]> => {
      try {
        const { rows } = await this.#connection.query(sql, [some])
        return rows.map((row) => String(row.id))
      } catch (error) {
        // what is no value of the id column's type is no row either
        if (!isBadValue(error)) throw error
        if (some.length === 1) return []
        const half = some.length >> 1
        return [...(await find(some.slice(0, half))), ...(await find(some.slice(half)))]
      }
    }
    return new Set(ids.length === 0 ? [] : await this.#retrying(RETRIES, () => find(ids)))
  }

  async remove(ids: readonly string[]): Promise<void> {
    const { name, idType, columns } = this.#checked
    const sql = `DELETE FROM ${name} AS t USING unnest($1::text[]) AS v(id) WHERE t.${columns.id} = v.id::${idType}`
    if (ids.length > 0) await this.#retrying(RETRIES, () => this.#connection.query(sql, [[...ids]]))
  }

  close(): Promise<void> {
    this.#closed ??= this.#connection.close()
    return this.#closed
  }

  get #checked(): CheckedTable {
    if (this.#table) return this.#table
    throw new InvalidInputError('The store is not prepared yet: call prepare() first.')
  }

  #dense({ chunk }: StoredChunk): string | null {
    const { denseKind } = this.#checked
    if (denseKind === undefined) return null
    const { dense } = chunk.embedding
    if (!isTyped(dense, 'Float32Array') || dense.length !== this.#dimensions) {
      throw new InvalidInputError(
        `The store takes dense vectors of ${this.#dimensions} float32 components, and this is none.`,
      )
    }
    return (denseKind === 'float4[]' ? arrayLiteral : vectorLiteral)(dense)
  }

  #sparse({ chunk }: StoredChunk): string | null {
    if (this.#checked.columns.sparse === undefined) return null
    const { sparse } = chunk.embedding
    if (!sparse) throw new InvalidInputError('The store takes sparse vectors, and this is none.')
    return sparsevecLiteral(sparse, this.#options.model.vocabSize, this.#sparseLimit).literal
  }

  #transaction<T>(most: number, run: (db: Queryable) => Promise<T>): Promise<T> {
    return this.#retrying(most, () => this.#connection.transaction(run))
  }

  async #retrying<T>(most: number, run: () => Promise<T>): Promise<T> {
    const { retries = RETRIES, delayMs = RETRY_MS } = this.#options.retry ?? {}
    try {
      return await withRetries({ retries: Math.min(retries, most), delayMs }, run)
    } catch (error) {
      throw storeError(error)
    }
  }
}

function jsonOf(metadata: Record<string, unknown> | undefined): string | null {
  return metadata === undefined ? null : JSON.stringify(metadata)
}

async function needType(db: Queryable, type: string): Promise<void> {
  if (type === 'float4[]') return
  const { rows } = await db.query('SELECT to_regtype($1) IS NOT NULL AS there', [type])
  if (rows[0]?.there) return
  const instead = type === 'sparsevec' ? '' : ' Or keep dense vectors as float4[].'
  throw new InvalidInputError(
    `This database has no type ${type}: install pgvector, and CREATE EXTENSION vector.${instead}`,
  )
}

/** @throws InvalidInputError when rows could not be written for another reason than their columns' types */
async function checkWritable(
  db: Queryable,
  { name }: CheckedTable,
  columns: StoreColumns,
): Promise<void> {
  const { rows } = await db.query(
    `SELECT attname AS column FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
       AND attnotnull AND NOT atthasdef AND attidentity = '' AND attname <> ALL($2::text[])`,
    [name, Object.values(columns).filter((column) => column !== undefined)],
  )
  const needed = rows[0]?.column
  if (needed !== undefined) {
    throw new InvalidInputError(
      `Column ${quoteIdentifier(String(needed))} of table ${name} must not be NULL, has no default, and nothing is written to it.`,
    )
  }
  const { rows: may } = await db.query(
    `SELECT bool_and(has_table_privilege($1::regclass, needed.privilege)) AS all
     FROM unnest('{SELECT,INSERT,UPDATE}'::text[]) AS needed(privilege)`,
    [name],
  )
  if (!may[0]?.all) {
    throw new InvalidInputError(`This user may not SELECT, INSERT and UPDATE in table ${name}.`)
  }
}
