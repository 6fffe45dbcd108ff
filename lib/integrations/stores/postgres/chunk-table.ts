/**
 * Where the chunks of documents go: a row a chunk, keyed by document and number, gone with its document. The first
 * one has a hash of the text and of how it was cut, which tells whether a document is done.
 */

import type { ChunkTextOptions } from '../../../chunking/types.js'
import { InvalidInputError } from '../../../common/errors.js'
import type { Connection } from './connection.js'
import { createOnce, withRights } from './own-tables.js'
import { quoteIdentifier, quoteTable, type TableName } from './sql.js'
import {
  type CheckedTable,
  checkVectors,
  columnTypes,
  type Expected,
  type TableColumns,
  tableId,
} from './table.js'

/** How documents are cut. */
export type Cutting = Omit<ChunkTextOptions, 'tokenizer' | 'signal'>

/** How documents are cut, and where their chunks go. */
export interface ChunkOptions extends Cutting {
  /** Created if it is missing. Default: the name of the documents' table with `_chunks`. */
  table?: TableName | undefined
}

/** A table of chunks. Its columns `document`, `part`, `starts`, `ends` and `hash` have these names. */
export interface ChunkTable extends CheckedTable {
  /** SQL: what the hash of a text is followed by. */
  suffix: string
}

/** Columns that are ours, and their types. */
const OWN = { part: 'integer', starts: 'integer', ends: 'integer', hash: 'text' }

/**
 * Creates the table if it is missing, and checks it.
 *
 * @throws InvalidInputError naming what does not fit, or with the statement to run where this user may not
 */
export async function chunkTable(
  connection: Connection,
  documents: CheckedTable,
  columns: Pick<TableColumns, 'dense' | 'sparse'>,
  { table, name, expected }: { table: TableName | undefined; name: TableName; expected: Expected },
  cutting: Cutting,
): Promise<ChunkTable> {
  const chunks = quoteTable(table ?? chunksOf(name))
  if ((await tableId(connection, chunks)) === undefined) {
    const statement = await definition(connection, documents, columns, chunks, expected)
    await withRights(`The table ${chunks} is missing`, statement, () =>
      connection.transaction((db) =>
        createOnce(
          db,
          chunks,
          async () => (await tableId(db, chunks)) !== undefined,
          () => db.query(statement),
        ),
      ),
    )
  }
  const oid = (await tableId(connection, chunks)) as string
  const typeOf = await columnTypes(connection, oid, chunks)
  const { type: idType } = typeOf('documents', 'document')
  for (const [column, type] of Object.entries(OWN)) {
    const { base } = typeOf('place of a chunk', column)
    if (base === type) continue
    throw new InvalidInputError(`Column "${column}" of table ${chunks} is ${base}, not ${type}.`)
  }
  const checked: CheckedTable = { name: chunks, oid, idType, columns: { id: '"document"' } }
  checkVectors(checked, columns, typeOf, expected)
  await checkKey(connection, checked)
  return { ...checked, suffix: suffixOf(cutting) }
}

/** `schema.docs` to `schema.docs_chunks`. */
function chunksOf(name: TableName): TableName {
  return typeof name === 'string' ? `${name}_chunks` : { ...name, table: `${name.table}_chunks` }
}

async function definition(
  connection: Connection,
  documents: CheckedTable,
  { dense, sparse }: Pick<TableColumns, 'dense' | 'sparse'>,
  chunks: string,
  { denseDimensions, sparseDimensions }: Expected,
): Promise<string> {
  const { rows } = await connection.query(`SELECT to_regtype('vector') IS NOT NULL AS there`)
  const denseType = rows[0]?.there ? `vector(${denseDimensions})` : 'float4[]'
  const own = Object.entries(OWN).map(([column, type]) => `${column} ${type}`)
  return `CREATE TABLE ${chunks} (${[
    `document ${documents.idType} NOT NULL REFERENCES ${documents.name} (${documents.columns.id}) ON UPDATE CASCADE ON DELETE CASCADE`,
    ...own,
    ...(dense === undefined ? [] : [`${quoteIdentifier(dense)} ${denseType}`]),
    ...(sparse === undefined ? [] : [`${quoteIdentifier(sparse)} sparsevec(${sparseDimensions})`]),
    'PRIMARY KEY (document, part)',
  ].join(', ')})`
}

/** Chunks are written by document and number. */
async function checkKey(connection: Connection, { name, oid }: CheckedTable): Promise<void> {
  const { rows } = await connection.query(
    `SELECT 1 FROM pg_index i WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid
       AND i.indpred IS NULL AND i.indnkeyatts = 2
       AND (SELECT array_agg(attname::text ORDER BY attname) FROM pg_attribute a
            WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey::int2[])) = '{document,part}'`,
    [oid],
  )
  if (rows.length > 0) return
  throw new InvalidInputError(
    `Table ${name} has no key of "document" and "part": make them its primary key.`,
  )
}

/** Cut in another way, a document is another one. */
function suffixOf({ maxTokens, overlap, language }: Cutting): string {
  const how = ['', maxTokens ?? '', overlap ?? '', language ?? ''].join('/')
  return `'${how.replaceAll("'", "''")}'`
}
