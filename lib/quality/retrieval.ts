/**
 * Retrieval of documents that stream by, for all queries at once, in memory that does not grow with the
 * corpus: per query the best of each list, and nothing of a document but its number.
 *
 * First every document with its dense and sparse output; then ColBERT of those that are `candidates()`:
 * the best by dense + sparse, which ColBERT and the hybrid score put in order.
 */

import { InvalidInputError } from '../common/errors.js'
import {
  checkList,
  checkNumbers,
  checkNumeric,
  checkObject,
  namesOf,
  refuseUnknown,
} from '../common/given.js'
import { isMap } from '../common/realms.js'
import { colbertScore } from '../scoring/colbert.js'
import { combineScores, DEFAULT_WEIGHTS, type ScoreWeights } from '../scoring/hybrid.js'
import { matmulTransposed } from '../scoring/simd.js'
import { checkSparse } from '../scoring/sparse.js'
import type { MultiVector, SparseVector } from '../scoring/types.js'
import { meanInterval } from './bootstrap.js'
import {
  accuracyAt,
  averagePrecisionAt,
  type Grades,
  ndcgAt,
  precisionAt,
  recallAt,
  reciprocalRankAt,
} from './metrics.js'
import { mean } from './stats.js'
import { type Scored, TopList } from './top-list.js'
import type {
  EvaluationMode,
  EvaluationReport,
  Interval,
  MetricName,
  ModeMetrics,
} from './types.js'

/** A query with its outputs and judgements. */
export interface RetrievalQuery {
  /** A vector of length 1. */
  dense: Float32Array
  sparse?: SparseVector | undefined
  colbert?: MultiVector | undefined
  /** Grades by the document's number. */
  grades: Grades<number>
  /** A document that this query shall not find: itself, where queries are documents. */
  exclude?: number | undefined
}

/**
 * A document with its outputs. Of equal scores the larger number comes first: number them by their ids,
 * ascending, and ties go as trec_eval takes them.
 */
export interface RetrievalDocument {
  number: number
  /** A vector of length 1. */
  dense: Float32Array
  sparse?: SparseVector | undefined
}

/** Options of `RetrievalEvaluation`. */
export interface RetrievalOptions {
  /** Candidates of a query for ColBERT and hybrid. Default 100. */
  rerank?: number
  /** Weights of dense, sparse and ColBERT in the hybrid score. Default: FlagEmbedding's, equal. */
  weights?: ScoreWeights
  samples?: number
  seed?: number
}

const OPTION_NAMES = namesOf<RetrievalOptions>({ rerank: 1, weights: 1, samples: 1, seed: 1 })
/** Candidates of a query, which are all in memory. */
const MOST_RERANKED = 1_000_000

/** The deepest cut-off of the measures. */
const DEPTH = 100

const MEASURES: Record<
  Exclude<MetricName, 'spearman' | 'pearson'>,
  (ranking: readonly number[], grades: Grades<number>) => number
> = {
  'accuracy@1': (ranking, grades) => accuracyAt(ranking, grades, 1),
  'accuracy@10': (ranking, grades) => accuracyAt(ranking, grades, 10),
  'precision@10': (ranking, grades) => precisionAt(ranking, grades, 10),
  'recall@1': (ranking, grades) => recallAt(ranking, grades, 1),
  'recall@10': (ranking, grades) => recallAt(ranking, grades, 10),
  'recall@100': (ranking, grades) => recallAt(ranking, grades, 100),
  'map@100': (ranking, grades) => averagePrecisionAt(ranking, grades, DEPTH),
  'ndcg@10': (ranking, grades) => ndcgAt(ranking, grades, 10),
  'mrr@10': (ranking, grades) => reciprocalRankAt(ranking, grades, 10),
}

/** By both scores together, with the two. */
interface Candidate extends Scored {
  dense: number
  sparse: number
}

/**
 * Ranks a corpus that streams by, for all queries at once: `addDocuments` with every document, then
 * `addMultiVector` of each of the `candidates`, then `report`.
 */
export class RetrievalEvaluation {
  readonly #queries: readonly RetrievalQuery[]
  readonly #options: Required<RetrievalOptions>
  readonly #dense: Float32Array
  readonly #dimensions: number
  /** For each token the queries that have it, with its weight. */
  readonly #index = new Map<number, { query: number; weight: number }[]>()
  readonly #hasSparse: boolean
  readonly #byDense: TopList[]
  readonly #bySparse: TopList[]
  readonly #byBoth: TopList<Candidate>[]
  readonly #colbert = new Map<number, Scored[]>()
  readonly #hybrid = new Map<number, Scored[]>()
  readonly #reranked = new Map<number, Scored[]>()
  /** For each document the queries that it is a candidate of. */
  #candidates: Map<number, { query: number; entry: Candidate }[]> | undefined

