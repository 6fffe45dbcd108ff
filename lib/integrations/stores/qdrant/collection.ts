/** The collection: made to fit what a model gives, or checked for fitting before any text is embedded. */

import type { Schemas } from '@qdrant/js-client-rest'
import { InvalidInputError } from '../../../common/errors.js'
import type { Outputs } from '../../../common/types.js'
import { FIRST_RETRIES, type QdrantConnection, QdrantRequestError } from './connection.js'

/** Names of a point's vectors. */
export interface QdrantVectorNames {
  dense?: string | undefined
  sparse?: string | undefined
  colbert?: string | undefined
}

export const DEFAULT_NAMES = { dense: 'dense', sparse: 'sparse', colbert: 'colbert' } as const

/** What a collection must hold. */
export interface CollectionShape {
  collection: string
  outputs: Required<Outputs>
  names: { dense: string; sparse: string; colbert: string }
  /** Numbers in a dense vector. */
  dimensions: number
  /** Numbers in a row of a multi-vector. */
  colbertDimensions: number
  /** Whether the multi-vectors get an HNSW graph too: not needed where they only rerank. */
  colbertIndex: boolean
  /** What a collection is created with beside its vectors, such as `shard_number`. */
  settings: Omit<Partial<Schemas['CreateCollection']>, 'vectors' | 'sparse_vectors'>
}

/** Qdrant keeps collections and vectors in folders of their names. */
const FORBIDDEN = [...'<>:"/\\|?*\0\u001f']
const LONGEST_NAME = { collection: 255, vector: 200 }

/** @throws InvalidInputError */
export function checkNames({ collection, names, outputs }: CollectionShape): void {
  checkName('collection', collection, LONGEST_NAME.collection)
  const used = (['dense', 'sparse', 'colbert'] as const).filter((output) => outputs[output])
  if (used.length === 0) {
    throw new InvalidInputError('Nothing is to be stored: choose dense, sparse or colbert.')
  }
  for (const output of used) checkName(`${output} vector`, names[output], LONGEST_NAME.vector)
  if (new Set(used.map((output) => names[output])).size < used.length) {
    throw new InvalidInputError('Two vectors have the same name: each needs one of its own.')
  }
}

function checkName(what: string, name: string, most: number): void {
  const wrong = (why: string) => new InvalidInputError(`The name of the ${what} ${why}.`)
  if (typeof name !== 'string' || name === '') throw wrong('is empty')
  if (FORBIDDEN.some((character) => name.includes(character)))
    throw wrong('has a character that Qdrant does not take: < > : " / \\ | ? *')
  // they would be read as steps of a path
  if (name === '.' || name === '..') throw wrong('is no name')
  if (Buffer.byteLength(name) > most) throw wrong(`is longer than ${most} bytes`)
  if (/\p{Surrogate}/u.test(name)) throw wrong('is not valid Unicode')
}

/**
 * Creates the collection, or checks the one that is there.
 *
 * @returns whether it was created
 * @throws InvalidInputError naming what does not fit
 */
export async function prepareCollection(
  connection: QdrantConnection,
  shape: CollectionShape,
  create: boolean,
): Promise<boolean> {
  const { collection } = shape
  const get = () =>
    connection
      .request((api, init) => api.getCollection({ collection_name: collection }, init), {
        most: FIRST_RETRIES,
      })
      .catch(absent(404))
  let info = await get()
  if (info === undefined) {
    if (!create) throw new InvalidInputError(`There is no collection ${quoted(collection)}.`)
    const created = await connection
      .request((api, init) =>
        api.createCollection({ collection_name: collection, ...creation(shape) }, init),
      )
      // another process was quicker, or an earlier try was heard after all
      .catch(absent(409))
    if (created !== undefined) return true
    info = await get()
    if (info === undefined) {
      throw new InvalidInputError(`The collection ${quoted(collection)} is there and is not.`)
    }
  }
  checkCollection(info, shape)
  return false
}

/** `undefined` for an answer of this status. */
function absent(status: number): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof QdrantRequestError && error.status === status) return undefined
    throw error
  }
}

