/** What a load finds and makes before any text is embedded: tables that fit, the model's record, leases. */

import { chunkText } from '../../../chunking/chunk-text.js'
import { chunkSize } from '../../../chunking/parts.js'
import { InvalidInputError } from '../../../common/errors.js'
import type { Embedder } from '../../../embedder/embedder.js'
import { channelOf, createTriggers } from './change-triggers.js'
import { type Cutting, chunkTable } from './chunk-table.js'
import type { Connection } from './connection.js'
import type { FillOptions } from './fill-types.js'
import { checkHnsw, type HnswOptions } from './hnsw.js'
import { pendingSql } from './leases.js'
import { recordModel } from './model-record.js'
import type { Settings } from './settings.js'
import { checkDocuments, checkTable } from './table.js'

export interface Prepared {
  fill: FillOptions
  cutting: Cutting | undefined
  /** To be built when all rows are done. */
  hnsw: HnswOptions | undefined
  /** Of the notices for the table of texts. */
  channel: string
  /** Rows to do. */
  total: number
}

/** @throws InvalidInputError naming what does not fit */
export async function prepare(
  embedder: Embedder,
  connection: Connection,
  settings: Settings,
  retrying: <T>(run: () => Promise<T>, most?: number) => Promise<T>,
): Promise<Prepared> {
  const { table: name, columns, dimensions, force, stalledAfter, sparseLimit, chunk } = settings
  const { info } = embedder
  if (columns.sparse !== undefined && !info.outputs.sparse) {
    throw new InvalidInputError('This model has no sparse head: leave out the sparse column.')
  }
  const cutting = chunk && cuttingOf(chunk, info.maxTokens)
  // options that are wrong are wrong before a row is claimed
  if (cutting) await chunkText('', { ...cutting, tokenizer: embedder })
  const expected = {
    denseDimensions: dimensions ?? info.dimensions,
    sparseDimensions: info.vocabSize,
  }
  const table = await retrying(
    () =>
      cutting
        ? checkDocuments(connection, name, columns)
        : checkTable(connection, name, columns, expected),
    FIRST_RETRIES,
  )
  const chunks =
    cutting &&
    (await retrying(() =>
      chunkTable(connection, table, columns, { table: chunk?.table, name, expected }, cutting),
    ))
  const { oid, name: quoted } = chunks ?? table
  const vectors = [columns.dense, columns.sparse].filter((column) => column !== undefined)
  const model = info.fingerprint
  const own = await retrying(() =>
    recordModel(connection, { oid, table: quoted, columns: vectors, model, force }),
  )
  const { index, follow } = settings
  const hnsw = index === true ? {} : index || undefined
  if (hnsw) checkHnsw(chunks ?? table, hnsw, expected.denseDimensions)
  if (follow?.trigger) {
    // vectors of chunks are not this table's, and a new text has another hash
    const { id, text, error } = columns
    const here = chunks ? { id, text, error } : columns
    await retrying(() => createTriggers(connection, table, here))
  }
  const total = await retrying(async () => {
    const { rows } = await connection.query(
      `SELECT count(*)::text AS n FROM ${table.name} AS t WHERE ${pendingSql(table, chunks)}`,
    )
    return Number(rows[0]?.n)
  })
  if (chunks) {
    // without a text a document has no chunks
    await retrying(() =>
      connection.query(
        `DELETE FROM ${chunks.name} AS c USING ${table.name} AS t
         WHERE c.document = t.${table.columns.id} AND t.${table.columns.text} IS NULL`,
      ),
    )
  }
  return {
    fill: {
      ...own,
      oid,
      table,
      chunks,
      columns: vectors,
      model,
      stalledAfter,
      sparseLimit,
      sparseDimensions: info.vocabSize,
    },
    cutting,
    hnsw,
    channel: channelOf(table.oid),
    total,
  }
}

/** A mistake in the address should not take half a minute to tell; later the server is waited for. */
const FIRST_RETRIES = 2

function cuttingOf(
  { maxTokens, overlap, language }: NonNullable<Settings['chunk']>,
  most: number,
): Cutting {
  return {
    maxTokens: maxTokens ?? chunkSize(most),
    ...(overlap !== undefined && { overlap }),
    ...(language !== undefined && { language }),
  }
}
