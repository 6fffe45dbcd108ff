/** Which model filled a column: vectors of two models in one column compare with nothing. */

import { InvalidInputError } from '../../../common/errors.js'
import type { Connection, Queryable } from './connection.js'
import { type OwnTables, ownTables } from './own-tables.js'
import { quoteIdentifier } from './sql.js'

export interface ModelClaim {
  /** Object id of the table. */
  oid: string
  /** Quoted, for SQL. */
  table: string
  /** Columns of vectors, unquoted. */
  columns: readonly string[]
  /** Fingerprint. */
  model: string
  /** Takes a column that another model has filled. */
  force: boolean
}

/**
 * Records the model of columns. A column without a vector that nobody works on is anybody's.
 *
 * @returns our tables, quoted: every statement asks whether the record still stands
 * @throws InvalidInputError for a column that another model has filled
 */
export async function recordModel(connection: Connection, claim: ModelClaim): Promise<OwnTables> {
  const own = await ownTables(connection, claim.oid)
  const { leases, models } = own
  const { oid, model, force, columns } = claim
  await connection.transaction(async (db) => {
    // in one order, or two that begin at once wait for each other
    for (const column of [...columns].sort()) {
      const key = [oid, column]
      await db.query(
        `INSERT INTO ${models} VALUES ($1::oid::regclass, $2, $3) ON CONFLICT DO NOTHING`,
        [...key, model],
      )
      // whoever takes rows holds the record meanwhile: after this nobody begins
      const { rows } = await db.query(
        `SELECT model FROM ${models} WHERE relation = $1::oid AND column_name = $2 FOR UPDATE`,
        key,
      )
      const held = String(rows[0]?.model)
      if (held === model) continue
      if (!force && (await isUsed(db, claim, column, leases))) throw otherModel(column, held, claim)
      await db.query(
        `UPDATE ${models} SET model = $3 WHERE relation = $1::oid AND column_name = $2`,
        [...key, model],
      )
    }
  })
  return own
}

async function isUsed(
  db: Queryable,
  { oid, table }: ModelClaim,
  column: string,
  leases: string,
): Promise<boolean> {
  const { rows } = await db.query(
    `SELECT EXISTS (SELECT 1 FROM ${table} WHERE ${quoteIdentifier(column)} IS NOT NULL)
       OR EXISTS (SELECT 1 FROM ${leases} WHERE relation = $1::oid AND expires > clock_timestamp()) AS used`,
    [oid],
  )
  return rows[0]?.used === true
}

function otherModel(column: string, held: string, { table, model }: ModelClaim): InvalidInputError {
  return new InvalidInputError(
    `Column ${quoteIdentifier(column)} of table ${table} was filled by another model (its fingerprint is ` +
      `${held.slice(0, 64)}, not ${model}), whose vectors do not compare with this one's: empty it, fill another, ` +
      'or insist with `force`.',
  )
}
