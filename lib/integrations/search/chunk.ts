/** A chunk by its id, and what stands around it. */

import { InvalidInputError } from '../../common/errors.js'
import { checkRange, checkText, namesOf, refuseUnknown } from '../../common/given.js'
import { blobText, type Database, type SqlRow, textBlob } from './database.js'
import type { IndexedChunk, ReadOptions } from './types.js'

const READ_NAMES = namesOf<ReadOptions>({ before: 1, after: 1 })
const MOST_AROUND = 100

const COLUMNS = `SELECT files.path, chunks.part, chunks.line, chunks.end_line, chunks.name, chunks.metadata,
   vectors.text FROM chunks JOIN vectors ON vectors.id = chunks.vector`

/** Looks into the index alone, never at files: an id is no path that leads anywhere. */
export function readChunk(db: Database, id: string, options: ReadOptions): IndexedChunk[] {
  checkText(id, 'The id of a chunk')
  refuseUnknown(options, READ_NAMES, 'read')
  const { before = 0, after = 0 } = options
  checkRange('before', before, 0, MOST_AROUND)
  checkRange('after', after, 0, MOST_AROUND)
  const [, path, place] = /^(.*)#(\d{1,9})$/s.exec(id) ?? []
  const part = Number(place)
  const rows =
    path === undefined
      ? []
      : db.all(
          `${COLUMNS} JOIN files ON files.id = chunks.file
           WHERE files.path = ? AND chunks.part BETWEEN ? AND ? ORDER BY chunks.part`,
          path,
          part - before,
          part + after,
        )
  if (rows.some((row) => Number(row.part) === part)) return rows.map(chunkOf)
  const named = db.all(
    `${COLUMNS} LEFT JOIN files ON files.id = chunks.file WHERE chunks.name = ?`,
    textBlob(id),
  )
  if (named.length > 0) return named.map(chunkOf)
  throw new InvalidInputError('The index has no chunk with this id: take one that a search gave.')
}

/** A row with the columns of a chunk's place, and its text. */
export function chunkOf({
  path,
  part,
  line,
  end_line,
  name,
  metadata,
  text,
}: SqlRow): IndexedChunk {
  const isFile = typeof path === 'string'
  return {
    id: isFile ? `${path}#${part}` : blobText(name),
    path: isFile ? path : null,
    line: isFile ? Number(line) : null,
    endLine: isFile ? Number(end_line) : null,
    chunk: isFile ? Number(part) : null,
    text: text == null ? null : blobText(text),
    metadata: metadata == null ? null : JSON.parse(blobText(metadata)),
  }
}
