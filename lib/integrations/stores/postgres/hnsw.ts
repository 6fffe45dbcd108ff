/** pgvector's HNSW indexes. */

import { InvalidInputError } from '../../../common/errors.js'
import { checkRange } from '../../../common/given.js'
import type { Connection, Queryable } from './connection.js'
import { createOnce } from './own-tables.js'
import { quoteIdentifier, SPARSEVEC_LIMITS } from './sql.js'
import type { CheckedTable } from './table.js'

/** How an HNSW index is built. */
export interface HnswOptions {
  /** Links of a node. Default: pgvector's own, 16. */
  m?: number
  /** Candidates while building. Default: pgvector's own, 64. */
  efConstruction?: number
  /**
   * Operator class of the dense index. Default: cosine, such as `vector_cosine_ops`; vectors have length 1, so `ip` finds the
   * same and is a little faster. A sparse index is always `ip`: that is how lexical weights compare.
   */
  distance?: 'cosine' | 'ip' | 'l2'
}

/** What an index of each type takes at most. */
const MOST_DIMENSIONS = { vector: 2000, halfvec: 4000 }

/** @throws InvalidInputError for what no index can be built on */
export function checkHnsw(
  table: CheckedTable,
  { m, efConstruction }: HnswOptions,
  dimensions: number,
): void {
  checkRange('m', m, 2, 100)
  checkRange('efConstruction', efConstruction, 4, 1000)
  if (efConstruction !== undefined && efConstruction < 2 * (m ?? 16)) {
    throw new InvalidInputError('`efConstruction` must be at least twice `m`.')
  }
  const { denseKind } = table
  if (denseKind === undefined) return
  if (denseKind === 'float4[]') {
    throw new InvalidInputError('An HNSW index needs a vector or halfvec column, not float4[].')
  }
  const most = MOST_DIMENSIONS[denseKind]
  if (dimensions <= most) return
  throw new InvalidInputError(
    `An HNSW index on ${denseKind} takes ${most} dimensions at most, and this model gives ${dimensions}.`,
  )
}

/**
 * Creates what is missing: built once the rows are there, which is much faster than before. An index on the column
 * with the same operators is not missing, whatever its name and settings.
 */
export async function createHnsw(
  connection: Connection,
  table: CheckedTable,
  names: { dense?: string | undefined; sparse?: string | undefined },
  { m, efConstruction, distance = 'cosine' }: HnswOptions,
): Promise<void> {
  const settings = [
    ...(m === undefined ? [] : [`m = ${m}`]),
    ...(efConstruction === undefined ? [] : [`ef_construction = ${efConstruction}`]),
  ]
  const how = settings.length > 0 ? ` WITH (${settings.join(', ')})` : ''
  const plainTable = bareName(table)
  const create = (column: string, quoted: string, operators: string) =>
    connection.transaction((db) =>
      createOnce(
        db,
        `${table.name} ${operators}`,
        () => serves(db, table, column, operators),
        async () => {
          const plain = indexName(plainTable, column)
          const isFree = await isFreeName(db, table, plain)
          const name = isFree ? plain : indexName(plainTable, `${column}_${operators}`)
          await db.query(
            `CREATE INDEX ${quoteIdentifier(name)} ON ${table.name} USING hnsw (${quoted} ${operators})${how}`,
          )
        },
      ),
    )
  const { dense, sparse } = table.columns
  if (dense !== undefined && names.dense !== undefined) {
    await create(names.dense, dense, `${table.denseKind}_${distance}_ops`)
  }
  if (sparse !== undefined && names.sparse !== undefined) {
    await create(names.sparse, sparse, 'sparsevec_ip_ops')
  }
}

/** Without its schema, and as it was before it was quoted. */
function bareName({ name }: CheckedTable): string {
  const [last = name] = name.match(/"(?:[^"]|"")*"$/) ?? []
  return last.slice(1, -1).replaceAll('""', '"')
}

/** Whether an index answers queries on the column with these operators. */
async function serves(
  db: Queryable,
  { oid }: CheckedTable,
  column: string,
  operators: string,
): Promise<boolean> {
  const { rows } = await db.query(
    `SELECT 1 FROM pg_index i
     JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam
     JOIN pg_opclass o ON o.oid = i.indclass[0]
     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
     WHERE i.indrelid = $1::oid AND am.amname = 'hnsw' AND i.indnkeyatts = 1 AND i.indpred IS NULL
       AND i.indisvalid AND a.attname = $2 AND o.opcname = $3`,
    [oid, column, operators],
  )
  return rows.length > 0
}

/** An index is a relation of its table's schema. */
async function isFreeName(db: Queryable, { oid }: CheckedTable, name: string): Promise<boolean> {
  const { rows } = await db.query(
    `SELECT 1 FROM pg_class WHERE relname = $2
       AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = $1::oid)`,
    [oid, name],
  )
  return rows.length === 0
}

/** Names are cut at 63 bytes, where two could become one. */
function indexName(table: string, column: string): string {
  const name = `${table}_${column}_hnsw`
  if (Buffer.byteLength(name) <= 63) return name
  const letters = [...name]
  while (Buffer.byteLength(letters.join('')) > 54) letters.pop()
  let hash = 5381
  for (const byte of Buffer.from(name)) hash = (Math.imul(hash, 33) ^ byte) >>> 0
  return `${letters.join('')}_${hash.toString(16)}`
}

/** Weights kept of a sparse vector, so that what is stored can be indexed too. */
export const DEFAULT_SPARSE_LIMIT = SPARSEVEC_LIMITS.indexed
