/** A Qdrant collection as a store of embeddings, and a search in it. */

import type { Schemas } from '@qdrant/js-client-rest'
import { InvalidInputError } from '../../../common/errors.js'
import {
  checkNumeric,
  checkObject,
  checkRange,
  checkSignal,
  namesOf,
  refuseUnknown,
} from '../../../common/given.js'
import type { EmbedderInfo, Embedding, Outputs } from '../../../common/types.js'
import { isWellFormed } from '../../../common/utf8.js'
import type { EmbeddingStore } from '../../store.js'
import {
  type CollectionShape,
  checkNames,
  DEFAULT_NAMES,
  prepareCollection,
  type QdrantVectorNames,
  quoted,
} from './collection.js'
import {
  FIRST_RETRIES,
  QdrantConnection,
  type QdrantConnectionOptions,
  QdrantRequestError,
} from './connection.js'
import { pointId } from './point-id.js'
import {
  type Point,
  type PreparedPoint,
  preparePoint,
  type QdrantChunk,
  type QdrantPayload,
} from './points.js'
import { type HybridQueryOptions, hybridQuery } from './query.js'

/** Which collection, and what it holds. */
export interface QdrantStoreOptions extends QdrantConnectionOptions {
  collection: string
  /** What is stored. Default: dense alone. */
  outputs?: Outputs | undefined
  /** Names of the vectors. Default: `dense`, `sparse`, `colbert`. */
  names?: QdrantVectorNames | undefined
  /** Dimensions of dense vectors, when they are cut. Default: the model's. */
  dimensions?: number | undefined
  /** Whether a collection that is missing is created. Default: true. */
  create?: boolean | undefined
  /** What it is created with beside its vectors: `shard_number`, `quantization_config` ... */
  settings?: CollectionShape['settings'] | undefined
  /** Builds an HNSW graph of the multi-vectors too. Default: false; they rerank. */
  colbertIndex?: boolean | undefined
  /** Whether payloads have the texts. Default: true. */
  keepText?: boolean | undefined
  /** The most bytes of a request. Default: 16 MiB; Qdrant takes 32 MiB unless it is told otherwise. */
  maxRequestBytes?: number | undefined
  /** The most points of a request. Default: 128. */
  maxRequestPoints?: number | undefined
}

export const STORE_NAMES = namesOf<QdrantStoreOptions>({
  url: 1,
  apiKey: 1,
  timeoutMs: 1,
  retry: 1,
  onRetry: 1,
  signal: 1,
  collection: 1,
  outputs: 1,
  names: 1,
  dimensions: 1,
  create: 1,
  settings: 1,
  colbertIndex: 1,
  keepText: 1,
  maxRequestBytes: 1,
  maxRequestPoints: 1,
})

/** A point that a search found. */
export interface QdrantHit {
  /** The item's own id. */
  id: string
  /** What it is depends on the query's last stage: see `hybridQuery`. */
  score: number
  text: string | undefined
  metadata: Record<string, unknown> | undefined
  /** The id that Qdrant knows it by. */
  point: string | number
}

/** Options of a search: those of `hybridQuery`; the names are the store's. */
export type QdrantSearchOptions = Omit<HybridQueryOptions, 'names'>

/** Counts since the store was opened. */
export interface QdrantStoreStats {
  points: number
  /** Sent, tries included. */
  requests: number
  retries: number
  /** Multi-vectors of which only the first rows fit. */
  colbertCut: number
}

/** What the store must know of the model. */
export type QdrantModel = Pick<EmbedderInfo, 'dimensions' | 'fingerprint' | 'outputs'> &
  Partial<Pick<EmbedderInfo, 'colbertDimensions'>>

const REQUEST_BYTES = 16 * 2 ** 20
/** Qdrant's own limit, unless it is configured. */
export const MOST_REQUEST_BYTES = 32 * 2 ** 20
const REQUEST_POINTS = 128
/** Ids that are asked for at a time. */
const LOOKUP_IDS = 256

/** Writes embeddings to a collection, knows what is there, and searches it. */
export class QdrantStore implements EmbeddingStore {
  readonly #connection: QdrantConnection
  readonly #shape: CollectionShape
  readonly #model: string
  readonly #create: boolean
  readonly #keepText: boolean
  readonly #limits: { bytes: number; points: number }
  /** Of chunks whose size was asked for: to go through all their numbers once is enough. */
  readonly #known = new WeakMap<QdrantChunk, PreparedPoint>()
  #points = 0
  #colbertCut = 0

