/** Every vector of an index against a query's: the best of both kinds, exactly. */

import { setImmediate as breathe } from 'node:timers/promises'
import { type Hit, lexicalScore, similarities, topKScores } from '../scoring/index.js'
import type { Database } from './database.js'
import type { Scored } from './rank.js'
import { readSegment, type Segment, sparseAt } from './segments.js'

export interface QueryVectors {
  dense: Float32Array
  sparse?: { indices: Uint32Array; values: Float32Array } | undefined
}

export interface CandidateOptions {
  /** The most of each kind. */
  count: number
  useDense: boolean
  useSparse: boolean
  /** Tokens that the model knows. */
  vocabSize: number
  signal?: AbortSignal | undefined
}

/** Segments may be merged into others while they are read; then reading begins again. */
const TRIES = 5

/**
 * The best by dense and by lexical score, joined; each has both scores. Other work gets its turn between
 * segments, of which reading takes about a millisecond each.
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
  { count, useDense, useSparse, vocabSize, signal }: CandidateOptions,
): Promise<Scored[] | undefined> {
  const segments = db.all('SELECT id FROM segments ORDER BY id').map(({ id }) => Number(id))
  const weights = query.sparse && weightTable(query.sparse, vocabSize)
  let dense: Scored[] = []
  let sparse: Scored[] = []
  for (const id of segments) {
    signal?.throwIfAborted()
    const segment = readSegment(db, id)
    if (!segment) return undefined
    const scores = {
      dense: denseScores(query.dense, segment),
      sparse: weights && lexicalScores(weights, segment),
    }
    const scored = (hits: readonly Hit[]) =>
      hits.map(({ index }) => ({
        id: segment.ids[index] as number,
        dense: scores.dense[index] as number,
        sparse: query.sparse && lexicalScore(query.sparse, sparseAt(segment, index)),
      }))
    if (useDense) {
      dense = best(
        [...dense, ...scored(topKScores(scores.dense, count))],
        count,
        (hit) => hit.dense,
      )
    }
    if (useSparse && scores.sparse) {
      const hits = topKScores(scores.sparse, count).filter(({ score }) => score > 0)
      sparse = best([...sparse, ...scored(hits)], count, (hit) => hit.sparse ?? 0)
    }
    await breathe()
  }
  return [...new Map([...dense, ...sparse].map((hit) => [hit.id, hit])).values()]
}

function best(hits: Scored[], count: number, score: (hit: Scored) => number): Scored[] {
  return hits.sort((a, b) => score(b) - score(a) || a.id - b.id).slice(0, count)
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
