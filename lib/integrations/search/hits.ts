/** Vectors that were found to the chunks that have them. */

import { blobText, type Database } from './database.js'
import type { Ranked } from './rank.js'
import type { SearchHit } from './types.js'

/** The text of each vector that has one. */
export function textsOf(db: Database, ids: readonly number[]): Map<number, string> {
  const rows = db.all(
    'SELECT id, text FROM vectors WHERE text IS NOT NULL AND id IN (SELECT value FROM json_each(?))',
    JSON.stringify(ids),
  )
  return new Map(rows.map(({ id, text }) => [Number(id), blobText(text)]))
}

/** A hit for every chunk that has one of the vectors, in their order; within one by path and place. */
export function hitsOf(db: Database, ranked: readonly Ranked[], limit: number): SearchHit[] {
  const rows = db.all(
    `SELECT chunks.vector, files.path, chunks.part, chunks.line, chunks.name, chunks.metadata
     FROM chunks LEFT JOIN files ON files.id = chunks.file
     WHERE chunks.vector IN (SELECT value FROM json_each(?)) ORDER BY files.path, chunks.part, chunks.name`,
    JSON.stringify(ranked.map(({ id }) => id)),
  )
  const places = new Map<number, typeof rows>()
  for (const row of rows) {
    const list = places.get(Number(row.vector))
    if (list) list.push(row)
    else places.set(Number(row.vector), [row])
  }
  const found = ranked
    .flatMap((hit) => (places.get(hit.id) ?? []).map((place) => ({ hit, place })))
    .slice(0, limit)
  const texts = textsOf(db, [...new Set(found.map(({ hit }) => hit.id))])
  return found.map(({ hit, place }) => {
    const { path, part, line, name, metadata } = place
    const isFile = typeof path === 'string'
    const { dense, sparse, colbert } = hit
    return {
      id: isFile ? `${path}#${part}` : blobText(name),
      path: isFile ? path : null,
      line: isFile ? Number(line) : null,
      chunk: isFile ? Number(part) : null,
      score: hit.score,
      scores: {
        dense,
        ...(sparse !== undefined && { sparse }),
        ...(colbert !== undefined && { colbert }),
      },
      text: texts.get(hit.id) ?? null,
      metadata: metadata == null ? null : JSON.parse(blobText(metadata)),
    }
  })
}
