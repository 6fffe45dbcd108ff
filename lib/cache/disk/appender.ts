/** Writes records to this process's own segment, and starts another when it is full or was removed. */
import fs from 'node:fs'
import { promisify } from 'node:util'
import type { Segments } from './segments.js'

const writev = promisify(fs.writev)
const ftruncate = promisify(fs.ftruncate)

export interface Place {
  segment: number
  offset: number
  bytes: number
}

/** A segment that is written to. */
interface Own {
  readonly id: number
  readonly fd: number
  size: number
  /** A write is under way: the descriptor must stay open, or the write may end in another file. */
  busy: boolean
  finished: boolean
}

export class Appender {
  readonly #segments: Segments
  readonly #segmentBytes: number
  #own: Own | undefined

  constructor(segments: Segments, segmentBytes: number) {
    this.#segments = segments
    this.#segmentBytes = segmentBytes
  }

  /** The segment that is written to. */
  get segment(): number | undefined {
    return this.#own?.id
  }

  /** Writes records one after the other, all to one segment, and says where each lies. */
  async append(records: readonly Buffer[]): Promise<Place[]> {
    const own = this.#ready()
    const total = records.reduce((sum, record) => sum + record.length, 0)
    own.busy = true
    try {
      await writeAll(own.fd, records, total, own.size)
    } catch (error) {
      // what a full disk took of it must not be taken for room that is used
      await ftruncate(own.fd, own.size).catch(() => {})
      throw error
    } finally {
      own.busy = false
      if (own.finished) fs.closeSync(own.fd)
    }
    return records.map((record) => {
      const place = { segment: own.id, offset: own.size, bytes: record.length }
      own.size += record.length
      return place
    })
  }

  /** Our segment, if it is still there and not full; else a new one. */
  #ready(): Own {
    const own = this.#own
    if (own && (own.size >= this.#segmentBytes || fs.fstatSync(own.fd).nlink === 0)) this.finish()
    this.#own ??= { ...this.#segments.create(), size: 0, busy: false, finished: false }
    return this.#own
  }

  /** Ends the segment that is written to; it is an old one from here on. */
  finish(): void {
    const own = this.#own
    if (!own) return
    this.#own = undefined
    own.finished = true
    if (!own.busy) fs.closeSync(own.fd)
  }
}

async function writeAll(
  fd: number,
  records: readonly Buffer[],
  total: number,
  position: number,
): Promise<void> {
  const { bytesWritten } = await writev(fd, records, position)
  if (bytesWritten === total) return
  // a disk that is nearly full takes a part; asked again it says why
  let rest = Buffer.concat(records).subarray(bytesWritten)
  let at = position + bytesWritten
  while (rest.length > 0) {
    const more = await writev(fd, [rest], at)
    if (more.bytesWritten === 0) throw new Error('The disk takes no more.')
    rest = rest.subarray(more.bytesWritten)
    at += more.bytesWritten
  }
}