/** The body that creates the collection. */
export function creation(shape: CollectionShape): Schemas['CreateCollection'] {
  const { outputs, names, dimensions, colbertDimensions, colbertIndex, settings } = shape
  const vectors: Record<string, Schemas['VectorParams']> = {}
  if (outputs.dense) vectors[names.dense] = { size: dimensions, distance: 'Cosine' }
  if (outputs.colbert) {
    vectors[names.colbert] = {
      size: colbertDimensions,
      distance: 'Cosine',
      multivector_config: { comparator: 'max_sim' },
      // no graph is built: a rerank compares the candidates one by one
      ...(colbertIndex ? {} : { hnsw_config: { m: 0 } }),
    }
  }
  return {
    ...settings,
    vectors,
    ...(outputs.sparse ? { sparse_vectors: { [names.sparse]: {} } } : {}),
  }
}

/** @throws InvalidInputError */
export function checkCollection(info: Schemas['CollectionInfo'], shape: CollectionShape): void {
  const { outputs, names, dimensions, colbertDimensions, collection } = shape
  const { vectors = {}, sparse_vectors } = info.config.params
  const where = `The collection ${quoted(collection)}`
  if (isUnnamed(vectors)) {
    throw new InvalidInputError(
      `${where} has one vector without a name; make a collection with named vectors.`,
    )
  }
  const find = (name: string, kind: string): Schemas['VectorParams'] => {
    const params = Object.hasOwn(vectors, name) ? vectors[name] : undefined
    if (params) return params
    const isSparse = Object.hasOwn(sparse_vectors ?? {}, name)
    throw new InvalidInputError(
      `${where} has no ${kind} ${quoted(name)}${isSparse ? ': that one is sparse' : ''}.`,
    )
  }
  if (outputs.dense) {
    const what = `${where}: the vector ${quoted(names.dense)}`
    const params = find(names.dense, 'dense vector')
    if (params.multivector_config) throw new InvalidInputError(`${what} is a multi-vector.`)
    checkParams(what, params, dimensions)
  }
  if (outputs.colbert) {
    const what = `${where}: the vector ${quoted(names.colbert)}`
    const params = find(names.colbert, 'multi-vector')
    const { comparator } = (params.multivector_config ?? {}) as { comparator?: string }
    if (comparator !== 'max_sim') {
      throw new InvalidInputError(`${what} is no multi-vector with max_sim.`)
    }
    checkParams(what, params, colbertDimensions)
  }
  if (outputs.sparse) {
    const all = sparse_vectors ?? {}
    const params = Object.hasOwn(all, names.sparse) ? all[names.sparse] : undefined
    const what = `${where}: the sparse vector ${quoted(names.sparse)}`
    if (!params)
      throw new InvalidInputError(`${where} has no sparse vector ${quoted(names.sparse)}.`)
    if (params.modifier === 'idf') {
      throw new InvalidInputError(`${what} has the modifier idf; lexical weights take none.`)
    }
    checkDatatype(what, params.index?.datatype)
  }
}

function isUnnamed(vectors: Schemas['VectorsConfig']): vectors is Schemas['VectorParams'] {
  return typeof vectors.size === 'number' && typeof vectors.distance === 'string'
}

function checkParams(what: string, params: Schemas['VectorParams'], size: number): void {
  if (params.size !== size) {
    throw new InvalidInputError(
      `${what} has ${params.size} dimensions, and this model gives ${size}.`,
    )
  }
  // of unit vectors the inner product is the cosine
  if (params.distance !== 'Cosine' && params.distance !== 'Dot') {
    throw new InvalidInputError(
      `${what} has the distance ${params.distance}; it must be Cosine or Dot.`,
    )
  }
  checkDatatype(what, params.datatype)
}

/** Bytes without a scale: of components below 1 nothing would be left. */
function checkDatatype(what: string, datatype: unknown): void {
  if (datatype !== 'uint8') return
  throw new InvalidInputError(`${what} is of uint8; it must be float32 or float16.`)
}

export function quoted(name: string): string {
  return JSON.stringify(name)
}
