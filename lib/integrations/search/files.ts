/** The files of an index and their chunks. */

import { sep } from 'node:path'
import type { Database } from './database.js'

/** What tells, without reading it, that a file did not change. */
export interface FileState {
  size: number
  /** Nanoseconds since 1970. */
  mtime: bigint
  ctime: bigint
}

export interface IndexedFile {
  id: number
  path: string
  state: string
  /** Milliseconds since 1970. */
  seen: number
  hash: string
}

/** A chunk's place, and which vector is its. */
export interface FileChunk {
  line: number
  endLine: number
  vector: number
}

/**
 * File systems round times, and clocks of other machines differ: a file that changed this shortly before
 * it was read may have changed again without its times showing it. In ms.
 */
const ROUNDING_MS = 2500

export function stateText({ size, mtime, ctime }: FileState): string {
  return `${size} ${mtime} ${ctime}`
}

/** Whether the file is certainly as it was when it was read. */
export function isUnchanged(known: IndexedFile, state: FileState): boolean {
  return (
    known.state === stateText(state) &&
    Number(state.mtime / 1_000_000n) < known.seen - ROUNDING_MS &&
    Number(state.ctime / 1_000_000n) < known.seen - ROUNDING_MS
  )
}

/** SQL's bounds for what lies in a folder: the separator's successor ends it. */
function inside(folder: string): [from: string, to: string] {
  const prefix = folder.endsWith(sep) ? folder : folder + sep
  return [prefix, prefix.slice(0, -1) + String.fromCharCode(sep.charCodeAt(0) + 1)]
}

/** The indexed files at or under a path. */
export function filesUnder(db: Database, path: string): Map<string, IndexedFile> {
  const [from, to] = inside(path)
  const rows = db.all(
    `SELECT id, path, state, seen, hex(hash) AS hash FROM files
     WHERE path = ? OR (path >= ? AND path < ?)`,
    path,
    from,
    to,
  )
  return new Map(
    rows.map(({ id, path, state, seen, hash }) => [
      String(path),
      {
        id: Number(id),
        path: String(path),
        state: String(state),
        seen: Number(seen),
        hash: String(hash).toLowerCase(),
      },
    ]),
  )
}

/** Notes that a file was looked at and has the content that is indexed. */
export function touchFile(db: Database, id: number, state: FileState, seen: number): void {
  db.run('UPDATE files SET state = ?, seen = ? WHERE id = ?', stateText(state), seen, id)
}

export interface FileContent {
  path: string
  state: FileState
  /** Milliseconds since 1970, before it was read. */
  seen: number
  /** Hexadecimal. */
  hash: string
  chunks: readonly FileChunk[]
}

/** Puts a file in the place of what is known under its path; within a transaction of the caller's. */
export function putFile(db: Database, { path, state, seen, hash, chunks }: FileContent): void {
  db.run('DELETE FROM files WHERE path = ?', path)
  const { lastInsertRowid: file } = db.run(
    'INSERT INTO files (path, state, seen, hash) VALUES (?, ?, ?, ?)',
    path,
    stateText(state),
    seen,
    Buffer.from(hash, 'hex'),
  )
  chunks.forEach(({ line, endLine, vector }, part) => {
    db.run(
      'INSERT INTO chunks (vector, file, part, line, end_line) VALUES (?, ?, ?, ?, ?)',
      vector,
      file,
      part,
      line,
      endLine,
    )
  })
}

/** All or nothing. Their chunks go with them. */
export function removeFiles(db: Database, ids: readonly number[]): void {
  if (ids.length === 0) return
  db.transaction(() => {
    for (const id of ids) db.run('DELETE FROM files WHERE id = ?', id)
  })
}