  private constructor(
    connection: QdrantConnection,
    shape: CollectionShape,
    { fingerprint }: QdrantModel,
    options: QdrantStoreOptions,
  ) {
    this.#connection = connection
    this.#shape = shape
    this.#model = fingerprint
    this.#create = options.create ?? true
    this.#keepText = options.keepText ?? true
    this.#limits = {
      bytes: options.maxRequestBytes ?? REQUEST_BYTES,
      points: options.maxRequestPoints ?? REQUEST_POINTS,
    }
  }

  /**
   * Checks the options; nothing is sent before `prepare`.
   *
   * @param model `embedder.info`, or what it says
   * @throws InvalidInputError
   */
  static async open(model: QdrantModel, options: QdrantStoreOptions): Promise<QdrantStore> {
    refuseUnknown(options, STORE_NAMES, 'QdrantStore.open')
    const { dense = false, sparse = false, colbert = false } = options.outputs ?? { dense: true }
    checkSignal(options.signal)
    checkObject(model, '`info`')
    checkObject(model.outputs, '`info.outputs`')
    checkNumeric({
      'info.dimensions': model.dimensions,
      'info.colbertDimensions': model.colbertDimensions,
    })
    const dimensions = options.dimensions ?? model.dimensions
    checkRange('dimensions', dimensions, 1, model.dimensions)
    checkRange('maxRequestBytes', options.maxRequestBytes, 1024, 2 ** 30)
    checkRange('maxRequestPoints', options.maxRequestPoints, 1, 10_000)
    const shape: CollectionShape = {
      collection: options.collection,
      outputs: { dense, sparse, colbert },
      names: {
        dense: options.names?.dense ?? DEFAULT_NAMES.dense,
        sparse: options.names?.sparse ?? DEFAULT_NAMES.sparse,
        colbert: options.names?.colbert ?? DEFAULT_NAMES.colbert,
      },
      dimensions,
      colbertDimensions: model.colbertDimensions || model.dimensions,
      colbertIndex: options.colbertIndex ?? false,
      settings: options.settings ?? {},
    }
    checkNames(shape)
    for (const output of ['sparse', 'colbert'] as const) {
      if (!shape.outputs[output] || model.outputs[output]) continue
      throw new InvalidInputError(`This model has no ${output} head: leave out ${output}.`)
    }
    return new QdrantStore(await QdrantConnection.open(options), shape, model, options)
  }

  /** Counts since the store was opened. */
  get stats(): QdrantStoreStats {
    const { requests, retries } = this.#connection
    return { points: this.#points, requests, retries, colbertCut: this.#colbertCut }
  }

  /** @throws InvalidInputError for a collection that does not fit, or that another model has filled */
  async prepare(): Promise<void> {
    const created = await prepareCollection(this.#connection, this.#shape, this.#create)
    if (!created) await this.#checkModel()
  }

  /** Vectors of different models do not compare: one point tells what the others are of. */
  async #checkModel(): Promise<void> {
    const { collection } = this.#shape
    const { points } = await this.#connection.request(
      (api, init) =>
        api.scrollPoints(
          { collection_name: collection, limit: 1, with_payload: ['model'], with_vector: false },
          init,
        ),
      { most: FIRST_RETRIES },
    )
    const { model } = (points[0]?.payload ?? {}) as Partial<QdrantPayload>
    if (typeof model !== 'string' || model === this.#model) return
    throw new InvalidInputError(
      `The collection ${quoted(collection)} was filled by another model (its fingerprint is ` +
        `${JSON.stringify(model.slice(0, 64))}, not ${this.#model}): fill a new one.`,
    )
  }

  /**
   * What is larger than a request may be goes in several. When one of these cannot be written, those before
   * it stay: to write all of it again is safe.
   */
  async write(chunks: readonly QdrantChunk[]): Promise<void> {
    // one point per id, the last: also within a request
    const points = new Map<string, PreparedPoint>()
    for (const chunk of chunks) {
      const point = this.#prepared(chunk)
      points.delete(point.id)
      points.set(point.id, point)
    }
    for (const group of requestsOf([...points.values()], this.#limits)) await this.#upsert(group)
  }

  /** Bytes of an item's JSON at most. @throws InvalidInputError for an item that cannot be stored */
  sizeOf(chunk: QdrantChunk): number {
    return this.#prepared(chunk).bytes
  }

  #prepared(chunk: QdrantChunk): PreparedPoint {
    const known = this.#known.get(chunk)
    if (known) return known
    const { outputs, names } = this.#shape
    const point = preparePoint(chunk, { outputs, names, keepText: this.#keepText })
    if (point.bytes > this.#limits.bytes && jsonBytes(point.build()) > this.#limits.bytes) {
      throw new InvalidInputError(
        `An item is larger than a request may be (${this.#limits.bytes} bytes): see maxRequestBytes, or leave out its text.`,
      )
    }
    this.#known.set(chunk, point)
    return point
  }

  async #upsert(group: readonly PreparedPoint[]): Promise<void> {
    const { collection } = this.#shape
    const points = group.map((point) => point.build())
    try {
      await this.#connection.request<Schemas['UpdateResult']>(
        (api, init) => api.upsertPoints({ collection_name: collection, wait: true, points }, init),
        { mayQuote: true },
      )
    } catch (error) {
      // a server, or a proxy before it, with a lower limit than ours
      if (!(error instanceof QdrantRequestError) || !error.tooLarge || group.length < 2) throw error
      const half = Math.ceil(group.length / 2)
      await this.#upsert(group.slice(0, half))
      await this.#upsert(group.slice(half))
      return
    }
    this.#points += group.length
    this.#colbertCut += group.filter(({ colbertCut }) => colbertCut).length
  }

  async remove(ids: readonly string[]): Promise<void> {
    const { collection } = this.#shape
    const points = [...new Set(ids.filter(isWellFormed).map(pointId))]
    if (points.length === 0) return
    await this.#connection.request<Schemas['UpdateResult']>((api, init) =>
      api.deletePoints({ collection_name: collection, wait: true, points }, init),
    )
  }

  async stored(ids: readonly string[]): Promise<Set<string>> {
    return new Set((await this.digests(ids)).keys())
  }

  /** Those of these ids that this model's vectors are stored of, with the digests they were written with. */
  async digests(ids: readonly string[]): Promise<Map<string, string | undefined>> {
    const found = new Map<string, string | undefined>()
    const { collection } = this.#shape
    for (let from = 0; from < ids.length; from += LOOKUP_IDS) {
      // what can be no id is not there
      const valid = ids.slice(from, from + LOOKUP_IDS).filter(isWellFormed)
      const points = [...new Set(valid.map(pointId))]
      const records = await this.#connection.request((api, init) =>
        api.getPoints(
          {
            collection_name: collection,
            ids: points,
            with_payload: ['id', 'model', 'digest'],
            with_vector: false,
          },
          init,
        ),
      )
      for (const { payload } of records) {
        const { id, model, digest } = (payload ?? {}) as Partial<QdrantPayload>
        if (typeof id === 'string' && model === this.#model) found.set(id, digest)
      }
    }
    return found
  }

  /**
   * Searches with the outputs that the query's embedding has: see `hybridQuery`. The embedding must be of
   * the model that filled the collection.
   */
  async search(
    query: Pick<Embedding, 'dense' | 'sparse' | 'colbert'>,
    options: QdrantSearchOptions = {},
  ): Promise<QdrantHit[]> {
    const { dense, sparse, colbert } = query
    // a query without tokens, and nothing but lexical weights to search with
    if (!dense && !colbert && sparse?.indices.length === 0) return []
    const { collection, names } = this.#shape
    const body = hybridQuery(query, { ...options, names })
    const { points } = await this.#connection.request(
      (api, init) => api.queryPoints({ collection_name: collection, ...body }, init),
      { mayQuote: true },
    )
    return points.map(hitOf)
  }

  async close(): Promise<void> {
    this.#connection.close()
  }
}

function hitOf({ id, score, payload }: Schemas['ScoredPoint']): QdrantHit {
  const { id: own, text, metadata } = (payload ?? {}) as Partial<QdrantPayload>
  return { id: typeof own === 'string' ? own : String(id), score, text, metadata, point: id }
}

function jsonBytes(point: Point): number {
  return Buffer.byteLength(JSON.stringify(point))
}

/** Points in order, cut into what fits a request; one that is larger goes alone. */
export function requestsOf<T extends { bytes: number }>(
  points: readonly T[],
  limits: { bytes: number; points: number },
): T[][] {
  const groups: T[][] = []
  let group: T[] = []
  let bytes = 0
  for (const point of points) {
    const isFull = group.length >= limits.points || bytes + point.bytes > limits.bytes
    if (group.length > 0 && isFull) {
      groups.push(group)
      group = []
      bytes = 0
    }
    group.push(point)
    bytes += point.bytes
  }
  if (group.length > 0) groups.push(group)
  return groups
}
