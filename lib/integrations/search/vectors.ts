/** The vectors of an index by the text that they are of. */

import { createHash } from 'node:crypto'
import { type Database, textBlob } from './database.js'
import { readSegment, replaceSegment, type StoredVector, unpack, writeSegment } from './segments.js'

/** A text and its vectors, on their way into the index. */
export interface NewVector extends Omit<StoredVector, 'id'> {
  hash: Uint8Array
  text: string | undefined
  tokens: number
}

/** Vectors of a segment: reading one takes about a millisecond. */
const SEGMENT_ROWS = 256
/** Segments with fewer are merged. */
const SMALL_ROWS = 128
/** Small segments that are left alone: merging one at a time would write everything again and again. */
const SMALL_SEGMENTS = 8

/** 128 bits: texts are told apart, nobody is kept from forging. */
export function hashText(text: string): Uint8Array {
  return createHash('sha256').update(text, 'utf8').digest().subarray(0, 16)
}

/** The vector of a text, if there is one. */
export function findVector(db: Database, hash: Uint8Array): number | undefined {
  const id = db.first('SELECT id FROM vectors WHERE hash = ?', hash)?.id
  return id === undefined ? undefined : Number(id)
}

/** Stores vectors whose hashes are new, within a transaction of the caller's. @returns their ids, in order */
export function addVectors(db: Database, vectors: readonly NewVector[]): number[] {
  if (vectors.length === 0) return []
  // the segment needs the ids, and the rows the segment
  const last = db.first("SELECT seq FROM sqlite_sequence WHERE name = 'vectors'")?.seq
  const first = Number(last ?? 0) + 1
  const ids = vectors.map((_, i) => first + i)
  for (let from = 0; from < vectors.length; from += SEGMENT_ROWS) {
    const part = vectors.slice(from, from + SEGMENT_ROWS)
    const segment = writeSegment(
      db,
      part.map(({ dense, sparse }, i) => ({ id: first + from + i, dense, sparse })),
    )
    part.forEach(({ tokens, hash, text }, i) => {
      db.run(
        'INSERT INTO vectors (id, segment, tokens, hash, text) VALUES (?, ?, ?, ?, ?)',
        first + from + i,
        segment,
        tokens,
        hash,
        text === undefined ? null : textBlob(text),
      )
    })
  }
  return ids
}

/** Removes vectors that no chunk has any more. A transaction per segment. */
export function removeUnused(db: Database): void {
  const unused = db.all(
    `SELECT segment, json_group_array(id) AS ids FROM vectors
     WHERE NOT EXISTS (SELECT 1 FROM chunks WHERE chunks.vector = vectors.id) GROUP BY segment`,
  )
  for (const { segment, ids } of unused) {
    const dead = new Set(JSON.parse(String(ids)) as number[])
    db.transaction(() => removeFrom(db, Number(segment), dead))
  }
}

function removeFrom(db: Database, id: number, dead: ReadonlySet<number>): void {
  const segment = readSegment(db, id)
  if (!segment) return
  const kept = unpack(segment).filter((vector) => {
    if (!dead.has(vector.id)) return true
    // a chunk may have come to it in the meantime
    const { changes } = db.run(
      'DELETE FROM vectors WHERE id = ? AND NOT EXISTS (SELECT 1 FROM chunks WHERE vector = ?)',
      vector.id,
      vector.id,
    )
    return changes === 0
  })
  if (kept.length > 0) replaceSegment(db, id, kept)
  else db.run('DELETE FROM segments WHERE id = ?', id)
}

/** Merges small segments, which a slow run leaves behind. A transaction per new segment. */
export function mergeSegments(db: Database): void {
  const small = db.all('SELECT id, rows FROM segments WHERE rows < ? ORDER BY id', SMALL_ROWS)
  if (small.length <= SMALL_SEGMENTS) return
  let group: number[] = []
  let rows = 0
  for (const segment of small) {
    if (rows + Number(segment.rows) > SEGMENT_ROWS) {
      merge(db, group)
      group = []
      rows = 0
    }
    group.push(Number(segment.id))
    rows += Number(segment.rows)
  }
  merge(db, group)
}

function merge(db: Database, ids: readonly number[]): void {
  if (ids.length < 2) return
  db.transaction(() => {
    const vectors = ids.flatMap((id) => {
      const segment = readSegment(db, id)
      return segment ? unpack(segment) : []
    })
    const merged = writeSegment(db, vectors)
    for (const id of ids) {
      db.run('UPDATE vectors SET segment = ? WHERE segment = ?', merged, id)
      db.run('DELETE FROM segments WHERE id = ?', id)
    }
  })
}
