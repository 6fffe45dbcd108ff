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

/** What vectors have. */
export interface Expected {
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
  expected: Expected,
): Promise<CheckedTable> {
  checkNames(columns)
  const { dense, sparse, ...others } = columns
  const { checked, typeOf } = await checkOthers(db, table, others)
  checkVectors(checked, { dense, sparse }, typeOf, expected)
  return checked
}

/** Of a table whose vectors are elsewhere. @throws InvalidInputError naming what does not fit */
export async function checkDocuments(
  db: Queryable,
  table: TableName,
  { id, text, error }: TableColumns,
): Promise<CheckedTable> {
  const columns = { id, text, error }
  checkNames(columns)
  return (await checkOthers(db, table, columns)).checked
}

/** A column's type by its name. @throws InvalidInputError where there is none */
export type TypeOf = (role: string, column: string) => { type: string; base: string }

export async function columnTypes(db: Queryable, oid: string, name: string): Promise<TypeOf> {
  const { rows } = await db.query(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type, atttypid::regtype::text AS base
     FROM pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped`,
    [oid],
  )
  const types = new Map(
    rows.map((row) => [String(row.name), row as { type: string; base: string }]),
  )
  return (role, column) => {
    const type = types.get(column)
    if (type) return type
    throw new InvalidInputError(
      `Table ${name} has no column ${quoteIdentifier(column)} for the ${role}.`,
    )
  }
}

/** Adds the columns of vectors. @throws InvalidInputError for what they do not hold */
export function checkVectors(
  checked: CheckedTable,
  { dense, sparse }: Pick<TableColumns, 'dense' | 'sparse'>,
  typeOf: TypeOf,
  { denseDimensions, sparseDimensions }: Expected,
): void {
  if (dense === undefined && sparse === undefined) {
    throw new InvalidInputError('Name a dense or a sparse column to fill.')
  }
  if (dense !== undefined) {
    const { type, base } = typeOf('dense vector', dense)
    checked.denseKind = denseKind(dense, base)
    checkDimensions(dense, type, denseDimensions)
    checked.columns.dense = quoteIdentifier(dense)
  }
  if (sparse !== undefined) {
    const { type, base } = typeOf('sparse vector', sparse)
    if (bare(base) !== 'sparsevec') {
      throw new InvalidInputError(
        `Column ${quoteIdentifier(sparse)} is ${type}, and sparse vectors need sparsevec.`,
      )
    }
    checkDimensions(sparse, type, sparseDimensions)
    checked.columns.sparse = quoteIdentifier(sparse)
  }
}

async function checkOthers(
  db: Queryable,
  table: TableName,
  columns: Omit<TableColumns, 'text'> & StoreColumns,
): Promise<{ checked: CheckedTable; typeOf: TypeOf }> {
  const name = quoteTable(table)
  const oid = await tableId(db, name)
  if (oid === undefined) throw new InvalidInputError(`There is no table ${name}.`)
  const typeOf = await columnTypes(db, oid, name)
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
  if (columns.error !== undefined) {
    typeOf('error', columns.error)
    checked.columns.error = quoteIdentifier(columns.error)
  }
  if (columns.metadata !== undefined) {
    const { base } = typeOf('metadata', columns.metadata)
    if (!/^jsonb?$/.test(base)) {
      throw new InvalidInputError(
        `Column ${quoteIdentifier(columns.metadata)} is ${base}, and metadata must be json or jsonb.`,
      )
    }
    checked.columns.metadata = quoteIdentifier(columns.metadata)
  }
  if (columns.model !== undefined) {
    typeOf('model', columns.model)
    checked.columns.model = quoteIdentifier(columns.model)
  }
  await checkUnique(db, oid, name, columns.id)
  return { checked, typeOf }
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
