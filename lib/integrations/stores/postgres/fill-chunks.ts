/** The statement that writes documents' chunks, and drops those that a longer text had. */

import type { Queryable } from './connection.js'
import type { FillOptions, Ready } from './fill-types.js'
import { filledColumns } from './filled-columns.js'
import { hashSql, pendingSql } from './leases.js'

/** @returns ids of the documents that have their chunks now */
export async function updateChunks(
  db: Queryable,
  token: string,
  items: readonly Ready[],
  { oid, table, chunks, leases, models, columns: vectors, model }: FillOptions,
): Promise<Set<string>> {
  if (!chunks) return new Set()
  const parts = items.flatMap(({ row, parts }) =>
    parts.map((part, number) => ({ id: row.id, number, ...part })),
  )
  const filled = filledColumns(chunks, parts)
  const own = ['part', 'starts', 'ends', 'hash']
  const set = [...own, ...filled.map(({ column }) => column as string)]
  const key = `t.${table.columns.id}`
  // the document is held until its chunks are there: its text stays what was embedded
  const { rows } = await db.query(
    `WITH v AS (
       SELECT * FROM unnest($1::text[], $2::text[], $3::int[]) AS v(id, hash, parts)
     ), current AS (
       SELECT ${key} AS id, v.id AS name, v.hash, v.parts FROM v
       JOIN ${table.name} AS t ON ${key} = v.id::${table.idType}
       WHERE ${pendingSql(table, chunks)} AND ${hashSql(table)} = v.hash
         AND (SELECT count(*) = cardinality($6::text[]) FROM ${models}
              WHERE relation = $4::oid AND column_name = ANY($6::text[]) AND model = $7)
       FOR NO KEY UPDATE OF t
     ), released AS (
       DELETE FROM ${leases} AS l USING v
       WHERE l.relation = $4::oid AND l.id = v.id AND l.owner = $5::uuid
     ), surplus AS (
       DELETE FROM ${chunks.name} AS c USING current
       WHERE c.document = current.id AND c.part >= current.parts
     ), p AS (
       SELECT * FROM unnest($8::text[], $9::int[], $10::int[], $11::int[]${filled
         .map((_, i) => `, $${i + 12}::text[]`)
         .join('')}) AS p(id, part, starts, ends${filled.map((_, i) => `, v${i}`).join('')})
     ), written AS (
       INSERT INTO ${chunks.name} AS c (document, ${set.join(', ')})
       SELECT current.id, p.part, p.starts, p.ends,
         CASE WHEN p.part = 0 THEN current.hash || ${chunks.suffix} END
         ${filled.map(({ type }, i) => `, p.v${i}::${type}`).join('')}
       FROM p JOIN current ON current.name = p.id
       ON CONFLICT (document, part) DO UPDATE SET ${set
         .slice(1)
         .map((column) => `${column} = EXCLUDED.${column}`)
         .join(', ')}
       RETURNING c.document, c.part
     )
     SELECT current.name FROM current JOIN written ON written.document = current.id
     GROUP BY current.name, current.parts HAVING count(*) = current.parts`,
    [
      items.map(({ row }) => row.id),
      items.map(({ row }) => row.hash),
      items.map(({ parts }) => parts.length),
      oid,
      token,
      vectors,
      model,
      parts.map(({ id }) => id),
      parts.map(({ number }) => number),
      parts.map(({ start }) => start),
      parts.map(({ end }) => end),
      ...filled.map(({ values }) => values),
    ],
  )
  return new Set(rows.map(({ name }) => String(name)))
}
