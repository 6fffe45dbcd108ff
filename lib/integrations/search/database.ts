/** SQLite through libsql: statements, transactions, and errors that say what to do. */

import { TextDecoder, TextEncoder } from 'node:util'
import type LibsqlDatabase from 'libsql'
import { StoreError } from '../../common/errors.js'
import { optional } from '../../common/optional.js'
import { isArrayBuffer } from '../../common/realms.js'

export type SqlValue = string | number | null | Uint8Array
/** Blobs come out as `ArrayBuffer`. */
export type SqlRow = Record<string, string | number | null | ArrayBuffer>

/** Milliseconds that a statement waits for another process's transaction. */
const BUSY_MS = 10_000

export class Database {
  readonly #db: LibsqlDatabase.Database
  readonly #file: string
  readonly #statements = new Map<string, LibsqlDatabase.Statement<unknown[]>>()

  private constructor(db: LibsqlDatabase.Database, file: string) {
    this.#db = db
    this.#file = file
  }

  /**
   * Opens or creates a file.
   *
   * @throws InvalidInputError when libsql is not installed; StoreError when the file cannot be opened
   */
  static async open(file: string, busyMs: number = BUSY_MS): Promise<Database> {
    const { default: Libsql } = await optional(
      'libsql',
      'bge-m3-node/search',
      () => import('libsql'),
    )
    try {
      const db = new Libsql(file)
      const database = new Database(db, file)
      database.exec(`PRAGMA busy_timeout = ${busyMs}`)
      return database
    } catch (error) {
      throw storeError(error, file)
    }
  }

  exec(sql: string): void {
    this.#guard(() => this.#db.exec(sql))
  }

  run(sql: string, ...values: SqlValue[]): { changes: number; lastInsertRowid: number } {
    return this.#guard(() => {
      const { changes, lastInsertRowid } = this.#statement(sql).run(values)
      return { changes, lastInsertRowid: Number(lastInsertRowid) }
    })
  }

  all(sql: string, ...values: SqlValue[]): SqlRow[] {
    return this.#guard(() => this.#statement(sql).all(values) as SqlRow[])
  }

  first(sql: string, ...values: SqlValue[]): SqlRow | undefined {
    return this.all(sql, ...values)[0]
  }

  /**
   * Commits what `run` did, or undoes it if it throws. Not to be nested, and `run` does not wait: nothing
   * else of this process comes in between.
   */
  transaction<T>(run: () => T): T {
    this.exec('BEGIN IMMEDIATE')
    try {
      const result = run()
      this.exec('COMMIT')
      return result
    } catch (error) {
      try {
        this.exec('ROLLBACK')
      } catch {
        // SQLite has rolled back by itself, as it does when a disk is full
      }
      throw error
    }
  }

  /** Safe to call more than once. */
  close(): void {
    if (!this.#db.open) return
    this.#statements.clear()
    try {
      // the driver keeps the connection until its statements are collected: nothing is left in the log for then
      this.#db.exec('PRAGMA busy_timeout = 0; PRAGMA wal_checkpoint(TRUNCATE)')
    } catch {
      // somebody reads, or holds the file open in a transaction of his own: he will do it
    }
    this.#db.close()
  }

  #statement(sql: string): LibsqlDatabase.Statement<unknown[]> {
    let statement = this.#statements.get(sql)
    if (!statement) {
      statement = this.#db.prepare<unknown[]>(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  #guard<T>(run: () => T): T {
    if (!this.#db.open) throw new StoreError('The index is closed.')
    try {
      return run()
    } catch (error) {
      throw storeError(error, this.#file)
    }
  }
}

/** SQLite's messages name tables and files, never values. */
function storeError(cause: unknown, file: string): unknown {
  const { code = '', message } = cause as { code?: string; message: string }
  if (!/^SQLITE_/.test(code) && !/^ConnectionFailed/.test(message)) return cause
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) {
    return new StoreError(`Another process writes to ${file}, and takes long.`, {
      cause,
      transient: true,
    })
  }
  if (/^SQLITE_(NOTADB|CORRUPT)/.test(code)) {
    return new StoreError(
      `${file} is no index, or is damaged (${code}): delete it and index the files again.`,
      { cause },
    )
  }
  const reason = code === '' ? 'it cannot be opened' : `${code}: ${message}`
  return new StoreError(`The index ${file} does not work: ${reason}.`, { cause })
}

/** The elements of a blob; the driver hands out `ArrayBuffer` or `Buffer`. */
export function blobFloats(blob: unknown): Float32Array {
  return new Float32Array(alignedBytes(blob))
}

export function blobIntegers(blob: unknown): Uint32Array {
  return new Uint32Array(alignedBytes(blob))
}

function alignedBytes(blob: unknown): ArrayBuffer {
  if (isArrayBuffer(blob)) return blob
  return Uint8Array.from(blob as Uint8Array).buffer
}

export function bytesOf(array: Float32Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Texts are stored as UTF-8 blobs: as SQLite text they would end at the first NUL. */
export function textBlob(text: string): Uint8Array {
  return encoder.encode(text)
}

export function blobText(blob: unknown): string {
  return decoder.decode(blob as ArrayBuffer)
}
