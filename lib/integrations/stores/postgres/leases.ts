/**
 * Who works on which rows. Rows are claimed in one short statement and written in another; between the two, while
 * their texts are embedded, nothing is open in the database. A lease runs out when its owner gives no sign of
 * life, and then others may have the row; whoever is first to write it is the last.
 */

import { randomUUID } from 'node:crypto'
import type { ChunkTable } from './chunk-table.js'
import type { Queryable } from './connection.js'
import type { CheckedTable } from './table.js'

/** A row to embed. */
export interface LeasedRow {
  id: string
  text: string
  /** Of the text, by the server: tells whether it is still the same when the vector comes. */
  hash: string
}

export interface Claim {
  /** The model's record names our model no longer: then there are no rows. */
  isOurs: boolean
  /** Key of the last row that was looked at, where there was any. */
  last: string | undefined
  /** Without those that others were quicker to claim. */
  rows: LeasedRow[]
}

export interface LeaseOptions {
  /** Of the table that has the vectors. */
  oid: string
  /** That has the texts. */
  table: CheckedTable
  /** That has the vectors, where documents are cut. */
  chunks: ChunkTable | undefined
  /** Our tables, quoted. */
  leases: string
  models: string
  /** Columns of vectors, unquoted, and whose vectors they hold. */
  columns: readonly string[]
  model: string
  /** Milliseconds without a sign of life after which a lease has run out. */
  stalledAfter: number
}

/** SQL: the text of row `t` in 64 bits, whatever its collation takes for equal. */
export function hashSql({ columns }: CheckedTable): string {
  return `hashtextextended(t.${columns.text}::text COLLATE "C", 0)::text`
}

/** SQL: row `t` has a text and lacks a vector, or the document `t` lacks chunks of its text. */
export function pendingSql(table: CheckedTable, chunks: ChunkTable | undefined): string {
  const { text, error } = table.columns
  return [
    chunks ? lacksChunksSql(table, chunks) : `(${anyNullSql('t', table)})`,
    `t.${text} IS NOT NULL`,
    ...(error === undefined ? [] : [`t.${error} IS NULL`]),
  ].join(' AND ')
}

function lacksChunksSql(table: CheckedTable, chunks: ChunkTable): string {
  return `NOT EXISTS (SELECT 1 FROM ${chunks.name} AS c
    WHERE c.document = t.${table.columns.id} AND c.part = 0
      AND c.hash = ${hashSql(table)} || ${chunks.suffix} AND NOT (${anyNullSql('c', chunks)}))`
}

function anyNullSql(row: string, { columns: { dense, sparse } }: CheckedTable): string {
  const vectors = [dense, sparse].filter((column) => column !== undefined)
  return vectors.map((column) => `${row}.${column} IS NULL`).join(' OR ')
}

export class Leases {
  /** A token for each batch that is under way. */
  readonly #underWay = new Set<string>()
  readonly #options: LeaseOptions

  constructor(options: LeaseOptions) {
    this.#options = options
  }

  /** A new owner of rows: claiming again with the same one gives the same rows. */
  begin(): string {
    const token = randomUUID()
    this.#underWay.add(token)
    return token
  }

  async claim(
    db: Queryable,
    { token, after, most }: { token: string; after: string | undefined; most: number },
  ): Promise<Claim> {
    const { oid, table, chunks, leases, models, columns, model, stalledAfter } = this.#options
    const key = `t.${table.columns.id}`
    // SKIP LOCKED: nobody waits. Where two look at the same row all the same, the lease's key decides
    const { rows } = await db.query(
      `WITH ours AS (
         SELECT count(*) = cardinality($2::text[]) AS ok FROM (
           SELECT 1 FROM ${models}
           WHERE relation = $1::oid AND column_name = ANY($2::text[]) AND model = $3 FOR SHARE) AS held
       ), found AS (
         SELECT ${key} AS key, ${key}::text AS id, t.${table.columns.text}::text AS text,
           ${hashSql(table)} AS hash
         FROM ${table.name} AS t
         WHERE (SELECT ok FROM ours) AND ${pendingSql(table, chunks)}
           ${after === undefined ? '' : `AND ${key} > $7::text::${table.idType}`}
           AND NOT EXISTS (
             SELECT 1 FROM ${leases} AS l WHERE l.relation = $1::oid AND l.id = ${key}::text
               AND l.expires > clock_timestamp() AND l.owner <> $4::uuid)
         ORDER BY ${key} LIMIT $5 FOR NO KEY UPDATE OF t SKIP LOCKED
       ), leased AS (
         INSERT INTO ${leases} AS l (relation, id, owner, expires)
         SELECT $1::oid::regclass, id, $4::uuid, clock_timestamp() + $6::float8 * interval '1 ms' FROM found
         ON CONFLICT (relation, id) DO UPDATE SET owner = EXCLUDED.owner, expires = EXCLUDED.expires
         WHERE l.expires <= clock_timestamp() OR l.owner = EXCLUDED.owner
         RETURNING l.id
       )
       SELECT ours.ok, found.id, found.hash, leased.id IS NOT NULL AS mine,
         CASE WHEN leased.id IS NOT NULL THEN found.text END AS text
       FROM ours LEFT JOIN found ON true LEFT JOIN leased ON leased.id = found.id ORDER BY found.key`,
      [oid, columns, model, token, most, stalledAfter, ...(after === undefined ? [] : [after])],
    )
    const found = rows as unknown as (LeasedRow & { ok: boolean; mine: boolean })[]
    return {
      isOurs: found[0]?.ok === true,
      last: found.at(-1)?.id ?? undefined,
      rows: found.filter(({ mine }) => mine).map(({ id, text, hash }) => ({ id, text, hash })),
    }
  }

  /** A sign of life. */
  async renew(db: Queryable): Promise<void> {
    if (this.#underWay.size === 0) return
    const { oid, leases, stalledAfter } = this.#options
    await db.query(
      `UPDATE ${leases} SET expires = clock_timestamp() + $3::float8 * interval '1 ms'
       WHERE relation = $1::oid AND owner = ANY($2::uuid[])`,
      [oid, [...this.#underWay], stalledAfter],
    )
  }

  /** Gives back what a batch did not write. Without its lease it is lost to it, so this may fail. */
  async end(db: Queryable, token: string, hasLeft: boolean): Promise<void> {
    this.#underWay.delete(token)
    if (!hasLeft) return
    const { oid, leases } = this.#options
    await db
      .query(`DELETE FROM ${leases} WHERE relation = $1::oid AND owner = $2::uuid`, [oid, token])
      .catch(() => {})
  }

  /** Whether somebody has rows that are not done: of ours none are under way when this is asked. */
  async areOthersAtWork(db: Queryable): Promise<boolean> {
    const { oid, table, chunks, leases } = this.#options
    const { rows } = await db.query(
      `SELECT EXISTS (
         SELECT 1 FROM ${leases} AS l
         JOIN ${table.name} AS t ON t.${table.columns.id} = l.id::${table.idType}
         WHERE l.relation = $1::oid AND l.expires > clock_timestamp() AND ${pendingSql(table, chunks)}
       ) AS others`,
      [oid],
    )
    return rows[0]?.others === true
  }

  /** Leases that ran out long ago, of rows that are gone. */
  async sweep(db: Queryable): Promise<void> {
    const { oid, leases } = this.#options
    await db.query(
      `DELETE FROM ${leases} WHERE relation = $1::oid AND expires < clock_timestamp() - interval '1 day'`,
      [oid],
    )
  }
}
