/** Scores to orders, and two orders to one. */

import { combineScores, type ScoreWeights } from '../../scoring/hybrid.js'
import type { SearchMode, SearchOptions } from './types.js'

export interface Scored {
  /** Of a vector. */
  id: number
  dense: number
  /** Undefined where no weights are stored. */
  sparse: number | undefined
}

/** What a list of candidates is in the order of; undefined is left out. */
export type Order = (scores: Omit<Scored, 'id'>) => number | undefined

export interface Ranked extends Scored {
  score: number
  /** Only of what was reranked. */
  colbert?: number
  /** A re-ranker's logit. */
  rerank?: number
}

/** Of reciprocal ranks (Cormack, Clarke and Büttcher, 2009): how little the first places stand out. */
const RRF_K = 60

/** In descending order of the score; equal ones in the order they were stored in. */
export function rank(
  candidates: readonly Scored[],
  mode: SearchMode,
  fusion: NonNullable<SearchOptions['fusion']>,
  weights: ScoreWeights,
): Ranked[] {
  const scores = mode === 'hybrid' && fusion === 'rrf' ? rrf(candidates, weights) : undefined
  return candidates
    .map((candidate, i) => ({
      ...candidate,
      score: scores?.[i] ?? scoreOf(candidate, mode, weights),
    }))
    .sort(byScore)
}

function byScore(a: Ranked, b: Ranked): number {
  return b.score - a.score || a.id - b.id
}

/** The lists that candidates are taken from: by what they are ranked by, exactly, or by each of two. */
export function ordersOf(
  mode: SearchMode,
  fusion: NonNullable<SearchOptions['fusion']>,
  weights: ScoreWeights,
): Order[] {
  const byDense: Order = ({ dense }) => dense
  const bySparse: Order = ({ sparse = 0 }) => (sparse > 0 ? sparse : undefined)
  if (mode === 'dense') return [byDense]
  if (mode === 'sparse') return [bySparse]
  if (fusion === 'rrf') return [byDense, bySparse]
  return [(scores) => scoreOf(scores, mode, weights)]
}

function scoreOf(
  { dense, sparse }: Omit<Scored, 'id'>,
  mode: SearchMode,
  weights: ScoreWeights,
): number {
  if (mode === 'dense' || sparse === undefined) return dense
  if (mode === 'sparse') return sparse
  return combineScores({ dense, sparse }, weights)['sparse+dense'] ?? dense
}

/** The weighted sum of 1 / (60 + rank) over the lists; a text that shares no token has no lexical rank. */
function rrf(candidates: readonly Scored[], [dense, sparse]: ScoreWeights): number[] {
  const denseRanks = ranks(candidates.map((candidate) => candidate.dense))
  const sparseRanks = ranks(candidates.map((candidate) => candidate.sparse ?? 0))
  return candidates.map((candidate, i) => {
    const lexical = (candidate.sparse ?? 0) > 0 ? sparse / (RRF_K + (sparseRanks[i] as number)) : 0
    return dense / (RRF_K + (denseRanks[i] as number)) + lexical
  })
}

/** From 1; equal values share a rank. */
function ranks(values: readonly number[]): number[] {
  const order = values
    .map((_, i) => i)
    .sort((a, b) => (values[b] as number) - (values[a] as number))
  const result = new Array<number>(values.length)
  order.forEach((i, place) => {
    const before = order[place - 1]
    const isTie = before !== undefined && values[before] === values[i]
    result[i] = isTie ? (result[before] as number) : place + 1
  })
  return result
}
