/**
 * The data files. A segment is a row of records, written by one process from front to end and by
 * nobody else; what a process writes after it was gone goes to a new one. Segments are numbered, so
 * the lowest number is the oldest.
 */
import fs from 'node:fs'
import path from 'node:path'
import { HEADER_BYTES, header, MAGIC } from './layout.js'

const NAME = /^([0-9a-f]{8})\.seg$/
const MAX_ID = 0xffffffff
const MAX_OPEN = 96

export interface Segment {
  id: number
  bytes: number
  /** By the file system's clock. */
  mtimeMs: number
}

/** A record found in a segment; its header lies in the scanner's buffer until the next one. */
export interface Found {
  offset: number
  /** Header and data. */
  bytes: number
  header: Buffer
}

export class Segments {
  readonly #dir: string
  #open = new Map<number, number>()

  constructor(dir: string) {
    this.#dir = dir
  }

  path(id: number): string {
    return path.join(this.#dir, `${id.toString(16).padStart(8, '0')}.seg`)
  }

  /** The oldest first. */
  list(): Segment[] {
    const segments: Segment[] = []
    for (const name of fs.readdirSync(this.#dir)) {
      const match = NAME.exec(name)
      if (!match) continue
      const stat = fs.statSync(path.join(this.#dir, name), { throwIfNoEntry: false })
      if (!stat?.isFile()) continue
      segments.push({
        id: Number.parseInt(match[1] as string, 16),
        bytes: stat.size,
        mtimeMs: stat.mtimeMs,
      })
    }
    return segments.sort((a, b) => a.id - b.id)
  }

  /** A new segment, newer than all. */
  create(): { id: number; fd: number } {
    const last = this.list().at(-1)?.id ?? 0
    for (let id = last < MAX_ID ? last + 1 : 1; ; id++) {
      try {
        return { id, fd: fs.openSync(this.path(id), 'wx', 0o600) }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || id === MAX_ID) throw error
      }
    }
  }

  /** A descriptor to read from, kept open; `undefined` when the segment is gone. */
  reader(id: number): number | undefined {
    const known = this.#open.get(id)
    if (known !== undefined) return known
    let fd: number
    try {
      fd = fs.openSync(this.path(id), 'r')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    if (this.#open.size >= MAX_OPEN) {
      const first = this.#open.keys().next().value as number
      this.#close(first)
    }
    this.#open.set(id, fd)
    return fd
  }

  /**
   * Removes a segment. It is emptied as well, so that its room is free at once even where another
   * process has it open; such a reader finds less than it looks for, and sees that the file is gone.
   */
  drop(id: number): void {
    this.#close(id)
    const file = this.path(id)
    try {
      const fd = fs.openSync(file, 'r+')
      try {
        fs.unlinkSync(file)
        fs.ftruncateSync(fd, 0)
      } finally {
        fs.closeSync(fd)
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }

  /** Forgets a descriptor: the file under this name may be another now. */
  #close(id: number): void {
    const fd = this.#open.get(id)
    if (fd === undefined) return
    this.#open.delete(id)
    fs.closeSync(fd)
  }

  /** Closes what others have removed. */
  forgetGone(): void {
    for (const [id, fd] of this.#open) if (fs.fstatSync(fd).nlink === 0) this.#close(id)
  }

  close(): void {
    for (const id of [...this.#open.keys()]) this.#close(id)
  }

  /**
   * The records of a segment, in order. What is no record is skipped: after a torn write or damage the
   * next header that holds is searched for.
   */
  *scan(id: number): Generator<Found> {
    const fd = this.reader(id)
    if (fd === undefined) return
    const size = fs.fstatSync(fd).size
    const head = Buffer.alloc(HEADER_BYTES)
    let offset = 0
    while (offset + HEADER_BYTES <= size) {
      if (fs.readSync(fd, head, 0, HEADER_BYTES, offset) < HEADER_BYTES) return
      const bytes = HEADER_BYTES + header.dataBytes(head, 0)
      if (header.isSound(head, 0) && offset + bytes <= size) {
        yield { offset, bytes, header: head }
        offset += bytes
      } else {
        offset = findMagic(fd, offset + 1, size)
      }
    }
  }
}

const MAGIC_BYTES = Buffer.alloc(4)
MAGIC_BYTES.writeUInt32LE(MAGIC)

/** Where the next four bytes lie that may start a record; `size` when there are none. */
function findMagic(fd: number, from: number, size: number): number {
  const piece = Buffer.alloc(Math.min(1 << 16, Math.max(4, size - from)))
  let at = from
  while (at < size) {
    const read = fs.readSync(fd, piece, 0, piece.length, at)
    if (read < 4) return size
    const found = piece.subarray(0, read).indexOf(MAGIC_BYTES)
    if (found >= 0) return at + found
    at += read - 3
  }
  return size
}
