/** Every vector of an index against a query's: the best of both kinds, exactly. */

import { type AbortSignalLike, throwIfAborted } from '../../common/abort.js'
import { turn } from '../../common/timers.js'
import { similarities } from '../../scoring/matrix.js'
import { topKScores } from '../../scoring/topk.js'
import type { Database } from './database.js'
import type { Order, Scored } from './rank.js'
import { readSegment, type Segment } from './segments.js'

export interface QueryVectors {
  dense: Float32Array
  sparse?: { indices: Uint32Array; values: Float32Array } | undefined
}

export interface CandidateOptions {
  /** A list of candidates for each. */
  orders: readonly Order[]
  /** The most of each list. */
  count: number
  /** Tokens that the model knows. */
  vocabSize: number
  signal?: AbortSignalLike | undefined
}

/** Segments may be merged into others while they are read; then reading begins again. */
const TRIES = 5

/**
 * The best of every vector there is by each order, joined; each has both scores, exactly as
 * `bge-m3-node/scoring` gives them. Other work gets its turn between segments, of which reading takes about
 * a millisecond each.
 */
export async function findCandidates(
  db: Database,
  query: QueryVectors,
  options: CandidateOptions,
): Promise<Scored[]> {
  for (let tries = 1; ; tries++) {
    const found = await scan(db, query, options)
    if (found || tries === TRIES) return found ?? []
  }
}

async function scan(
  db: Database,
  query: QueryVectors,
  { orders, count, vocabSize, signal }: CandidateOptions,
): Promise<Scored[] | undefined> {
  const segments = db.all('SELECT id FROM segments ORDER BY id').map(({ id }) => Number(id))
  const weights = query.sparse && weightTable(query.sparse, vocabSize)
  let lists: Placed[][] = orders.map(() => [])
  for (const id of segments) {
    throwIfAborted(signal)
    const segment = readSegment(db, id)
    if (!segment) return undefined
    const dense = denseScores(query.dense, segment)
    const sparse = weights && lexicalScores(weights, segment)
    const scored = Array.from(segment.ids, (id, i) => ({
      id,
      dense: dense[i] as number,
      sparse: sparse?.[i],
    }))
    lists = lists.map((list, i) => {
      const order = orders[i] as Order
      const keys = scored.map((scores) => order(scores) ?? Number.NaN)
      const hits = topKScores(keys, count).map(({ index, score }) => ({
        hit: scored[index] as Scored,
        key: score,
      }))
      return best([...list, ...hits], count)
    })
    await turn()
  }
  return [...new Map(lists.flat().map(({ hit }) => [hit.id, hit])).values()]
}

interface Placed {
  hit: Scored
  key: number
}

function best(hits: Placed[], count: number): Placed[] {
  return hits.sort((a, b) => b.key - a.key || a.hit.id - b.hit.id).slice(0, count)
}

function denseScores(query: Float32Array, { dense: data, ids }: Segment): ArrayLike<number> {
  const matrix = { data, rows: ids.length, cols: data.length / ids.length }
  return similarities(query, matrix, { metric: 'cosine' })
}

/** A query's weights by token: one look for every weight that is stored. */
function weightTable(
  { indices, values }: NonNullable<QueryVectors['sparse']>,
  vocabSize: number,
): Float32Array {
  const table = new Float32Array(Math.max(vocabSize, (indices.at(-1) ?? 0) + 1))
  indices.forEach((index, i) => {
    table[index] = values[i] as number
  })
  return table
}

/** As `lexicalScore` adds them up, in the order of the tokens: what the query has not adds nothing. */
function lexicalScores(table: Float32Array, { offsets, indices, weights }: Segment): Float64Array {
  const scores = new Float64Array(offsets.length - 1)
  for (let row = 0; row < scores.length; row++) {
    const to = offsets[row + 1] as number
    let sum = 0
    for (let i = offsets[row] as number; i < to; i++) {
      // a token that the table does not have is one that no query has
      sum += (weights[i] as number) * (table[indices[i] as number] ?? 0)
    }
    scores[row] = sum
  }
  return scores
}
