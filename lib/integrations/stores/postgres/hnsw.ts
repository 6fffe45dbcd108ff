/** pgvector's HNSW indexes. */

import { InvalidInputError } from '../../../common/errors.js'
import type { Queryable } from './connection.js'
import { quoteIdentifier, SPARSEVEC_LIMITS } from './sql.js'
import type { CheckedTable } from './table.js'

/** How an HNSW index is built. */
export interface HnswOptions {
  /** Links of a node. Default: pgvector's own, 16. */
  m?: number
  /** Candidates while building. Default: pgvector's own, 64. */
  efConstruction?: number
  /**
   * Of the dense index. Default: cosine, such as `vector_cosine_ops`; vectors have length 1, so `ip` finds the
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
  checkInteger('m', m, 2, 100)
  checkInteger('efConstruction', efConstruction, 4, 1000)
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

function checkInteger(name: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return
  throw new InvalidInputError(`\`${name}\` must be an integer from ${least} to ${most}.`)
}

/** Creates what is missing: built once the rows are there, which is much faster than before. */
export async function createHnsw(
  db: Queryable,
  table: CheckedTable,
  names: { table: string; dense?: string | undefined; sparse?: string | undefined },
  { m, efConstruction, distance = 'cosine' }: HnswOptions,
): Promise<void> {
  const settings = [
    ...(m === undefined ? [] : [`m = ${m}`]),
    ...(efConstruction === undefined ? [] : [`ef_construction = ${efConstruction}`]),
  ]
  const how = settings.length > 0 ? ` WITH (${settings.join(', ')})` : ''
  const create = (column: string, quoted: string, operators: string) =>
    db.query(
      `CREATE INDEX IF NOT EXISTS ${quoteIdentifier(indexName(names.table, column))}
       ON ${table.name} USING hnsw (${quoted} ${operators})${how}`,
    )
  const { dense, sparse } = table.columns
  if (dense !== undefined && names.dense !== undefined) {
    await create(names.dense, dense, `${table.denseKind}_${distance}_ops`)
  }
  if (sparse !== undefined && names.sparse !== undefined) {
    await create(names.sparse, sparse, 'sparsevec_ip_ops')
  }
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
