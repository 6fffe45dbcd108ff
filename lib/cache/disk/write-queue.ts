/** Records on their way to the disk, in order, found by key until they are there. */
import type { ModelKey } from '../entry/key.js'
import { type Value, viewValue } from '../entry/value.js'
import { encodeRecord, HEADER_BYTES, type RecordInfo } from './layout.js'

/** More is not kept, so that a disk that cannot keep up costs no memory. */
export const MAX_PENDING_BYTES = 32 << 20
/** Records written at a time. */
const BATCH_RECORDS = 256
const BATCH_BYTES = 8 << 20

export interface Pending {
  readonly key: string
  readonly record: Buffer
  readonly model: ModelKey
  /** A view of the record. */
  readonly value: Value
  readonly tokenCount: number
  readonly created: number
}

export class WriteQueue {
  bytes = 0
  #pending = new Map<string, Pending>()

  get size(): number {
    return this.#pending.size
  }

  get(key: string): Pending | undefined {
    return this.#pending.size > 0 ? this.#pending.get(key) : undefined
  }

  /** Whether there is room; for one record there always is. */
  accepts(bytes: number): boolean {
    return this.#pending.size === 0 || this.bytes + bytes <= MAX_PENDING_BYTES
  }

  /** Adds a record, its value copied. */
  add(key: string, info: RecordInfo & { model: ModelKey }, from: Value): void {
    const record = encodeRecord(info, from)
    const at = record.byteOffset + HEADER_BYTES
    const memory = record.buffer as ArrayBuffer
    const value = viewValue(info.kind, memory, at, record.length - HEADER_BYTES) as Value
    const { model, tokenCount, created } = info
    this.delete(key)
    this.#pending.set(key, { key, record, model, value, tokenCount, created })
    this.bytes += record.length
  }

  /** The next to be written; they stay in the queue. */
  batch(): Pending[] {
    const batch: Pending[] = []
    let bytes = 0
    for (const pending of this.#pending.values()) {
      if (batch.length > 0 && (batch.length >= BATCH_RECORDS || bytes >= BATCH_BYTES)) break
      batch.push(pending)
      bytes += pending.record.length
    }
    return batch
  }

  delete(key: string): void {
    const pending = this.#pending.get(key)
    if (!pending) return
    this.#pending.delete(key)
    this.bytes -= pending.record.length
  }

  /** Removes the records that are picked, and says how many. */
  remove(pick: (pending: Pending) => boolean): number {
    const gone = [...this.#pending.values()].filter(pick)
    for (const { key } of gone) this.delete(key)
    return gone.length
  }
}
