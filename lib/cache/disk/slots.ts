/**
 * The index: one file of slots, 64 to a bucket of 4,096 bytes, as a set-associative cache has them. A
 * text's bucket follows from its hash, and the slots of a full bucket go to what was not used for the
 * longest time.
 *
 * All processes read and write it at once, without a lock: each slot has a checksum, a write touches
 * one slot, and the worst two writers can do is to lose an entry. No byte of it is believed unless the
 * checksum of its slot holds, so that it can be damaged anywhere.
 */
import fs from 'node:fs'
import type { Kind, ModelKey } from '../entry/key.js'
import { isExpired, meta, SLOT_BYTES, SLOT_META, slot } from './layout.js'

export const BUCKET_SLOTS = 64
export const BUCKET_BYTES = BUCKET_SLOTS * SLOT_BYTES
/** Store bytes for which there is a slot. */
const BYTES_PER_SLOT = 1024
const MIN_BUCKETS = 8
const MAX_BUCKETS = 1 << 22
/** Buckets whose slots are counted one by one, which takes some 15 ms. */
const MOST_COUNTED = 1 << 14

/** Buckets for a store of so many bytes: a power of two. */
export function bucketsFor(maxBytes: number): number {
  const wanted = maxBytes / (BYTES_PER_SLOT * BUCKET_SLOTS)
  let buckets = MIN_BUCKETS
  while (buckets < wanted && buckets < MAX_BUCKETS) buckets *= 2
  return buckets
}

export function isBucketCount(count: number): boolean {
  return count >= MIN_BUCKETS && count <= MAX_BUCKETS && (count & (count - 1)) === 0
}

export type Placing = 'added' | 'replaced' | 'evicted'

export class SlotTable {
  readonly buckets: number
  readonly fd: number
  /** Slots that were found damaged, and freed. */
  damaged = 0
  /** The bucket that was read last. */
  readonly buffer: Buffer = Buffer.from(new ArrayBuffer(BUCKET_BYTES))
  #words = new Uint32Array(this.buffer.buffer)
  #number = 0
  #tag = Buffer.from(new ArrayBuffer(16))
  #tagWords = new Uint32Array(this.#tag.buffer)
  #spare = Buffer.alloc(SLOT_BYTES)
  #writable: boolean

  constructor(fd: number, buckets: number, writable: boolean) {
    this.fd = fd
    this.buckets = buckets
    this.#writable = writable
  }

  /** Reads the bucket of a text's entries, for `find` to look in. */
  seek(model: ModelKey, tag: string): void {
    this.#tag.write(tag, 0, 16, 'latin1')
    this.#load(((this.#tagWords[0] as number) ^ model.word0) & (this.buckets - 1))
  }

