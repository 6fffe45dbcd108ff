/**
 * Tables of ours, beside the user's and in its schema: who works on which rows, and which model filled which
 * column. They name a table by `regclass`, which follows it through renaming, dump and restore.
 */

import { InvalidInputError } from '../../../common/errors.js'
import type { Connection, Queryable } from './connection.js'
import { quoteIdentifier } from './sql.js'

/** Of the advisory locks under which something is created: any number that nobody else uses. */
const CREATING = 7_246_931_508

/** Quoted, for SQL. */
export interface OwnTables {
  leases: string
  models: string
}

const DEFINITIONS: Readonly<Record<keyof OwnTables, { kind: string; columns: string }>> = {
  // a crash of the server empties it, which is as if all leases had run out
  leases: {
    kind: 'UNLOGGED TABLE',
    columns:
      'relation regclass, id text, owner uuid NOT NULL, expires timestamptz NOT NULL, PRIMARY KEY (relation, id)',
  },
  models: {
    kind: 'TABLE',
    columns:
      'relation regclass, column_name text, model text NOT NULL, PRIMARY KEY (relation, column_name)',
  },
}

/** Runs `create` where `exists` says no, in one process at a time: CREATE ... IF NOT EXISTS fails where two race. */
export async function createOnce(
  db: Queryable,
  name: string,
  exists: () => Promise<boolean>,
  create: () => Promise<unknown>,
): Promise<void> {
  if (await exists()) return
  await db.query('SELECT pg_advisory_xact_lock(hashtextextended($1, $2::bigint))', [name, CREATING])
  // to wait for an advisory lock is not to hear what others created meanwhile: opening a table is
  await db.query('SELECT 1 FROM pg_catalog.pg_class LIMIT 0')
  if (!(await exists())) await create()
}

/**
 * Creates those of our tables that are missing.
 *
 * @param oid of the user's table, whose schema they go to
 * @throws InvalidInputError with the statement to run, where this user may not
 */
export async function ownTables(connection: Connection, oid: string): Promise<OwnTables> {
  const schema = await schemaOf(connection, oid)
  const tables = { leases: '', models: '' }
  for (const name of ['leases', 'models'] as const) {
    const table = `${schema}.bge_m3_${name}`
    const { kind, columns } = DEFINITIONS[name]
    const statement = `CREATE ${kind} ${table} (${columns})`
    const exists = async (db: Queryable) =>
      (await db.query('SELECT to_regclass($1) IS NOT NULL AS there', [table])).rows[0]?.there ===
      true
    // also where this user may do no more than use it
    if (!(await exists(connection))) {
      const grant = `GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO this user`
      await withRights(`The table ${table} is missing`, `${statement}; ${grant}`, () =>
        connection.transaction((db) =>
          createOnce(
            db,
            table,
            () => exists(db),
            () => db.query(statement),
          ),
        ),
      )
    }
    tables[name] = table
  }
  return tables
}

/** The schema of a table, quoted. */
export async function schemaOf(db: Queryable, oid: string): Promise<string> {
  const { rows } = await db.query(
    'SELECT nspname AS schema FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE pg_class.oid = $1::oid',
    [oid],
  )
  return quoteIdentifier(String(rows[0]?.schema))
}

/** @throws InvalidInputError with the statements to run, where this user may not */
export async function withRights(
  missing: string,
  statements: string,
  run: () => Promise<unknown>,
): Promise<void> {
  try {
    await run()
  } catch (error) {
    const isDenied = (error as { code?: unknown } | undefined)?.code === '42501'
    if (!isDenied) throw error
    throw new InvalidInputError(
      `${missing}, and this user may not create it. Its owner runs: ${statements}.`,
    )
  }
}
