/** The best hits in the order of late interaction, whose multi-vectors are too large to be stored. */

import type { AbortSignalLike } from '../../common/abort.js'
import type { Embedding } from '../../common/types.js'
import type { Embedder } from '../../embedder/embedder.js'
import type { Reranker } from '../../embedder/reranker.js'
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
  { db, embedder }: { db: Database; embedder: Embedder },
  query: Embedding,
  ranked: readonly Ranked[],
  { count, weights, signal }: Again,
): Promise<Ranked[]> {
  const { known, texts, others } = bestOf(db, ranked, count)
  const passages = await embedder.embed(texts, {
    ...COMPARABLE,
    prompt: 'passage',
    outputs: { dense: false, colbert: true },
    truncate: 'error',
    onError: 'throw',
    ...(signal && { signal }),
  })
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
  return [...scored, ...others]
}

/** The same, in the order of a cross-encoder, which reads the query beside each text. */
export async function rerankByModel(
  { db, reranker }: { db: Database; reranker: Pick<Reranker, 'rerank'> },
  query: string,
  ranked: readonly Ranked[],
  { count, signal }: Again,
): Promise<Ranked[]> {
  const { known, texts, others } = bestOf(db, ranked, count)
  if (known.length === 0) return [...others]
  // chunks may be as long as all that a re-ranker takes
  const found = await reranker.rerank(query, texts, { truncate: 'document', signal })
  const scored = found.map(({ index, score, relevance }) => ({
    ...(known[index] as Ranked),
    rerank: score,
    score: relevance,
  }))
  return [...scored, ...others]
}

/** How many are put in order, and by which weights. */
interface Again {
  count: number
  weights: ScoreWeights
  signal: AbortSignalLike | undefined
}

/** The best so many of which the text is stored, and all others. */
function bestOf(db: Database, ranked: readonly Ranked[], count: number) {
  const best = ranked.slice(0, count)
  const texts = textsOf(
    db,
    best.map(({ id }) => id),
  )
  const known = best.filter(({ id }) => texts.has(id))
  const isKnown = new Set(known)
  return {
    known,
    texts: known.map(({ id }) => texts.get(id) as string),
    others: ranked.filter((hit) => !isKnown.has(hit)),
  }
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
