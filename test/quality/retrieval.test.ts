/** The streaming evaluation against scoring every pair and sorting. */
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../lib/common/errors.js'
import {
  accuracyAt,
  averagePrecisionAt,
  ndcgAt,
  precisionAt,
  RetrievalEvaluation,
  type RetrievalQuery,
  recallAt,
  reciprocalRankAt,
  scorePair,
} from '../../lib/exports/quality.js'
import { computeScore } from '../../lib/exports/scoring.js'
import { TopList } from '../../lib/quality/top-list.js'
import { seededRandom } from '../../lib/scoring/random.js'
import { gaussian, unit } from './data.js'

const random = seededRandom(12)

function outputs() {
  const tokens = new Set(Array.from({ length: 8 }, () => Math.floor(random() * 50)))
  const indices = Uint32Array.from(tokens).sort()
  const rows = 2 + Math.floor(random() * 5)
  const row = (size: number) => unit(Array.from({ length: size }, () => gaussian(random)))
  return {
    dense: row(24),
    sparse: { indices, values: Float32Array.from(indices, () => random()) },
    colbert: {
      data: Float32Array.from(Array.from({ length: rows }, () => [...row(8)]).flat()),
      rows,
      cols: 8,
    },
  }
}

const documents = Array.from({ length: 300 }, (_, number) => ({ number, ...outputs() }))
const queries: RetrievalQuery[] = Array.from({ length: 20 }, () => ({
  ...outputs(),
  grades: new Map(
    Array.from({ length: 6 }, (_, i) => [Math.floor(random() * 300), i === 0 ? 1 : i % 3] as const),
  ),
}))
for (const { grades } of queries) (grades as Map<number, number>).set(7, 2)

type Mode = 'dense' | 'sparse' | 'colbert' | 'sparse+dense' | 'colbert+sparse+dense'

/** All documents by a score, best first. */
function ranked(query: RetrievalQuery, mode: Mode, among = documents): number[] {
  return among
    .filter(({ number }) => number !== query.exclude)
    .map((document) => ({
      number: document.number,
      score: computeScore(query, document, { weights: [1, 0.5, 2] })[mode] as number,
    }))
    .filter(({ score }) => mode !== 'sparse' || score > 0)
    .sort((a, b) => b.score - a.score || b.number - a.number)
    .map(({ number }) => number)
}

function metricsOf(some: readonly RetrievalQuery[], ranking: (query: RetrievalQuery) => number[]) {
  const mean = (measure: (list: number[], query: RetrievalQuery) => number) =>
    some.reduce((sum, query) => sum + measure(ranking(query), query), 0) / some.length
  return {
    'accuracy@1': expect.closeTo(
      mean((list, { grades }) => accuracyAt(list, grades, 1)),
      10,
    ),
    'accuracy@10': expect.closeTo(
      mean((list, { grades }) => accuracyAt(list, grades, 10)),
      10,
    ),
    'precision@10': expect.closeTo(
      mean((list, { grades }) => precisionAt(list, grades, 10)),
      10,
    ),
    'recall@1': expect.closeTo(
      mean((list, { grades }) => recallAt(list, grades, 1)),
      10,
    ),
    'recall@10': expect.closeTo(
      mean((list, { grades }) => recallAt(list, grades, 10)),
      10,
    ),
    'recall@100': expect.closeTo(
      mean((list, { grades }) => recallAt(list.slice(0, 100), grades, 100)),
      10,
    ),
    'map@100': expect.closeTo(
      mean((list, { grades }) => averagePrecisionAt(list, grades, 100)),
      10,
    ),
    'ndcg@10': expect.closeTo(
      mean((list, { grades }) => ndcgAt(list, grades, 10)),
      10,
    ),
    'mrr@10': expect.closeTo(
      mean((list, { grades }) => reciprocalRankAt(list, grades, 10)),
      10,
    ),
  }
}

function run(some: RetrievalQuery[], rerank: number, withColbert = true, docs = documents) {
  const evaluation = new RetrievalEvaluation(some, { rerank, weights: [1, 0.5, 2] })
  for (let at = 0; at < docs.length; at += 37) evaluation.addDocuments(docs.slice(at, at + 37))
  const candidates = evaluation.candidates()
  if (withColbert) {
    for (const { number, colbert } of docs) {
      if (candidates.has(number)) evaluation.addMultiVector(number, colbert)
    }
  }
  return { report: evaluation.report(), candidates }
}

