/** What the user's table looks like, checked before any work. */

import { InvalidInputError } from '../../../common/errors.js'
import type { Queryable } from './connection.js'
import { quoteIdentifier, quoteTable, type TableName } from './sql.js'

/** Names of the columns, unquoted. */
export interface TableColumns {
  /** Unique; rows are taken in its order. */
  id: string
  text: string
  /** `vector`, `halfvec` or `float4[]`. */
  dense?: string | undefined
  /** `sparsevec`. */
  sparse?: string | undefined
  /** Text; gets the code of the error of a row that could not be embedded. */
  error?: string | undefined
}

/** Columns of a table that rows are written to. */
export interface StoreColumns extends Omit<TableColumns, 'text' | 'error'> {
  text?: string | undefined
  /** `json` or `jsonb`; gets the chunk's metadata. */
  metadata?: string | undefined
  /** Text; gets the fingerprint of the model that made the vectors. */
  model?: string | undefined
}

/** Types that a column of dense vectors may have. */
export type DenseKind = 'vector' | 'halfvec' | 'float4[]'

type Role = keyof TableColumns | keyof StoreColumns

export interface CheckedTable {
  /** Quoted, for SQL. */
  name: string
  /** Object id. */
  oid: string
  /** Quoted, those that were named. */
  columns: { id: string } & { [role in Role]?: string }
  /** The id column's type, for casts. */
  idType: string
  denseKind?: DenseKind
}

interface Expected {
  denseDimensions: number
  sparseDimensions: number
}

/** A table's object id, or undefined where there is none. @param name quoted */
export async function tableId(db: Queryable, name: string): Promise<string | undefined> {
  const { rows } = await db.query('SELECT to_regclass($1)::oid::text AS oid', [name])
  const oid = rows[0]?.oid
  return typeof oid === 'string' ? oid : undefined
}

/** @throws InvalidInputError naming what does not fit */
export async function checkTable(
  db: Queryable,
  table: TableName,
  columns: TableColumns | StoreColumns,
  { denseDimensions, sparseDimensions }: Expected,
): Promise<CheckedTable> {
  const name = quoteTable(table)
  const oid = await tableId(db, name)
  if (oid === undefined) throw new InvalidInputError(`There is no table ${name}.`)
  const { rows } = await db.query(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type, atttypid::regtype::text AS base
     FROM pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped`,
    [oid],
  )
  const types = new Map(
    rows.map((row) => [String(row.name), row as { type: string; base: string }]),
  )
  const typeOf = (role: string, column: string) => {
    const type = types.get(column)
    if (!type) {
      throw new InvalidInputError(
        `Table ${name} has no column ${quoteIdentifier(column)} for the ${role}.`,
      )
    }
    return type
  }
  if (columns.dense === undefined && columns.sparse === undefined) {
    throw new InvalidInputError('Name a dense or a sparse column to fill.')
  }
  checkNames(columns)
  const idType = typeOf('id', columns.id).type
  const checked: CheckedTable = { name, oid, idType, columns: { id: quoteIdentifier(columns.id) } }
  if (columns.text !== undefined) {
    const { base } = typeOf('text', columns.text)
    if (!/^(text|character varying|character|citext)$/.test(base)) {
      throw new InvalidInputError(
        `Column ${quoteIdentifier(columns.text)} is ${base}, and texts must be text.`,
      )
    }
    checked.columns.text = quoteIdentifier(columns.text)
  }
  if ('error' in columns && columns.error !== undefined) {
    typeOf('error', columns.error)
    checked.columns.error = quoteIdentifier(columns.error)
  }
  if ('metadata' in columns && columns.metadata !== undefined) {
    const { base } = typeOf('metadata', columns.metadata)
    if (!/^jsonb?$/.test(base)) {
      throw new InvalidInputError(
        `Column ${quoteIdentifier(columns.metadata)} is ${base}, and metadata must be json or jsonb.`,
      )
    }
    checked.columns.metadata = quoteIdentifier(columns.metadata)
  }
  if ('model' in columns && columns.model !== undefined) {
    typeOf('model', columns.model)
    checked.columns.model = quoteIdentifier(columns.model)
  }
  await checkUnique(db, oid, name, columns.id)
  if (columns.dense !== undefined) {
    const { type, base } = typeOf('dense vector', columns.dense)
    checked.denseKind = denseKind(columns.dense, base)
    checkDimensions(columns.dense, type, denseDimensions)
    checked.columns.dense = quoteIdentifier(columns.dense)
  }
  if (columns.sparse !== undefined) {
    const { type, base } = typeOf('sparse vector', columns.sparse)
    if (bare(base) !== 'sparsevec') {
      throw new InvalidInputError(
        `Column ${quoteIdentifier(columns.sparse)} is ${type}, and sparse vectors need sparsevec.`,
      )
    }
    checkDimensions(columns.sparse, type, sparseDimensions)
    checked.columns.sparse = quoteIdentifier(columns.sparse)
  }
  return checked
}

/** @throws InvalidInputError when two roles share a column */
export function checkNames(columns: TableColumns | StoreColumns): void {
  const used = Object.values(columns).filter((column) => column !== undefined)
  if (new Set(used).size === used.length) return
  throw new InvalidInputError('Two columns have the same name: each needs one of its own.')
}

/** An extension's types carry its schema where that is not on the search path. */
function bare(type: string): string {
  return type.replace(/^.*\./, '').replaceAll('"', '')
}

function denseKind(column: string, base: string): DenseKind {
  if (bare(base) === 'vector') return 'vector'
  if (bare(base) === 'halfvec') return 'halfvec'
  if (base === 'real[]') return 'float4[]'
  throw new InvalidInputError(
    `Column ${quoteIdentifier(column)} is ${base}, and dense vectors need vector, halfvec or float4[].`,
  )
}

/** `vector(1024)` holds 1,024 dimensions, `vector` any. */
function checkDimensions(column: string, type: string, dimensions: number): void {
  const declared = /\((\d+)\)$/.exec(type)?.[1]
  if (declared === undefined || Number(declared) === dimensions) return
  throw new InvalidInputError(
    `Column ${quoteIdentifier(column)} is ${type}, and this model gives ${dimensions} dimensions.`,
  )
}

/** Vectors are written by id: one that several rows have would give all of them the last one's. */
async function checkUnique(db: Queryable, oid: string, name: string, id: string): Promise<void> {
  const { rows } = await db.query(
    `SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
     WHERE i.indrelid = $1::oid AND i.indisunique AND i.indnkeyatts = 1 AND i.indpred IS NULL
       AND i.indisvalid AND a.attname = $2`,
    [oid, id],
  )
  if (rows.length > 0) return
  throw new InvalidInputError(
    `Column ${quoteIdentifier(id)} of table ${name} is not unique: make it the primary key, or give it a unique index.`,
  )
}
