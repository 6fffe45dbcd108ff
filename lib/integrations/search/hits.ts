/** Vectors that were found to the chunks that have them. */

import { markedSnippet } from '../../common/snippet.js'
import { turn } from '../../common/timers.js'
import { chunkOf } from './chunk.js'
import { blobText, type Database } from './database.js'
import type { Ranked } from './rank.js'
import type { SearchHit } from './types.js'

/** Hits that are made before others get their turn. */
const SLICE = 16

/** The text of each vector that has one. */
export function textsOf(db: Database, ids: readonly number[]): Map<number, string> {
  const rows = db.all(
    'SELECT id, text FROM vectors WHERE text IS NOT NULL AND id IN (SELECT value FROM json_each(?))',
    JSON.stringify(ids),
  )
  return new Map(rows.map(({ id, text }) => [Number(id), blobText(text)]))
}

/** A hit for every chunk that has one of the vectors, in their order; within one by path and place. */
export async function hitsOf(
  db: Database,
  ranked: readonly Ranked[],
  { query, limit }: { query: string; limit: number },
): Promise<SearchHit[]> {
  const rows = db.all(
    `SELECT chunks.vector, files.path, chunks.part, chunks.line, chunks.end_line, chunks.name, chunks.metadata
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
  const hits: SearchHit[] = []
  for (const [i, { hit, place }] of found.entries()) {
    // words are looked for in every text: a thousand of them take a second
    if (i % SLICE === SLICE - 1) await turn()
    const { dense, sparse, colbert, rerank } = hit
    const text = texts.get(hit.id) ?? null
    hits.push({
      ...chunkOf(place),
      text,
      score: hit.score,
      scores: {
        dense,
        ...(sparse !== undefined && { sparse }),
        ...(colbert !== undefined && { colbert }),
        ...(rerank !== undefined && { rerank }),
      },
      snippet: text === null ? null : markedSnippet(text, query),
    })
  }
  return hits
}
