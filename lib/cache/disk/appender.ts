/** Writes records to this process's own segment, and starts another when it is full or was removed. */
import fs from 'node:fs'
import { promisify } from 'node:util'
import type { Segments } from './segments.js'

const writev = promisify(fs.writev)
const fstat = promisify(fs.fstat)

export interface Place {
  segment: number
  offset: number
  bytes: number
}

export class Appender {
  readonly #segments: Segments
  readonly #segmentBytes: number
  #own: { id: number; fd: number; size: number } | undefined

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
    const own = await this.#ready()
    const total = records.reduce((sum, record) => sum + record.length, 0)
    try {
      await writeAll(own.fd, records, total, own.size)
    } catch (error) {
      // what a full disk took of it must not be taken for room that is used
      fs.ftruncate(own.fd, own.size, () => {})
      throw error
    }
    const places = records.map((record) => {
      const place = { segment: own.id, offset: own.size, bytes: record.length }
      own.size += record.length
      return place
    })
    return places
  }

  async #ready(): Promise<{ id: number; fd: number; size: number }> {
    if (this.#own) {
      const { nlink } = await fstat(this.#own.fd)
      if (this.#own && (nlink === 0 || this.#own.size >= this.#segmentBytes)) this.finish()
    }
    this.#own ??= { ...this.#segments.create(), size: 0 }
    return this.#own
  }

  /** Ends the segment that is written to; it is an old one from here on. */
  finish(): void {
    if (!this.#own) return
    fs.closeSync(this.#own.fd)
    this.#own = undefined
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
