/** Qdrant's Query API by brute force: nearest, prefetch, reciprocal rank fusion, rescoring. */
import type { Schemas } from '@qdrant/js-client-rest'
import {
  type Collection,
  checkDense,
  checkMulti,
  checkSparse,
  Refused,
  type StoredPoint,
} from './collections.js'

interface Scored {
  point: StoredPoint
  score: number
}

type Request = Schemas['Prefetch'] & { offset?: number | null }

const DEFAULT_LIMIT = 10
const DEFAULT_RRF_K = 2

export function runQuery(
  collection: Collection,
  request: Schemas['QueryRequest'],
): Schemas['QueryResponse'] {
  const { with_payload } = request
  const points = run(collection, request).map(({ point, score }): Schemas['ScoredPoint'] => ({
    id: point.id,
    version: point.version,
    score,
    payload: payloadOf(point, with_payload),
  }))
  return { points }
}

export function payloadOf(point: StoredPoint, wanted: unknown): Record<string, unknown> | null {
  if (wanted === true) return point.payload
  if (!Array.isArray(wanted)) return null
  const members = Object.entries(point.payload).filter(([key]) => wanted.includes(key))
  return Object.fromEntries(members)
}

function run(collection: Collection, request: Request): Scored[] {
  const { query, using, filter, score_threshold, limit, offset, prefetch } = request
  const sources = prefetch ? [prefetch].flat().map((one) => run(collection, one as Request)) : []
  const all = [...collection.points.values()].filter((point) => matches(point, filter))
  let scored: Scored[]
  const fusion = rrfOf(query)
  if (fusion) {
    if (!prefetch) throw new Refused(400, 'Wrong input: fusion needs a prefetch')
    scored = fuse(sources, fusion)
  } else {
    // the main query is asked over what the prefetches found
    const found = new Set(sources.flat().map(({ point }) => point))
    const candidates = prefetch ? all.filter((point) => found.has(point)) : all
    scored = nearest(collection, candidates, query, using ?? '')
  }
  return scored
    .filter(({ score }) => score_threshold == null || score >= score_threshold)
    .sort((a, b) => b.score - a.score || (String(a.point.id) < String(b.point.id) ? -1 : 1))
    .slice(offset ?? 0, (offset ?? 0) + (limit ?? DEFAULT_LIMIT))
}

function rrfOf(query: unknown): { k: number; weights: number[] | undefined } | undefined {
  if (typeof query !== 'object' || query === null || Array.isArray(query)) return undefined
  if ('fusion' in query) {
    if (query.fusion !== 'rrf') throw new Refused(501, 'dbsf is not part of this server')
    return { k: DEFAULT_RRF_K, weights: undefined }
  }
  if (!('rrf' in query)) return undefined
  const { k, weights } = query.rrf as Schemas['Rrf']
  if (k != null && k < 1) throw new Refused(422, 'Validation error in JSON body: [rrf.k: range]')
  return { k: k ?? DEFAULT_RRF_K, weights: weights ?? undefined }
}

/** 1 / ((place + 1) / weight + k - 1), places from 0. */
function fuse(sources: Scored[][], { k, weights }: { k: number; weights: number[] | undefined }) {
  const scores = new Map<StoredPoint, number>()
  sources.forEach((source, i) => {
    source.forEach(({ point }, place) => {
      const score = 1 / ((place + 1) / (weights?.[i] ?? 1) + k - 1)
      scores.set(point, (scores.get(point) ?? 0) + score)
    })
  })
  return [...scores].map(([point, score]) => ({ point, score }))
}

function nearest(
  collection: Collection,
  candidates: readonly StoredPoint[],
  query: unknown,
  using: string,
): Scored[] {
  if (Object.hasOwn(collection.sparse, using)) {
    const asked = checkSparse(query)
    const weights = new Map(asked.indices.map((index, i) => [index, asked.values[i] as number]))
    return candidates.flatMap((point) => {
      const vector = point.sparse.get(using)
      const shared = vector?.indices.some((index) => weights.has(index))
      if (!vector || !shared) return []
      const score = vector.indices.reduce(
        (sum, index, i) => sum + (weights.get(index) ?? 0) * (vector.values[i] as number),
        0,
      )
      return [{ point, score }]
    })
  }
  const params = Object.hasOwn(collection.vectors, using) ? collection.vectors[using] : undefined
  if (!params) throw new Refused(400, `Wrong input: Not existing vector name error: ${using}`)
  if (params.distance !== 'Cosine' && params.distance !== 'Dot') {
    throw new Refused(501, `${params.distance} is not part of this server`)
  }
  if (params.multivector_config) {
    const asked = checkMulti(query, params)
    return candidates.flatMap((point) => {
      const rows = point.multi.get(using)
      if (!rows) return []
      const best = asked.map((row) => Math.max(...rows.map((other) => dot(row, other))))
      return [{ point, score: best.reduce((sum, one) => sum + one, 0) }]
    })
  }
  const asked = checkDense(query, params)
  return candidates.flatMap((point) => {
    const vector = point.dense.get(using)
    return vector ? [{ point, score: dot(asked, vector) }] : []
  })
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}

/** `must` and `must_not` with values of keys, such as `metadata.language`; nothing else is known here. */
function matches(point: StoredPoint, filter: unknown): boolean {
  if (filter == null) return true
  const { must, must_not, ...others } = filter as Record<string, unknown>
  if (Object.keys(others).length > 0) throw new Refused(501, 'this filter is not known here')
  const holds = (condition: unknown) => {
    const { key, match } = condition as { key: string; match: { value: unknown } }
    const value = key.split('.').reduce<unknown>((at, step) => Object(at)[step], point.payload)
    return value === match.value
  }
  const every = (conditions: unknown) => [conditions ?? []].flat()
  return every(must).every(holds) && !every(must_not).some(holds)
}
