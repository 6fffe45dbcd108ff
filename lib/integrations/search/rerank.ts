/** The best hits in the order of late interaction, whose multi-vectors are too large to be stored. */

import type { AbortSignalLike } from '../../common/abort.js'
import type { Embedding } from '../../common/types.js'
import type { Embedder } from '../../embedder/embedder.js'
import { colbertScore } from '../../scoring/colbert.js'
import { combineScores, type ScoreWeights } from '../../scoring/hybrid.js'
import { COMPARABLE, fallbackError } from '../store.js'
import type { Database } from './database.js'
import { textsOf } from './hits.js'
import type { Ranked } from './rank.js'

/**
 * The best so many in a new order, and behind them the others in theirs; also those of which only vectors
 * are stored.
 *
 * @param query with its multi-vector
 */
export async function rerankBest(
  {
    db,
    embedder,
    signal,
  }: { db: Database; embedder: Embedder; signal: AbortSignalLike | undefined },
  query: Embedding,
  ranked: readonly Ranked[],
  { count, weights }: { count: number; weights: ScoreWeights },
): Promise<Ranked[]> {
  const best = ranked.slice(0, count)
  const texts = textsOf(
    db,
    best.map(({ id }) => id),
  )
  const known = best.filter(({ id }) => texts.has(id))
  const passages = await embedder.embed(
    known.map(({ id }) => texts.get(id) as string),
    {
      ...COMPARABLE,
      prompt: 'passage',
      outputs: { dense: false, colbert: true },
      truncate: 'error',
      onError: 'throw',
      ...(signal && { signal }),
    },
  )
  for (const passage of passages) {
    const foreign = fallbackError(passage)
    if (foreign) throw foreign
  }
  const scored = known.map((hit, i) => {
    const passage = passages[i]?.colbert
    const colbert = passage && query.colbert ? colbertScore(query.colbert, passage) : 0
    return { ...hit, colbert, score: meanScore(hit, colbert, weights) }
  })
  scored.sort((a, b) => b.score - a.score || a.id - b.id)
  const isKnown = new Set(known)
  return [...scored, ...ranked.filter((hit) => !isKnown.has(hit))]
}

/** FlagEmbedding's mean of all three scores, or of the two where there are no lexical weights. */
function meanScore({ dense, sparse }: Ranked, colbert: number, weights: ScoreWeights): number {
  if (sparse !== undefined) {
    return combineScores({ dense, sparse, colbert }, weights)['colbert+sparse+dense'] ?? colbert
  }
  const [denseWeight, , colbertWeight] = weights
  const total = denseWeight + colbertWeight
  return total === 0 ? colbert : (dense * denseWeight + colbert * colbertWeight) / total
}
