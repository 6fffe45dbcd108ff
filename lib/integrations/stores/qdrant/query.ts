/** Queries over the three vectors of a point. */

import type { Schemas } from '@qdrant/js-client-rest'
import { InvalidInputError } from '../../../common/errors.js'
import {
  checkNumbers,
  checkNumeric,
  checkObject,
  checkRange,
  namesOf,
  refuseUnknown,
} from '../../../common/given.js'
import { isTyped } from '../../../common/realms.js'
import type { ColbertEmbedding, Embedding } from '../../../common/types.js'
import { firstRows, numbers, rowsOf } from './points.js'

/** How a hybrid query finds, fuses and reranks. */
export interface HybridQueryOptions {
  /** Points to return. Default: 10. */
  limit?: number | undefined
  /** Candidates that each of dense and sparse finds, and that are reranked. Default: 100, at least `limit`. */
  candidates?: number | undefined
  /**
   * The constant of reciprocal rank fusion, 1 / (k + place from 0): 1 at least. Default: Qdrant's own, 2.
   * Needs Qdrant 1.16.
   */
  rrfK?: number | undefined
  /** Whether multi-vectors rerank the candidates. Default: when the query has one. */
  rerank?: boolean | undefined
  /** Only points that fit, such as `{ must: [{ key: 'metadata.language', match: { value: 'en' } }] }`. */
  filter?: Schemas['Filter'] | undefined
  /** Parameters of the search for candidates, such as `{ hnsw_ef: 128 }` or `{ exact: true }`. */
  params?: Schemas['SearchParams'] | undefined
  /** Points below are left out. The score is the last stage's: see `hybridQuery`. */
  scoreThreshold?: number | undefined
  names?: { dense?: string | undefined; sparse?: string | undefined; colbert?: string | undefined }
}

const NAMES = namesOf<HybridQueryOptions>({
  limit: 1,
  candidates: 1,
  rrfK: 1,
  rerank: 1,
  filter: 1,
  params: 1,
  scoreThreshold: 1,
  names: 1,
})

const CANDIDATES = 100
const LIMIT = 10

/**
 * A request for Qdrant's Query API from the outputs that a query's embedding has: `dense` and `sparse` find
 * candidates, which are fused by reciprocal rank where there are both, and `colbert` reranks them.
 *
 * What a score is depends on the last stage: with `colbert` the sum over the query's rows of the largest
 * cosine (`colbertScore` is its mean), after a fusion the sum of 1 / (k + place), else the cosine of dense
 * or the inner product of sparse vectors.
 *
 * @throws InvalidInputError for an embedding that can find nothing, and for wrong options
 */
export function hybridQuery(
  query: Pick<Embedding, 'dense' | 'sparse' | 'colbert'>,
  options: HybridQueryOptions = {},
): Schemas['QueryRequest'] {
  refuseUnknown(options, NAMES, 'hybridQuery')
  checkObject(query, 'A query')
  const { limit = LIMIT, rrfK, filter, params, scoreThreshold, names } = options
  const { candidates = Math.max(CANDIDATES, limit), rerank = query.colbert !== undefined } = options
  checkRange('limit', limit, 1, 100_000)
  checkRange('candidates', candidates, 1, 100_000)
  if (rrfK !== undefined) checkRange('rrfK', rrfK, 1, 100_000)
  if (candidates < limit) {
    throw new InvalidInputError('`candidates` must be at least as many as `limit`.')
  }
  const { dense, sparse, colbert } = query
  if (dense !== undefined) checkNumbers(dense, 'A dense vector')
  if (sparse !== undefined) {
    checkObject(sparse, 'A sparse vector')
    checkNumbers(sparse.indices, 'Sparse `indices`')
    checkNumbers(sparse.values, 'Sparse `values`')
  }
  if (colbert !== undefined) checkMultiVector(colbert)
  const finders: Stage[] = []
  if (dense) finders.push({ query: numbers(dense), using: names?.dense ?? 'dense' })
  // a query without tokens has no weights, and finds nothing that way
  if (sparse && sparse.indices.length > 0) {
    const weights = { indices: Array.from(sparse.indices), values: numbers(sparse.values) }
    finders.push({ query: weights, using: names?.sparse ?? 'sparse' })
  }
  const multi = rerank ? colbert : undefined
  if (rerank && !colbert)
    throw new InvalidInputError('To rerank, the query needs its colbert output.')
  const multiStage =
    multi && multi.rows > 0
      ? { query: rowsOf(firstRows(multi)), using: names?.colbert ?? 'colbert' }
      : undefined
  const search = { ...(filter ? { filter } : {}), ...(params ? { params } : {}) }
  const last = {
    limit,
    with_payload: true,
    ...(scoreThreshold === undefined ? {} : { score_threshold: scoreThreshold }),
  }
  const [first, ...others] = finders
  if (!first) {
    // nothing finds candidates: all multi-vectors are compared
    if (multiStage) return { ...multiStage, ...search, ...last }
    throw new InvalidInputError('The query has neither a dense nor a sparse output to search with.')
  }
  if (others.length === 0) {
    if (!multiStage) return { ...first, ...search, ...last }
    return { prefetch: { ...first, ...search, limit: candidates }, ...multiStage, ...last }
  }
  const prefetch = finders.map((stage) => ({ ...stage, ...search, limit: candidates }))
  const fusion: Schemas['Query'] = rrfK === undefined ? { fusion: 'rrf' } : { rrf: { k: rrfK } }
  if (!multiStage) return { prefetch, query: fusion, ...last }
  return { prefetch: { prefetch, query: fusion, limit: candidates }, ...multiStage, ...last }
}

function checkMultiVector(colbert: ColbertEmbedding): void {
  checkObject(colbert, 'A multi-vector')
  const { data, rows, cols } = colbert
  checkNumeric({ rows, cols })
  if (isTyped(data, 'Float32Array') && data.length === rows * cols) return
  throw new InvalidInputError('A multi-vector is { data, rows, cols } with a Float32Array.')
}

type Stage = { query: Schemas['VectorInput']; using: string }
