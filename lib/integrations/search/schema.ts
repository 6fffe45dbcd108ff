/** The tables of an index, and what it was made with. */

import { InvalidInputError, StoreError } from '../../common/errors.js'
import type { Database } from './database.js'
import type { ChunkSettings, IndexModel } from './types.js'

/** "bgM3" in `PRAGMA application_id`: tells an index from other SQLite files. */
const APPLICATION = 0x62674d33
const VERSION = 2

/*
 * A vector belongs to a text, not to a place: chunks with equal text share one, so what is renamed, moved
 * or was embedded before a crash is not embedded again. `segments` holds the vectors themselves, some
 * hundred to a row, because search reads all of them and a row costs more than its bytes.
 */
const TABLES = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE segments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  rows INTEGER NOT NULL,     -- vectors in it
  ids BLOB NOT NULL,         -- uint32[rows]: of vectors
  dense BLOB NOT NULL,       -- float32[rows][dimensions]
  offsets BLOB NOT NULL,     -- uint32[rows + 1]: where a row's weights begin
  indices BLOB NOT NULL,     -- uint32: token ids
  weights BLOB NOT NULL      -- float32
);
CREATE TABLE vectors (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  segment INTEGER NOT NULL REFERENCES segments,
  tokens INTEGER NOT NULL,
  hash BLOB NOT NULL UNIQUE, -- of the text
  text BLOB                  -- UTF-8
);
CREATE INDEX vectors_segment ON vectors (segment);
CREATE TABLE files (
  id INTEGER PRIMARY KEY,
  path TEXT NOT NULL UNIQUE, -- absolute
  state TEXT NOT NULL,       -- size, times: see file-state.ts
  seen INTEGER NOT NULL,     -- when it was read, in ms
  hash BLOB NOT NULL         -- of its bytes
);
CREATE INDEX files_hash ON files (hash);
CREATE TABLE chunks (
  id INTEGER PRIMARY KEY,
  vector INTEGER NOT NULL REFERENCES vectors,
  file INTEGER REFERENCES files ON DELETE CASCADE,
  part INTEGER,
  line INTEGER,
  end_line INTEGER,
  name BLOB UNIQUE,          -- the id of a chunk that is of no file
  metadata BLOB              -- JSON
);
CREATE INDEX chunks_vector ON chunks (vector);
CREATE INDEX chunks_file ON chunks (file, part);
PRAGMA application_id = ${APPLICATION};
PRAGMA user_version = ${VERSION};
`

/** Sets the connection up, and creates the tables of a new file. @throws StoreError for another file */
export function prepareSchema(db: Database): void {
  db.exec('PRAGMA page_size = 16384')
  db.exec('PRAGMA journal_mode = WAL')
  // after a crash of the machine the last commits may be missing, never half of one
  db.exec('PRAGMA synchronous = NORMAL')
  db.exec('PRAGMA foreign_keys = ON')
  if (isReady(db)) return
  db.transaction(() => {
    // another process may have been quicker
    if (!isReady(db)) db.exec(TABLES)
  })
}

function isReady(db: Database): boolean {
  const application = Number(db.first('PRAGMA application_id')?.application_id)
  const version = Number(db.first('PRAGMA user_version')?.user_version)
  if (application === APPLICATION && version === VERSION) return true
  const tables = Number(db.first('SELECT count(*) AS n FROM sqlite_master')?.n)
  if (application === 0 && version === 0 && tables === 0) return false
  throw new StoreError(
    application === APPLICATION
      ? `The index has format ${version}, and this version of bge-m3-node reads ${VERSION}: index the files again, into a new folder.`
      : 'The file is an SQLite database, but no index of bge-m3-node.',
  )
}

export interface IndexSettings {
  model: IndexModel
  chunking: ChunkSettings
}

export function readSettings(db: Database): IndexSettings | undefined {
  const value = db.first("SELECT value FROM meta WHERE key = 'settings'")?.value
  return value === undefined ? undefined : (JSON.parse(String(value)) as IndexSettings)
}

/** Fixes the settings of an index that has none. @throws InvalidInputError if others are there */
export function claimSettings(db: Database, settings: IndexSettings): void {
  db.transaction(() => {
    const found = readSettings(db)
    if (found) return checkModel(found.model, settings.model.fingerprint)
    db.run("INSERT INTO meta VALUES ('settings', ?)", JSON.stringify(settings))
  })
}

/** @throws InvalidInputError if vectors of the two models would be compared */
export function checkModel(made: IndexModel, fingerprint: string): void {
  if (made.fingerprint === fingerprint) return
  throw new InvalidInputError(
    `The index was made with another model (${made.name}, ${made.fingerprint.slice(0, 8)}, not ` +
      `${fingerprint.slice(0, 8)}), whose vectors do not compare: use that model, ${made.file}, or index ` +
      'the files again with --rebuild (`rebuild: true`).',
  )
}

/** Empties the index, all or nothing. */
export function clear(db: Database): void {
  db.transaction(() => {
    for (const table of ['chunks', 'files', 'vectors', 'segments', 'meta']) {
      db.run(`DELETE FROM ${table}`)
    }
  })
}
