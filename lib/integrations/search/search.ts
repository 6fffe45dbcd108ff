/** A query to hits. */

import { InvalidInputError } from '../../common/errors.js'
import { checkRange } from '../../common/given.js'
import type { Embedding } from '../../common/types.js'
import type { Embedder } from '../../embedder/embedder.js'
import { combineScores, DEFAULT_WEIGHTS, type ScoreWeights } from '../../scoring/hybrid.js'
import { COMPARABLE } from '../store.js'
import { findCandidates } from './candidates.js'
import type { Database } from './database.js'
import { hitsOf } from './hits.js'
import { ordersOf, type Ranked, rank } from './rank.js'
import { rerankBest, rerankByModel } from './rerank.js'
import type { IndexSettings } from './schema.js'
import type { SearchHit, SearchMode, SearchOptions } from './types.js'

export interface SearchContext {
  db: Database
  embedder: Embedder
  settings: IndexSettings
}

const LIMIT = 10
const MOST_HITS = 1000
const RERANKED = 20
/** Candidates beyond those asked for: of two lists, what one has at its end the other may have early. */
const SPARE = 50

export async function search(
  { db, embedder, settings }: SearchContext,
  query: string,
  options: SearchOptions,
): Promise<SearchHit[]> {
  const { limit, mode, fusion, weights, rerank, reranker } = check(
    query,
    options,
    embedder,
    settings,
  )
  const { signal } = options
  const [embedded] = await embedder.embed([query], {
    ...COMPARABLE,
    prompt: 'query',
    truncate: 'error',
    onError: 'throw',
    outputs: { dense: true, sparse: settings.model.sparse, colbert: rerank > 0 && !reranker },
    ...(signal && { signal }),
  })
  const { dense, sparse } = embedded as Embedding
  if (embedded?.fallback !== undefined || dense === undefined) {
    throw new InvalidInputError(
      'The fallback embedded the query, and its vectors do not compare with those of the index.',
    )
  }
  const candidates = await findCandidates(
    db,
    { dense, sparse },
    {
      orders: ordersOf(mode, fusion, weights),
      count: Math.max(limit, rerank) + SPARE + unused(db),
      vocabSize: embedder.info.vocabSize,
      signal,
    },
  )
  const ranked = withChunks(db, rank(candidates, mode, fusion, weights))
  const again = { count: rerank, weights, signal }
  const ordered =
    rerank === 0
      ? ranked
      : reranker
        ? await rerankByModel({ db, reranker }, query, ranked, again)
        : await rerankBest({ db, embedder }, embedded as Embedding, ranked, again)
  return hitsOf(db, ordered, { query, limit })
}

/** Vectors without a chunk: of files that are only partly done, or of an update that was cut off. */
function unused(db: Database): number {
  const row = db.first(
    'SELECT count(*) AS n FROM vectors WHERE NOT EXISTS (SELECT 1 FROM chunks WHERE vector = vectors.id)',
  )
  return Number(row?.n)
}

function withChunks(db: Database, ranked: Ranked[]): Ranked[] {
  const rows = db.all(
    'SELECT DISTINCT vector FROM chunks WHERE vector IN (SELECT value FROM json_each(?))',
    JSON.stringify(ranked.map(({ id }) => id)),
  )
  const present = new Set(rows.map(({ vector }) => Number(vector)))
  return ranked.filter(({ id }) => present.has(id))
}

interface Checked {
  limit: number
  mode: SearchMode
  fusion: 'weighted' | 'rrf'
  weights: ScoreWeights
  rerank: number
  reranker: SearchOptions['reranker']
}

function check(
  query: string,
  options: SearchOptions,
  embedder: Embedder,
  { model }: IndexSettings,
): Checked {
  if (typeof query !== 'string' || query.trim() === '') {
    throw new InvalidInputError('The query must be a text that is not empty.')
  }
  const { limit = LIMIT, fusion = 'weighted', weights = DEFAULT_WEIGHTS } = options
  const mode = options.mode ?? (model.sparse ? 'hybrid' : 'dense')
  if (!['hybrid', 'dense', 'sparse'].includes(mode)) {
    throw new InvalidInputError('The option `mode` is hybrid, dense or sparse.')
  }
  if (!['weighted', 'rrf'].includes(fusion)) {
    throw new InvalidInputError('The option `fusion` is weighted or rrf.')
  }
  if (mode !== 'dense' && !model.sparse) {
    throw new InvalidInputError(
      `The index was made with a model without a sparse head: the mode ${mode} needs one.`,
    )
  }
  combineScores({}, weights) // checks them
  const { reranker } = options
  const asked = options.rerank ?? reranker !== undefined
  const rerank = asked === true ? RERANKED : asked || 0
  if (reranker !== undefined && typeof Object(reranker).rerank !== 'function') {
    throw new InvalidInputError('The option `reranker` is what Reranker.load gave.')
  }
  checkRange('limit', limit, 1, MOST_HITS)
  checkRange('rerank', rerank, 0, MOST_HITS)
  if (rerank > 0 && !reranker && !embedder.info.outputs.colbert) {
    throw new InvalidInputError('Reranking needs a model with a ColBERT head, or a `reranker`.')
  }
  return { limit, mode, fusion, weights, rerank, reranker }
}