  #load(number: number): void {
    this.#number = number
    this.readBuckets(number, this.buffer)
  }

  /** Reads as many buckets as fit. Beyond the end of a file that was cut short, all is free. */
  readBuckets(first: number, into: Buffer): void {
    const read = fs.readSync(this.fd, into, 0, into.length, first * BUCKET_BYTES)
    if (read < into.length) into.fill(0, read)
  }

  /** Where in `buffer` the slot of an entry lies, or -1. To be called after `seek`. */
  find(model: ModelKey, kind: Kind, variant: number): number {
    return this.#find(model.word0, model.word1, kind, variant)
  }

  #find(word0: number, word1: number, kind: number, variant: number): number {
    const words = this.#words
    const tag = this.#tagWords
    const tag0 = tag[0]
    for (let w = 0; w < BUCKET_BYTES / 4; w += SLOT_BYTES / 4) {
      if (
        words[w + 2] === tag0 &&
        words[w + 3] === tag[1] &&
        words[w + 4] === tag[2] &&
        words[w + 5] === tag[3] &&
        words[w + 6] === word0 &&
        words[w + 7] === word1 &&
        words[w + 8] === variant &&
        this.buffer[w * 4 + SLOT_META] === kind &&
        this.#isSound(w * 4)
      ) {
        return w * 4
      }
    }
    return -1
  }

  /** A slot that fails its checksum may just be being written: it is read a second time. */
  #isSound(at: number): boolean {
    if (slot.isSound(this.buffer, at)) return true
    const position = this.#number * BUCKET_BYTES + at
    const read = fs.readSync(this.fd, this.#spare, 0, SLOT_BYTES, position)
    if (read === SLOT_BYTES && slot.isSound(this.#spare, 0)) {
      this.#spare.copy(this.buffer, at)
      return true
    }
    this.damaged++
    this.free(at)
    return false
  }

  /** Writes a changed slot of the bucket that was read last. */
  update(at: number): void {
    slot.seal(this.buffer, at)
    this.#write(at)
  }

  /** Frees a slot of the bucket that was read last. */
  free(at: number): void {
    this.buffer.fill(0, at, at + SLOT_BYTES)
    if (this.#writable) this.#write(at)
  }

  #write(at: number): void {
    const position = this.#number * BUCKET_BYTES + at
    fs.writeSync(this.fd, this.buffer, at, SLOT_BYTES, position)
  }

  /** Reads the bucket of the entry whose meta lies in `from`, and finds its slot there, or -1. */
  seekMeta(from: Buffer, metaAt: number): number {
    from.copy(this.#tag, 0, metaAt + 4, metaAt + 20)
    const word0 = from.readUInt32LE(metaAt + 20)
    this.#load(((this.#tagWords[0] as number) ^ word0) & (this.buckets - 1))
    const kind = meta.kind(from, metaAt)
    return this.#find(word0, from.readUInt32LE(metaAt + 24), kind, meta.variant(from, metaAt))
  }

  /** Gives an entry its slot: the one it has, else a free one, else that of the least recently used. */
  put(bytes: Buffer, now: number, ttlMs: number): Placing {
    const old = this.seekMeta(bytes, SLOT_META)
    // starting in different places, two processes seldom take the same free slot
    const start = (bytes[SLOT_META + 8] as number) % BUCKET_SLOTS
    const [at, placing] = old >= 0 ? ([old, 'replaced'] as const) : this.#place(start, now, ttlMs)
    bytes.copy(this.buffer, at)
    this.#write(at)
    return placing
  }

  #place(start: number, now: number, ttlMs: number): readonly [number, Placing] {
    const { buffer } = this
    for (let i = 0; i < BUCKET_SLOTS; i++) {
      const at = ((start + i) % BUCKET_SLOTS) * SLOT_BYTES
      if (slot.isFree(buffer, at)) return [at, 'added']
    }
    let oldest = 0
    let oldestAccess = Number.POSITIVE_INFINITY
    for (let at = 0; at < BUCKET_BYTES; at += SLOT_BYTES) {
      if (!this.#isSound(at)) return [at, 'added']
      if (isExpired(meta.created(buffer, at + SLOT_META), now, ttlMs)) return [at, 'added']
      const access = meta.access(buffer, at + SLOT_META)
      // an access in the future is a clock that was ahead
      if (Math.min(access, now) < oldestAccess) {
        oldestAccess = Math.min(access, now)
        oldest = at
      }
    }
    return [oldest, 'evicted']
  }

  /**
   * Calls `visit` for each sound slot; what it returns is done to the slot. The buffer is valid during
   * the call only. Yields between pieces of 64 buckets, so that a caller can let others run.
   */
  *walk(visit: (buffer: Buffer, at: number) => 'keep' | 'update' | 'free'): Generator<void> {
    const many = Math.min(64, this.buckets)
    const piece = Buffer.alloc(many * BUCKET_BYTES)
    for (let bucket = 0; bucket < this.buckets; bucket += many) {
      this.readBuckets(bucket, piece)
      for (let at = 0; at < piece.length; at += SLOT_BYTES) {
        if (slot.isFree(piece, at) || !slot.isSound(piece, at)) continue
        const action = visit(piece, at)
        if (action === 'keep') continue
        if (action === 'free') piece.fill(0, at, at + SLOT_BYTES)
        else slot.seal(piece, at)
        fs.writeSync(this.fd, piece, at, SLOT_BYTES, bucket * BUCKET_BYTES + at)
      }
      yield
    }
  }

  /**
   * Entries in the index: counted, or in an index for more than a million extrapolated from a part
   * (hashes fill all parts alike).
   */
  count(): { entries: number; estimated: boolean } {
    const step = Math.max(1, this.buckets / MOST_COUNTED)
    const many = Math.min(64, this.buckets)
    const piece = Buffer.from(new ArrayBuffer(many * BUCKET_BYTES))
    const words = new Uint32Array(piece.buffer)
    let entries = 0
    for (let bucket = 0; bucket < this.buckets; bucket += many * step) {
      this.readBuckets(bucket, piece)
      // the checksum of a slot in use is not 0, but for one in four billion
      for (let w = 0; w < words.length; w += SLOT_BYTES / 4) if (words[w] !== 0) entries++
    }
    return { entries: entries * step, estimated: step > 1 }
  }

  /** Frees every slot, for all processes: the file is cut to nothing, and grows as it is written. */
  clear(): void {
    fs.ftruncateSync(this.fd, 0)
  }

  /** Bytes the file takes on the disk: it has holes. */
  diskBytes(): number {
    const { size, blocks } = fs.fstatSync(this.fd)
    return blocks > 0 ? Math.min(blocks * 512, size) : size
  }

  /** Whether another process has put an index of another size in this one's place. */
  isGone(): boolean {
    return fs.fstatSync(this.fd).nlink === 0
  }

  close(): void {
    fs.closeSync(this.fd)
  }
}
