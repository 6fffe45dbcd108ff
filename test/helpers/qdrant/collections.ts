/** Collections in memory, with what Qdrant refuses and how it says so. */
import type { Schemas } from '@qdrant/js-client-rest'

/** An answer that is an error. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message)
  }
}

export interface SparseVector {
  indices: number[]
  values: Float64Array
}

/** As they are compared: of unit length where the distance is Cosine. */
export interface StoredPoint {
  id: string | number
  /** How often it was written. */
  writes: number
  version: number
  payload: Record<string, unknown>
  dense: Map<string, Float64Array>
  sparse: Map<string, SparseVector>
  multi: Map<string, Float64Array[]>
}

type VectorParams = Schemas['VectorParams']

/** What the server is built with in release mode: a multi-vector has fewer numbers than that. */
const MULTIVECTOR_NUMBERS = 1024 * 1024
const FORBIDDEN = [...'<>:"/\\|?*\0\u001f']

export class Collection {
  readonly points = new Map<string | number, StoredPoint>()
  readonly vectors: Record<string, VectorParams>
  readonly sparse: Record<string, Schemas['SparseVectorParams']>
  readonly #body: Schemas['CreateCollection']
  #version = 0

  constructor(name: string, body: Schemas['CreateCollection']) {
    checkName(name, 'collection name', 255)
    this.#body = body
    this.sparse = (body.sparse_vectors ?? {}) as typeof this.sparse
    const { vectors = {} } = body
    // a vector without a name has the empty one
    this.vectors = isUnnamed(vectors) ? { '': vectors } : (vectors as Record<string, VectorParams>)
    for (const [vector, params] of Object.entries(this.vectors)) {
      checkName(vector, 'vector name', 200)
      if (params.size < 1 || params.size > 65_536) {
        throw new Refused(422, `Validation error in JSON body: [vectors.size: value invalid]`)
      }
    }
    for (const vector of Object.keys(this.sparse)) checkName(vector, 'vector name', 200)
  }

  info(): Schemas['CollectionInfo'] {
    const { vectors, sparse_vectors, hnsw_config, quantization_config, metadata } = this.#body
    return {
      status: 'green',
      optimizer_status: 'ok',
      indexed_vectors_count: 0,
      points_count: this.points.size,
      segments_count: 2,
      config: {
        params: {
          ...(vectors ? { vectors } : {}),
          ...(sparse_vectors ? { sparse_vectors } : {}),
          shard_number: this.#body.shard_number ?? 1,
          replication_factor: 1,
          write_consistency_factor: 1,
          on_disk_payload: this.#body.on_disk_payload ?? true,
        },
        hnsw_config: {
          m: 16,
          ef_construct: 100,
          full_scan_threshold: 10_000,
          ...(hnsw_config as object),
        },
        optimizer_config: {
          deleted_threshold: 0.2,
          vacuum_min_vector_number: 1000,
          default_segment_number: 0,
          flush_interval_sec: 5,
        },
        wal_config: { wal_capacity_mb: 32, wal_segments_ahead: 0 },
        quantization_config: quantization_config ?? null,
        ...(metadata ? { metadata } : {}),
      },
      payload_schema: {},
    }
  }

  /** All or nothing, as one entry of the write-ahead log. */
  upsert(points: readonly Schemas['PointStruct'][]): Schemas['UpdateResult'] {
    const checked = points.map((point) => this.#check(point))
    this.#version++
    for (const point of checked) {
      point.version = this.#version
      point.writes = (this.points.get(point.id)?.writes ?? 0) + 1
      this.points.set(point.id, point)
    }
    return { operation_id: this.#version, status: 'completed' }
  }

  #check({ id, vector, payload }: Schemas['PointStruct']): StoredPoint {
    const stored: StoredPoint = {
      id: checkId(id),
      writes: 0,
      version: 0,
      payload: (payload ?? {}) as Record<string, unknown>,
      dense: new Map(),
      sparse: new Map(),
      multi: new Map(),
    }
    checkUnicode(payload)
    const named = Array.isArray(vector) ? { '': vector } : (vector as Record<string, unknown>)
    for (const [name, value] of Object.entries(named)) this.#addVector(stored, name, value)
    return stored
  }

  #addVector(stored: StoredPoint, name: string, value: unknown): void {
    const params = this.vectors[name]
    if (Object.hasOwn(this.sparse, name)) {
      stored.sparse.set(name, checkSparse(value))
    } else if (params === undefined || !Object.hasOwn(this.vectors, name)) {
      throw new Refused(400, `Wrong input: Not existing vector name error: ${name}`)
    } else if (params.multivector_config) {
      stored.multi.set(name, checkMulti(value, params))
    } else {
      stored.dense.set(name, checkDense(value, params))
    }
  }
}

