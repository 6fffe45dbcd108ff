/** Vectors by the hundred: what a row of `segments` holds, packed and unpacked. */

import { blobFloats, blobIntegers, bytesOf, type Database, type SqlRow } from './database.js'

/** A text's vectors as they are stored. */
export interface StoredVector {
  id: number
  dense: Float32Array
  /** Absent for models without the head: then no weights are stored. */
  sparse?: { indices: Uint32Array; values: Float32Array } | undefined
}

export interface Segment {
  /** Of vectors. */
  ids: Uint32Array
  /** `ids.length` rows, one after another. */
  dense: Float32Array
  /** Row i has the weights from `offsets[i]` to `offsets[i + 1]`. */
  offsets: Uint32Array
  indices: Uint32Array
  weights: Float32Array
}

const COLUMNS = 'rows, ids, dense, offsets, indices, weights'

/** @returns the id of the new segment */
export function writeSegment(db: Database, vectors: readonly StoredVector[]): number {
  return insert(db, pack(vectors))
}

export function replaceSegment(db: Database, id: number, segment: readonly StoredVector[]): void {
  db.run(
    'UPDATE segments SET rows = ?, ids = ?, dense = ?, offsets = ?, indices = ?, weights = ? WHERE id = ?',
    ...blobs(pack(segment)),
    id,
  )
}

function insert(db: Database, segment: Segment): number {
  return db.run(`INSERT INTO segments (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`, ...blobs(segment))
    .lastInsertRowid
}

function blobs({ ids, dense, offsets, indices, weights }: Segment) {
  const arrays = [ids, dense, offsets, indices, weights].map(bytesOf)
  return [ids.length, ...arrays] as const
}

/** Undefined if it is gone, merged into another by who writes at the same time. */
export function readSegment(db: Database, id: number): Segment | undefined {
  const row = db.first(`SELECT ${COLUMNS} FROM segments WHERE id = ?`, id)
  return row && segmentOf(row)
}

function segmentOf(row: SqlRow): Segment {
  return {
    ids: blobIntegers(row.ids),
    dense: blobFloats(row.dense),
    offsets: blobIntegers(row.offsets),
    indices: blobIntegers(row.indices),
    weights: blobFloats(row.weights),
  }
}

/** Row `i`, as views of the segment's arrays. */
function vectorAt(segment: Segment, i: number): StoredVector {
  const { ids, dense } = segment
  const dimensions = dense.length / ids.length
  return {
    id: ids[i] as number,
    dense: dense.subarray(i * dimensions, (i + 1) * dimensions),
    sparse: sparseAt(segment, i),
  }
}

export function sparseAt({ offsets, indices, weights }: Segment, i: number) {
  const from = offsets[i] as number
  const to = offsets[i + 1] as number
  return { indices: indices.subarray(from, to), values: weights.subarray(from, to) }
}

export function unpack(segment: Segment): StoredVector[] {
  return Array.from(segment.ids, (_, i) => vectorAt(segment, i))
}

function pack(vectors: readonly StoredVector[]): Segment {
  const dimensions = vectors[0]?.dense.length ?? 0
  const ids = new Uint32Array(vectors.length)
  const dense = new Float32Array(vectors.length * dimensions)
  const offsets = new Uint32Array(vectors.length + 1)
  vectors.forEach((vector, i) => {
    ids[i] = vector.id
    dense.set(vector.dense, i * dimensions)
    offsets[i + 1] = (offsets[i] as number) + (vector.sparse?.indices.length ?? 0)
  })
  const total = offsets[vectors.length] as number
  const indices = new Uint32Array(total)
  const weights = new Float32Array(total)
  vectors.forEach(({ sparse }, i) => {
    if (!sparse) return
    indices.set(sparse.indices, offsets[i])
    weights.set(sparse.values, offsets[i])
  })
  return { ids, dense, offsets, indices, weights }
}
