/**
 * Triggers on the user's table, for those who ask: one says that there may be rows to embed, the other empties the
 * vectors of a row whose text changes, so that it is embedded again.
 */

import { createHash } from 'node:crypto'
import type { Connection, Queryable } from './connection.js'
import { createOnce, schemaOf, withRights } from './own-tables.js'
import { quoteIdentifier } from './sql.js'
import type { CheckedTable, TableColumns } from './table.js'

/** Of the notices for a table. A name alone, so that the server wakes nobody else. */
export const channelOf = (oid: string): string => `bge_m3_${oid}`

const NOTIFY = `BEGIN PERFORM pg_catalog.pg_notify('bge_m3_' || TG_RELID, ''); RETURN NULL; END`

/** A column that the same statement sets is left as it sets it. */
const STALE = `DECLARE name text; BEGIN
  FOREACH name IN ARRAY TG_ARGV LOOP
    IF to_jsonb(NEW) -> name IS NOT DISTINCT FROM to_jsonb(OLD) -> name THEN
      NEW := jsonb_populate_record(NEW, jsonb_build_object(name, NULL));
    END IF;
  END LOOP;
  RETURN NEW; END`

/**
 * Creates those that are missing.
 *
 * @param names of the table's columns, unquoted
 * @throws InvalidInputError with the statement to run, where this user may not
 */
export async function createTriggers(
  connection: Connection,
  { oid, name: table, columns: { text: quoted } }: CheckedTable,
  { text, dense, sparse, error }: TableColumns,
): Promise<void> {
  const schema = await schemaOf(connection, oid)
  const emptied = [dense, sparse, error].filter((column) => column !== undefined)
  const triggers = [
    {
      function: `${schema}.bge_m3_notify`,
      body: NOTIFY,
      trigger: `bge_m3_notify_${hash([text])}`,
      when: `AFTER INSERT OR UPDATE OF ${quoted} ON ${table} FOR EACH STATEMENT`,
      parameters: '',
    },
    {
      function: `${schema}.bge_m3_stale`,
      body: STALE,
      trigger: `bge_m3_stale_${hash([text, ...emptied])}`,
      when:
        `BEFORE UPDATE OF ${quoted} ON ${table} FOR EACH ROW ` +
        `WHEN (OLD.${quoted}::text COLLATE "C" IS DISTINCT FROM NEW.${quoted}::text COLLATE "C")`,
      parameters: emptied.map((column) => `'${column.replaceAll("'", "''")}'`).join(', '),
    },
  ]
  for (const { function: name, body, trigger, when, parameters } of triggers) {
    await create(connection, {
      what: `function ${name}`,
      exists: async (db) => {
        const { rows } = await db.query('SELECT to_regprocedure($1) IS NOT NULL AS there', [
          `${name}()`,
        ])
        return rows[0]?.there === true
      },
      statement: `CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$${body}$$`,
    })
    await create(connection, {
      what: `trigger ${trigger}`,
      exists: async (db) => {
        const sql = 'SELECT 1 FROM pg_trigger WHERE tgrelid = $1::oid AND tgname = $2'
        return (await db.query(sql, [oid, trigger])).rows.length > 0
      },
      statement: `CREATE TRIGGER ${quoteIdentifier(trigger)} ${when} EXECUTE FUNCTION ${name}(${parameters})`,
    })
  }
}

interface Missing {
  what: string
  exists(db: Queryable): Promise<boolean>
  statement: string
}

async function create(connection: Connection, { what, exists, statement }: Missing): Promise<void> {
  if (await exists(connection)) return
  await withRights(`The ${what} is missing`, statement, () =>
    connection.transaction((db) =>
      createOnce(
        db,
        what,
        () => exists(db),
        () => db.query(statement),
      ),
    ),
  )
}

/** Names are cut at 63 bytes, and columns may be called as they like. */
function hash(columns: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(columns)).digest('hex').slice(0, 8)
}