describe('RetrievalEvaluation', () => {
  it('gives what scoring and sorting all pairs gives, when all are candidates', () => {
    const { report } = run(queries, 300)
    expect(report.dense).toEqual(metricsOf(queries, (query) => ranked(query, 'dense')))
    expect(report.sparse).toEqual(metricsOf(queries, (query) => ranked(query, 'sparse')))
    expect(report.colbert).toEqual(metricsOf(queries, (query) => ranked(query, 'colbert')))
    expect(report.hybrid).toEqual(
      metricsOf(queries, (query) => ranked(query, 'colbert+sparse+dense')),
    )
    for (const mode of ['dense', 'sparse', 'colbert', 'hybrid'] as const) {
      for (const [name, [low, high]] of Object.entries(report.ci[mode] ?? {})) {
        const value = report[mode]?.[name as 'ndcg@10'] as number
        expect(low).toBeLessThanOrEqual(value)
        expect(high).toBeGreaterThanOrEqual(value)
      }
    }
  })

  it('reranks the best by dense + sparse, and no others', () => {
    const { report, candidates } = run(queries, 15)
    const best = (query: RetrievalQuery) => {
      const numbers = new Set(ranked(query, 'sparse+dense').slice(0, 15))
      return documents.filter(({ number }) => numbers.has(number))
    }
    expect(candidates).toEqual(
      new Set(queries.flatMap((query) => best(query).map(({ number }) => number))),
    )
    expect(report.colbert).toEqual(
      metricsOf(queries, (query) => ranked(query, 'colbert', best(query))),
    )
    expect(report.hybrid).toEqual(
      metricsOf(queries, (query) => ranked(query, 'colbert+sparse+dense', best(query))),
    )
  })

  it('is dense + sparse without ColBERT, and dense alone without both', () => {
    const { report } = run(queries, 15, false)
    expect(Object.keys(report)).toEqual(['ci', 'dense', 'sparse', 'hybrid'])
    expect(report.hybrid).toEqual(metricsOf(queries, (query) => ranked(query, 'sparse+dense')))
    const dense = run(
      queries.map(({ dense, grades }) => ({ dense, grades })),
      15,
    )
    expect(Object.keys(dense.report)).toEqual(['ci', 'dense'])
    // what a re-ranker gets: the best by dense
    const best = queries.flatMap((query) => ranked(query, 'dense').slice(0, 15))
    expect(new Set(dense.candidates)).toEqual(new Set(best))
  })

  it('keeps a query from its own document', () => {
    const excluding = queries.map((query, i) => ({ ...query, exclude: i }))
    const { report } = run(excluding, 300)
    expect(report.dense).toEqual(metricsOf(excluding, (query) => ranked(query, 'dense')))
  })

  it('ranks equal scores by their numbers, the larger first, and never NaN', () => {
    const [query] = queries as [RetrievalQuery]
    const grades = new Map([[1, 1]])
    const same = Array.from({ length: 4 }, (_, number) => ({ number, dense: query.dense }))
    const { report } = run([{ dense: query.dense, grades }], 5, false, same as typeof documents)
    expect(report.dense?.['mrr@10']).toBeCloseTo(1 / 3, 12)
    const broken = same.map((document) => ({
      ...document,
      dense: document.number === 3 ? query.dense.map(() => Number.NaN) : query.dense,
    }))
    const second = run([{ dense: query.dense, grades }], 5, false, broken as typeof documents)
    expect(second.report.dense?.['mrr@10']).toBeCloseTo(1 / 2, 12)
  })

  it('refuses no queries, and queries of different outputs', () => {
    expect(() => new RetrievalEvaluation([])).toThrow(InvalidInputError)
    const [first, second] = queries as [RetrievalQuery, RetrievalQuery]
    const dense = { dense: second.dense, grades: second.grades }
    expect(() => new RetrievalEvaluation([first, dense])).toThrow(InvalidInputError)
    const zero = new RetrievalEvaluation([first], { weights: [0, 0, 1], rerank: 2 })
    zero.addDocuments(documents.slice(0, 5))
    expect(zero.candidates().size).toBe(2)
  })
})

describe('TopList', () => {
  it('keeps the best of many, in order', () => {
    const list = new TopList(10)
    const scores = Array.from({ length: 1000 }, () => Math.floor(random() * 200))
    scores.forEach((score, document) => {
      list.add({ document, score })
    })
    const expected = scores
      .map((score, document) => ({ document, score }))
      .sort((a, b) => b.score - a.score || b.document - a.document)
      .slice(0, 10)
    expect(list.entries()).toEqual(expected)
    expect(list.accepts(-1)).toBe(false)
  })
})

describe('scorePair', () => {
  it('has the modes that the outputs allow', () => {
    const [a, b] = [outputs(), outputs()]
    const scores = computeScore(a, b)
    expect(scorePair(a, b)).toEqual({
      dense: scores.dense,
      sparse: scores.sparse,
      colbert: scores.colbert,
      hybrid: scores['colbert+sparse+dense'],
    })
    expect(scorePair({ dense: a.dense, sparse: a.sparse }, b).hybrid).toBe(scores['sparse+dense'])
    expect(Object.keys(scorePair({ dense: a.dense }, b))).toEqual(['dense'])
  })
})
