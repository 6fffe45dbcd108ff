/** Vectors into rows that are leased: those that still have the text that was embedded, and no vector. */

import { EmbedderError } from '../../../common/errors.js'
import type { Settled } from '../../../common/types.js'
import { codeOf } from '../../batch-report.js'
import { fallbackError } from '../../store.js'
import { writeApart } from '../../write-apart.js'
import type { Queryable } from './connection.js'
import type { EmbeddedPart } from './embed-rows.js'
import { updateChunks } from './fill-chunks.js'
import type { Filled, FillOptions, Ready, RowFailure } from './fill-types.js'
import { filledColumns } from './filled-columns.js'
import { hashSql, type LeasedRow, pendingSql } from './leases.js'
import { arrayLiteral, sparsevecLiteral, vectorLiteral } from './sql.js'

/**
 * @param run sends a statement, again where that may help
 * @throws StoreError for what has nothing to do with single rows
 */
export async function fillRows(
  run: (statement: (db: Queryable) => Promise<Set<string>>) => Promise<Set<string>>,
  token: string,
  { rows, results }: { rows: readonly LeasedRow[]; results: readonly Settled<EmbeddedPart[]>[] },
  options: FillOptions,
): Promise<Filled> {
  const ready: Ready[] = []
  const failures: RowFailure[] = []
  rows.forEach((row, i) => {
    const settled = results[i] as Settled<EmbeddedPart[]>
    const error = settled instanceof EmbedderError ? settled : foreign(settled)
    if (error) failures.push({ row, error })
    else ready.push(literals(row, settled as EmbeddedPart[], options))
  })
  const write = options.chunks ? updateChunks : update
  const written = new Set<string>()
  const refused = await writeApart(async (some) => {
    const ids = await run((db) => write(db, token, some, options))
    for (const id of ids) written.add(id)
  }, ready)
  const bad = new Set(refused.map(({ item }) => item))
  for (const { item, error } of refused) failures.push({ row: item.row, error })
  const done = ready.filter(({ row }) => written.has(row.id))
  if (options.table.columns.error !== undefined) {
    // a row that refuses its vector may refuse this as well
    await writeApart((some) => run((db) => mark(db, some, options)), failures)
  }
  return {
    rows: done.length,
    failures,
    passedOver: ready.filter((item) => !bad.has(item) && !written.has(item.row.id)).map(rowOf),
    tokens: done.reduce((sum, { tokens }) => sum + tokens, 0),
    cuts: done.reduce((sum, { cuts }) => sum + cuts, 0),
  }
}

const rowOf = ({ row }: Ready) => row

function foreign(parts: readonly EmbeddedPart[]): EmbedderError | undefined {
  for (const { embedding } of parts) {
    const error = fallbackError(embedding)
    if (error) return error
  }
  return undefined
}

function literals(
  row: LeasedRow,
  embedded: readonly EmbeddedPart[],
  { table, chunks, sparseDimensions, sparseLimit }: FillOptions,
): Ready {
  const { denseKind } = chunks ?? table
  const denseLiteral = denseKind === 'float4[]' ? arrayLiteral : vectorLiteral
  const ready: Ready = { row, parts: [], tokens: 0, cuts: 0 }
  for (const { start, end, embedding } of embedded) {
    const { dense, sparse, tokenCount } = embedding
    const weights = sparse && sparsevecLiteral(sparse, sparseDimensions, sparseLimit)
    ready.parts.push({ start, end, dense: dense && denseLiteral(dense), sparse: weights?.literal })
    ready.tokens += tokenCount
    if (weights?.cut) ready.cuts++
  }
  return ready
}

/** @returns ids of the rows that have their vectors now */
async function update(
  db: Queryable,
  token: string,
  items: readonly Ready[],
  { oid, table, leases, models, columns: vectors, model }: FillOptions,
): Promise<Set<string>> {
  const { name, idType, columns } = table
  const filled = filledColumns(
    table,
    items.map(({ parts }) => parts[0]),
  )
  const set = filled.map(({ column, type }, i) => `${column} = v.v${i}::${type}`)
  const arrays = filled.map((_, i) => `, $${i + 7}::text[]`)
  const names = filled.map((_, i) => `, v${i}`)
  const { rows } = await db.query(
    `WITH v AS (
       SELECT * FROM unnest($1::text[], $2::text[]${arrays.join('')}) AS v(id, hash${names.join('')})
     ), released AS (
       DELETE FROM ${leases} AS l USING v
       WHERE l.relation = $3::oid AND l.id = v.id AND l.owner = $4::uuid
     )
     UPDATE ${name} AS t SET ${set.join(', ')} FROM v
     WHERE t.${columns.id} = v.id::${idType} AND ${pendingSql(table, undefined)} AND ${hashSql(table)} = v.hash
       AND (SELECT count(*) = cardinality($5::text[]) FROM ${models}
            WHERE relation = $3::oid AND column_name = ANY($5::text[]) AND model = $6)
     RETURNING v.id, NOT (${pendingSql(table, undefined)}) AS filled`,
    [
      items.map(({ row }) => row.id),
      items.map(({ row }) => row.hash),
      oid,
      token,
      vectors,
      model,
      ...filled.map(({ values }) => values),
    ],
  )
  return new Set(rows.filter((row) => row.filled).map((row) => String(row.id)))
}

async function mark(
  db: Queryable,
  failures: readonly RowFailure[],
  { table, chunks }: FillOptions,
): Promise<Set<string>> {
  const { name, idType, columns } = table
  await db.query(
    `UPDATE ${name} AS t SET ${columns.error} = v.code
     FROM unnest($1::text[], $2::text[], $3::text[]) AS v(id, hash, code)
     WHERE t.${columns.id} = v.id::${idType} AND ${pendingSql(table, chunks)} AND ${hashSql(table)} = v.hash`,
    [
      failures.map(({ row }) => row.id),
      failures.map(({ row }) => row.hash),
      failures.map(({ error }) => codeOf(error)),
    ],
  )
  return new Set()
}