function isUnnamed(vectors: Schemas['VectorsConfig']): vectors is VectorParams {
  return typeof vectors.size === 'number'
}

function checkName(name: string, kind: string, most: number): void {
  const character = FORBIDDEN.find((one) => name.includes(one))
  if (character !== undefined) {
    throw new Refused(422, `Validation error: [${kind} cannot contain "${character}" char]`)
  }
  if (Buffer.byteLength(name) > most) throw new Refused(422, `Validation error: [${kind} too long]`)
}

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i

export function checkId(id: unknown): string | number {
  if (typeof id === 'number' && Number.isInteger(id) && id >= 0) return id
  if (typeof id === 'string' && UUID.test(id)) {
    const hex = id.replaceAll('-', '').toLowerCase()
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  }
  throw new Refused(
    400,
    'Format error in JSON body: value is not a valid point ID, valid values are either an unsigned integer or a UUID',
  )
}

/** serde reads no JSON with half a surrogate pair. */
function checkUnicode(value: unknown): void {
  if (typeof value === 'string') {
    if (!/\p{Surrogate}/u.test(value)) return
    throw new Refused(400, 'Format error in JSON body: lone leading surrogate in hex escape')
  }
  if (typeof value !== 'object' || value === null) return
  for (const [key, member] of Object.entries(value)) {
    checkUnicode(key)
    checkUnicode(member)
  }
}

function toFloats(values: readonly unknown[]): Float64Array {
  return Float64Array.from(values, (value) => {
    // parsed as a float32
    const float = typeof value === 'number' ? Math.fround(value) : Number.NaN
    if (!Number.isFinite(float)) throw new Refused(400, 'Format error in JSON body: invalid number')
    return float
  })
}

export function checkDense(value: unknown, params: VectorParams): Float64Array {
  if (!Array.isArray(value) || Array.isArray(value[0])) {
    throw new Refused(400, 'Wrong input: Conversion between multi and regular vectors failed')
  }
  if (value.length !== params.size) {
    throw new Refused(
      400,
      `Wrong input: Vector dimension error: expected dim: ${params.size}, got ${value.length}`,
    )
  }
  const floats = toFloats(value)
  return params.distance === 'Cosine' ? unit(floats) : floats
}

export function checkMulti(value: unknown, params: VectorParams): Float64Array[] {
  if (!Array.isArray(value)) {
    throw new Refused(400, 'Wrong input: Conversion between multi and regular vectors failed')
  }
  const rows: unknown[][] = Array.isArray(value[0]) ? value : [value]
  if (value.length === 0) throw invalid('multi vector must not be empty')
  if (rows.some((row) => row.length === 0)) throw invalid('all vectors must be non-empty')
  const total = rows.reduce((sum, row) => sum + row.length, 0)
  if (total >= MULTIVECTOR_NUMBERS) {
    throw invalid(`Total size of all vectors (${total}) must be less than ${MULTIVECTOR_NUMBERS}`)
  }
  if (rows.some((row) => row.length !== rows[0]?.length)) {
    throw invalid('all vectors must have the same dimension')
  }
  return rows.map((row) => checkDense(row, params))
}

export function checkSparse(value: unknown): SparseVector {
  const { indices, values } = (value ?? {}) as { indices?: number[]; values?: number[] }
  if (!indices || !values) throw new Refused(400, 'Wrong input: Conversion between sparse failed')
  if (indices.length !== values.length) throw invalid('values: must be the same length as indices')
  if (new Set(indices).size !== indices.length) throw invalid('indices: must be unique')
  if (indices.some((index) => !Number.isInteger(index) || index < 0 || index >= 2 ** 32)) {
    throw new Refused(400, 'Format error in JSON body: invalid value, expected u32')
  }
  return { indices, values: toFloats(values) }
}

function invalid(message: string): Refused {
  return new Refused(422, `Validation error in JSON body: [${message}]`)
}

function unit(values: Float64Array): Float64Array {
  const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))
  return length === 0 ? values : values.map((value) => Math.fround(value / length))
}
