/** Errors and results as data, and back: structured clone keeps neither classes nor methods. */

import {
  BatchError,
  CacheError,
  DisposedError,
  DownloadError,
  EmbedderError,
  InferenceError,
  InputTooLongError,
  IntegrityError,
  InvalidInputError,
  MemoryLimitError,
  ModelLoadError,
  ModelNotFoundError,
  QueueError,
  QueueFullError,
  StoreError,
  TimeoutError,
  UnsupportedCpuError,
  WorkerError,
} from '../../common/errors.js'
import { isError, isMap } from '../../common/realms.js'
import type { Embedding, Precision } from '../../common/types.js'
import { asEmbedding } from '../../outputs/embedding.js'
import type { ResultKind } from './protocol.js'

/** A chain of causes is not followed further. */
const MAX_CAUSES = 5

/** By code. All of them by name: a namespace would bring every class into every bundle. */
const CLASSES: ReadonlyMap<unknown, { prototype: EmbedderError }> = new Map(
  [
    BatchError,
    CacheError,
    DisposedError,
    DownloadError,
    InferenceError,
    InputTooLongError,
    IntegrityError,
    InvalidInputError,
    MemoryLimitError,
    ModelLoadError,
    ModelNotFoundError,
    QueueError,
    QueueFullError,
    StoreError,
    TimeoutError,
    UnsupportedCpuError,
    WorkerError,
  ].map((Class) => [Class.code, Class]),
)

type Plain = Record<string, unknown>

/** The class goes by the code. Fields of its own are kept, those that hold errors as well. */
export function encodeError(error: unknown, depth = 0): Plain {
  if (!isError(error))
    return { name: typeof error, message: 'Something was thrown that is no error.' }
  const { name, message, stack, cause } = error
  const encoded: Plain = { name, message, stack }
  if (isError(cause) && depth < MAX_CAUSES) encoded.cause = encodeError(cause, depth + 1)
  if (error instanceof EmbedderError) {
    const { name: _, failures, ...fields } = { ...error } as Plain
    encoded.fields = fields
    if (Array.isArray(failures)) encoded.failures = failures.map(encodeFailure)
  }
  return encoded
}

/** The error again. Whatever was sent, it gives one. */
export function decodeError(given: unknown): Error {
  const { name, message, stack, cause, fields, failures } = Object(given) as Plain
  const error = new Error(String(message), cause === undefined ? {} : { cause: decodeError(cause) })
  const own = Object(fields) as Plain
  const Class = CLASSES.get(own.code)
  if (Class) Object.setPrototypeOf(error, Class.prototype)
  Object.assign(error, own, { name: String(name) })
  if (typeof stack === 'string') error.stack = stack
  if (Array.isArray(failures)) Object.assign(error, { failures: failures.map(decodeFailure) })
  if (Array.isArray(own.results)) Object.assign(error, { results: own.results.map(reviveItem) })
  return error
}

const encodeFailure = (failure: Plain) => ({ ...failure, error: encodeError(failure.error) })
const decodeFailure = (failure: unknown) => ({
  ...(failure as Plain),
  error: decodeError(Object(failure).error),
})

/** An embedding, or a chunk that has one. */
function reviveItem(item: unknown): unknown {
  const { embedding } = Object(item) as Plain
  if (typeof embedding === 'object' && embedding !== null) asEmbedding(embedding)
  else if (typeof item === 'object' && item !== null) asEmbedding(item)
  return item
}

/** A result, and the buffers that may be handed over with it: nobody else holds them. */
export interface Encoded {
  readonly value: unknown
  readonly transfer: ArrayBuffer[]
}

export function encodeResult(kind: ResultKind, result: unknown): Encoded {
  const buffers = new Set<ArrayBuffer>()
  return { value: ENCODE[kind](result as never, buffers), transfer: [...buffers] }
}

/** @throws WorkerError for what no `encodeResult` gives */
export function decodeResult(kind: ResultKind, value: unknown): unknown {
  try {
    return DECODE[kind](value as never)
  } catch (error) {
    throw new WorkerError('The worker answered with what is no result.', { cause: error })
  }
}

type Part = (part: never, buffers: Set<ArrayBuffer>) => unknown

const settled = (item: unknown, buffers: Set<ArrayBuffer>) =>
  item instanceof EmbedderError ? { error: encodeError(item) } : given(item, buffers)

function given(item: unknown, buffers: Set<ArrayBuffer>): unknown {
  const { dense, sparse, colbert, fallback } = item as Embedding<Precision, 'all'>
  // a fallback that is a function may keep what it gave
  if (fallback !== undefined) return item
  for (const array of [dense, sparse?.indices, sparse?.values, colbert?.data]) {
    // of a part the rest might be somebody else's
    const isWhole = array?.byteLength === array?.buffer.byteLength
    if (array && isWhole && array.byteLength > 0) buffers.add(array.buffer as ArrayBuffer)
  }
  return item
}

function chunk(item: Plain, buffers: Set<ArrayBuffer>): unknown {
  if (item.error instanceof EmbedderError) return { failure: encodeFailure(item) }
  given(item.embedding, buffers)
  return { item }
}

function chunks(result: Plain, buffers: Set<ArrayBuffer>): unknown {
  // `quality` is made when it is read: here, while the vectors are still here
  const { items, failures, ...rest } = result
  for (const { embedding } of items as Plain[]) given(embedding, buffers)
  return { ...rest, items, failures: (failures as Plain[]).map(encodeFailure) }
}

const ENCODE: Record<ResultKind, Part> = {
  plain: (result) => result,
  embeddings: (result: unknown, buffers) =>
    Array.isArray(result) ? result.map((item) => settled(item, buffers)) : given(result, buffers),
  chunks,
  documents: (results: ReadonlyMap<string, Plain>, buffers) =>
    new Map([...results].map(([id, result]) => [id, chunks(result, buffers)])),
  step: ({ done, value }: IteratorResult<Plain>, buffers) =>
    done ? { done } : { done: false, value: chunk(value, buffers) },
}

const unsettle = (item: unknown) =>
  'error' in (item as object) ? decodeError((item as Plain).error) : asEmbedding(item as object)

function revived(result: Plain): unknown {
  for (const item of result.items as unknown[]) reviveItem(item)
  return Object.assign(result, { failures: (result.failures as Plain[]).map(decodeFailure) })
}

const DECODE: Record<ResultKind, (value: never) => unknown> = {
  plain: (value) => value,
  embeddings: (value: unknown) =>
    Array.isArray(value) ? value.map(unsettle) : asEmbedding(value as object),
  chunks: revived,
  documents: (value: unknown) => {
    if (!isMap(value)) throw new TypeError('no map')
    for (const result of value.values()) revived(result as Plain)
    return value
  },
  step: ({ done, value }: { done: unknown; value?: Plain }) => {
    if (done) return { done: true, value: undefined }
    const { failure, item } = value as { failure?: Plain; item?: unknown }
    return { done: false, value: failure ? decodeFailure(failure) : reviveItem(item) }
  },
}