  /** @throws InvalidInputError without queries, or when some have a sparse output and others do not */
  constructor(queries: readonly RetrievalQuery[], options: RetrievalOptions = {}) {
    refuseUnknown(options, OPTION_NAMES, 'RetrievalEvaluation')
    const { rerank = 100, weights = DEFAULT_WEIGHTS, samples = 1000, seed = 0 } = options
    checkNumeric({ samples, seed })
    combineScores({}, weights) // checks them
    if (!Number.isInteger(rerank) || rerank < 0 || rerank > MOST_RERANKED) {
      throw new InvalidInputError(`\`rerank\` must be an integer from 0 to ${MOST_RERANKED}.`)
    }
    this.#options = { rerank, weights, samples, seed }
    checkList(queries, 'The queries')
    const [first] = queries
    if (first === undefined) throw new InvalidInputError('There are no queries to evaluate.')
    this.#queries = queries
    checkOutputs(first, 'A query')
    this.#dimensions = first.dense.length
    this.#dense = new Float32Array(queries.length * this.#dimensions)
    this.#hasSparse = first.sparse !== undefined
    queries.forEach((query, at) => {
      checkOutputs(query, 'A query', this.#dimensions)
      if (!isMap(query.grades)) throw new InvalidInputError('The grades of a query are a Map.')
      if ((query.sparse !== undefined) !== this.#hasSparse) {
        throw new InvalidInputError('All queries have the same outputs.')
      }
      this.#dense.set(query.dense, at * this.#dimensions)
      query.sparse?.indices.forEach((token: number, i: number) => {
        const weight = query.sparse?.values[i] as number
        const list = this.#index.get(token)
        if (list) list.push({ query: at, weight })
        else this.#index.set(token, [{ query: at, weight }])
      })
    })
    this.#byDense = queries.map(
      () => new TopList(this.#hasSparse ? DEPTH : Math.max(rerank, DEPTH)),
    )
    this.#bySparse = queries.map(() => new TopList(DEPTH))
    this.#byBoth = queries.map(() => new TopList(Math.max(rerank, DEPTH)))
  }

  /** Some documents; each once, in any order. */
  addDocuments(documents: readonly RetrievalDocument[]): void {
    checkList(documents, 'The documents')
    for (const document of documents) {
      checkOutputs(document, 'A document', this.#dimensions)
      checkNumeric({ number: document.number })
    }
    const count = this.#queries.length
    const block = new Float32Array(documents.length * this.#dimensions)
    documents.forEach(({ dense }, i) => {
      block.set(dense, i * this.#dimensions)
    })
    const products = new Float32Array(documents.length * count)
    matmulTransposed(block, this.#dense, products, documents.length, count, this.#dimensions)
    documents.forEach(({ number, sparse }, i) => {
      const lexical = this.#lexical(sparse)
      for (let query = 0; query < count; query++) {
        if (this.#queries[query]?.exclude === number) continue
        const dense = products[i * count + query] as number
        const best = this.#byDense[query] as TopList
        if (best.accepts(dense)) best.add({ document: number, score: dense })
        if (lexical) this.#addLexical(query, number, dense, lexical[query] as number)
      }
    })
  }

  /**
   * The positions of the queries that a document is a candidate of: those to re-rank it for. Without a sparse
   * output candidates are the best by dense.
   */
  candidateQueries(number: number): number[] {
    return (this.#candidateMap().get(number) ?? []).map(({ query }) => query)
  }

  /** What a re-ranker says of a candidate, at a position of the queries. */
  addRerankScore(query: number, number: number, score: number): void {
    if (!Number.isNaN(score)) push(this.#reranked, query, { document: number, score })
  }

  /** The numbers of the documents that are wanted once more: those that a query has as a candidate. */
  candidates(): ReadonlySet<number> {
    return new Set(this.#candidateMap().keys())
  }

  /** ColBERT of a candidate. */
  addMultiVector(number: number, colbert: MultiVector): void {
    for (const { query, entry } of this.#candidateMap().get(number) ?? []) {
      const { dense, sparse } = entry
      const own = this.#queries[query]?.colbert
      if (!own) continue
      const score = colbertScore(own, colbert)
      if (Number.isNaN(score)) continue
      const scores = combineScores({ dense, sparse, colbert: score }, this.#options.weights)
      push(this.#colbert, query, { document: number, score })
      push(this.#hybrid, query, {
        document: number,
        score: scores['colbert+sparse+dense'] as number,
      })
    }
  }

  /**
   * Measures and their intervals. Without ColBERT the hybrid score is that of dense and sparse; without
   * sparse there is `dense` alone.
   */
  report(): Pick<EvaluationReport, 'ci' | EvaluationMode> {
    const report: Pick<EvaluationReport, 'ci' | EvaluationMode> = { ci: {} }
    const add = (mode: EvaluationMode, rankings: (query: number) => readonly Scored[]) => {
      const { metrics, ci } = this.#measure(rankings)
      report[mode] = metrics
      report.ci[mode] = ci
    }
    add('dense', (query) => this.#byDense[query]?.entries() ?? [])
    const reranked = () => {
      if (this.#reranked.size > 0) add('reranker', (query) => sorted(this.#reranked.get(query)))
      return report
    }
    if (!this.#hasSparse) return reranked()
    add('sparse', (query) => this.#bySparse[query]?.entries() ?? [])
    if (this.#colbert.size === 0) {
      add('hybrid', (query) => this.#byBoth[query]?.entries() ?? [])
      return reranked()
    }
    add('colbert', (query) => sorted(this.#colbert.get(query)))
    add('hybrid', (query) => sorted(this.#hybrid.get(query)))
    return reranked()
  }

  #measure(rankings: (query: number) => readonly Scored[]) {
    const metrics: ModeMetrics = {}
    const ci: Partial<Record<MetricName, Interval>> = {}
    const lists = this.#queries.map((_, query) => rankings(query).map(({ document }) => document))
    for (const [name, measure] of Object.entries(MEASURES)) {
      const values = this.#queries.map(({ grades }, at) => measure(lists[at] as number[], grades))
      metrics[name as MetricName] = mean(values)
      const { samples, seed } = this.#options
      const interval = meanInterval(values, { samples, seed })
      if (interval) ci[name as MetricName] = interval
    }
    return { metrics, ci }
  }

  /** The lexical score of a document with every query; the same sums as `lexicalScore`. */
  #lexical(sparse: SparseVector | undefined): Float64Array | undefined {
    if (!this.#hasSparse || !sparse) return undefined
    const scores = new Float64Array(this.#queries.length)
    for (let i = 0; i < sparse.indices.length; i++) {
      const weight = sparse.values[i] as number
      for (const entry of this.#index.get(sparse.indices[i] as number) ?? []) {
        scores[entry.query] = (scores[entry.query] as number) + entry.weight * weight
      }
    }
    return scores
  }

  /** What candidates are chosen by. */
  #both(dense: number, sparse: number): number {
    const [w0, w1] = this.#options.weights
    if (w0 + w1 === 0) return (dense + sparse) / 2
    return (w0 * dense + w1 * sparse) / (w0 + w1)
  }

  #addLexical(query: number, document: number, dense: number, sparse: number): void {
    // a document that shares no token with the query is not found
    const best = this.#bySparse[query] as TopList
    if (sparse > 0 && best.accepts(sparse)) best.add({ document, score: sparse })
    const score = this.#both(dense, sparse)
    const list = this.#byBoth[query]
    if (list?.accepts(score)) list.add({ document, score, dense, sparse })
  }

  #candidateMap() {
    if (this.#candidates) return this.#candidates
    const map = new Map<number, { query: number; entry: Candidate }[]>()
    const lists: readonly TopList[] = this.#hasSparse ? this.#byBoth : this.#byDense
    lists.forEach((list, query) => {
      for (const scored of list.entries().slice(0, this.#options.rerank)) {
        const entry = { dense: scored.score, sparse: 0, ...scored }
        const queries = map.get(entry.document)
        if (queries) queries.push({ query, entry })
        else map.set(entry.document, [{ query, entry }])
      }
    })
    this.#candidates = map
    return map
  }
}

function push(map: Map<number, Scored[]>, query: number, entry: Scored): void {
  const list = map.get(query)
  if (list) list.push(entry)
  else map.set(query, [entry])
}

function sorted(list: readonly Scored[] | undefined): Scored[] {
  return [...(list ?? [])].sort((a, b) => b.score - a.score || b.document - a.document)
}

/** @throws InvalidInputError for what has no dense vector of that length, or a sparse one that is none */
function checkOutputs(
  given: { dense: Float32Array; sparse?: SparseVector | undefined },
  what: string,
  dimensions?: number,
): void {
  checkObject(given, what)
  const { dense, sparse } = given
  checkNumbers(dense, `The dense vector of ${what.toLowerCase()}`)
  if (dimensions !== undefined && dense.length !== dimensions) {
    throw new InvalidInputError(
      `${what} has ${dense.length} dimensions, and the first query ${dimensions}.`,
    )
  }
  if (sparse !== undefined) checkSparse(sparse)
}
