/** Texts on their way through the model, and the files that wait for them. */

import type { EmbedderError } from '../../common/errors.js'
import { performance } from '../../common/timers.js'
import type { Database } from './database.js'
import { type FileState, putFile } from './files.js'
import type { TextPart } from './read-file.js'
import { addVectors, findVector, hashText, type NewVector } from './vectors.js'

/** A file whose chunks are known, and some of whose vectors are not. */
export interface PendingFile {
  path: string
  state: FileState
  seen: number
  hash: string
  /** Of each chunk; 0 for those under way. */
  vectors: number[]
  lines: readonly Pick<TextPart, 'line' | 'endLine'>[]
  missing: number
  /** Why it cannot be indexed. */
  error?: EmbedderError
}

/** Something to embed. */
export interface PendingText {
  hash: string
  text: string
}

/** Texts written in one transaction; a crash loses at most so many. */
const WRITE_ROWS = 32
/** And at most what so many milliseconds gave. */
const WRITE_MS = 1000

export class PendingFiles {
  readonly #db: Database
  readonly #onDone: (file: PendingFile) => void
  /** By the hash of the text under way: who waits for it, at which of its chunks. */
  readonly #waiting = new Map<string, { file: PendingFile; part: number }[]>()
  #done: NewVector[] = []
  #written = performance.now()

  /** @param onDone is told of a file that is in the index now, or failed */
  constructor(db: Database, onDone: (file: PendingFile) => void) {
    this.#db = db
    this.#onDone = onDone
  }

  /** @returns the texts that need embedding; none of them is under way already */
  add(file: Omit<PendingFile, 'vectors' | 'lines' | 'missing'>, parts: readonly TextPart[]) {
    const pending: PendingFile = {
      ...file,
      vectors: new Array(parts.length).fill(0),
      lines: parts.map(({ line, endLine }) => ({ line, endLine })),
      missing: 0,
    }
    const texts: PendingText[] = []
    parts.forEach(({ text }, part) => {
      const bytes = hashText(text)
      const vector = findVector(this.#db, bytes)
      if (vector !== undefined) {
        pending.vectors[part] = vector
        return
      }
      const hash = Buffer.from(bytes).toString('hex')
      const waiting = this.#waiting.get(hash)
      pending.missing++
      if (waiting) waiting.push({ file: pending, part })
      else {
        this.#waiting.set(hash, [{ file: pending, part }])
        texts.push({ hash, text })
      }
    })
    if (pending.missing === 0) this.#db.transaction(() => this.#finish(pending))
    return { texts, reused: parts.length - texts.length }
  }

  /** A text is embedded; it is written soon. */
  embedded(vector: NewVector): void {
    this.#done.push(vector)
    const isDue = performance.now() - this.#written > WRITE_MS
    if (this.#done.length >= WRITE_ROWS || isDue) this.write()
  }

  /** A text cannot be embedded: nor can the files that have it. */
  failed(hash: string, error: EmbedderError): void {
    for (const { file } of this.#waiting.get(hash) ?? []) {
      const isFirst = file.error === undefined
      file.error ??= error
      if (isFirst) this.#onDone(file)
    }
    this.#waiting.delete(hash)
  }

  /** Writes what is embedded, and the files that are complete with it. */
  write(): void {
    const vectors = this.#done
    this.#done = []
    this.#written = performance.now()
    if (vectors.length === 0) return
    const complete: PendingFile[] = []
    this.#db.transaction(() => {
      const ids = addVectors(this.#db, vectors)
      vectors.forEach(({ hash }, i) => {
        const key = Buffer.from(hash).toString('hex')
        for (const { file, part } of this.#waiting.get(key) ?? []) {
          file.vectors[part] = ids[i] as number
          if (--file.missing === 0 && !file.error) complete.push(file)
        }
        this.#waiting.delete(key)
      })
      for (const file of complete) this.#put(file)
    })
    for (const file of complete) this.#onDone(file)
  }

  #finish(file: PendingFile): void {
    this.#put(file)
    this.#onDone(file)
  }

  #put({ path, state, seen, hash, vectors, lines }: PendingFile): void {
    const chunks = vectors.map((vector, part) => {
      const { line, endLine } = lines[part] as PendingFile['lines'][number]
      return { vector, line, endLine }
    })
    putFile(this.#db, { path, state, seen, hash, chunks })
  }
}
