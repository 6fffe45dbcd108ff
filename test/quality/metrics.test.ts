import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../lib/common/errors.js'
import {
  accuracyAt,
  averagePrecisionAt,
  meanInterval,
  ndcgAt,
  pearsonInterval,
  precisionAt,
  QrelsReader,
  recallAt,
  reciprocalRankAt,
  spearman,
  spearmanInterval,
  stsMetrics,
} from '../../lib/exports/quality.js'
import { seededRandom } from '../../lib/scoring/random.js'
import { gaussian } from './data.js'

describe('published examples', () => {
  // Wikipedia, "Discounted cumulative gain": documents D1 to D6 are judged 3, 2, 3, 0, 1, 2, and D7 and
  // D8, not retrieved, 3 and 2: DCG 6.861, ideal DCG 8.740, nDCG 0.785.
  it('nDCG', () => {
    const grades = new Map(Object.entries({ D1: 3, D2: 2, D3: 3, D4: 0, D5: 1, D6: 2 }))
    const ranking = ['D1', 'D2', 'D3', 'D4', 'D5', 'D6']
    expect(ndcgAt(ranking, grades, 6)).toBeCloseTo(6.861 / 7.141, 3)
    grades.set('D7', 3).set('D8', 2)
    expect(ndcgAt(ranking, grades, 6)).toBeCloseTo(0.785, 3)
  })

  // Wikipedia, "Mean reciprocal rank": ranks 3, 2 and 1 give (1/3 + 1/2 + 1)/3 = 0.61.
  it('MRR', () => {
    const rankings = [
      ['catten', 'cati', 'cats'],
      ['torii', 'tori', 'toruses'],
      ['viruses', 'virii', 'viri'],
    ]
    const correct = ['cats', 'tori', 'viruses']
    const ranks = rankings.map((ranking, i) =>
      reciprocalRankAt(ranking, new Map([[correct[i] as string, 1]]), 10),
    )
    expect(ranks.reduce((sum, rank) => sum + rank, 0) / 3).toBeCloseTo(11 / 18, 12)
  })

  // Wikipedia, "Spearman's rank correlation coefficient": IQ and hours of TV, rho = -29/165.
  it("Spearman's correlation", () => {
    const iq = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110]
    const hours = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17]
    expect(spearman(iq, hours)).toBeCloseTo(-29 / 165, 12)
  })
})

const MEASURES = [accuracyAt, averagePrecisionAt, ndcgAt, precisionAt, recallAt, reciprocalRankAt]

/** trec_eval's own answers, by test/quality/tools/trec.py. */
describe('trec_eval', () => {
  const { runs } = JSON.parse(
    readFileSync(join(import.meta.dirname, '../fixtures/quality/trec.json'), 'utf8'),
  ) as {
    runs: {
      scores: Record<string, number>
      grades: Record<string, number>
      expected: Record<string, number>
    }[]
  }

  it.each([...runs.entries()])('query %i', (_, { scores, grades, expected }) => {
    const ranking = Object.keys(scores).sort(
      (a, b) => (scores[b] as number) - (scores[a] as number) || (a < b ? 1 : -1),
    )
    // chunks of the same documents are found again, later
    const repeated = ranking.flatMap((doc, i) => [doc, ...ranking.slice(0, i % 3)])
    const judged = new Map(Object.entries(grades))
    for (const list of [ranking, repeated]) {
      for (const k of [1, 5, 10]) {
        const got = {
          [`P_${k}`]: precisionAt(list, judged, k),
          [`recall_${k}`]: recallAt(list, judged, k),
          [`success_${k}`]: accuracyAt(list, judged, k),
          [`map_cut_${k}`]: averagePrecisionAt(list, judged, k),
          [`ndcg_cut_${k}`]: ndcgAt(list, judged, k),
        }
        for (const [name, value] of Object.entries(got))
          expect(value, name).toBeCloseTo(expected[name] as number, 4)
      }
      expect(reciprocalRankAt(list, judged, 1000)).toBeCloseTo(expected.recip_rank as number, 4)
    }
  })
})

describe('measures of a ranking', () => {
  it('count what is above zero as relevant, and nothing else', () => {
    const grades = new Map([
      ['a', 2],
      ['b', 1],
      ['c', 0],
      ['d', -1],
    ])
    expect(recallAt(['d', 'c', 'x', 'a'], grades, 10)).toBe(0.5)
    expect(recallAt(['d', 'c', 'x', 'a'], grades, 3)).toBe(0)
    expect(reciprocalRankAt(['d', 'c', 'x', 'a'], grades, 10)).toBe(0.25)
    expect(ndcgAt(['d', 'c', 'x', 'a'], grades, 10)).toBeCloseTo(
      2 / Math.log2(5) / (2 + 1 / Math.log2(3)),
      12,
    )
  })

  it('are 0 where nothing is relevant', () => {
    for (const measure of MEASURES) {
      expect(measure(['a'], new Map([['a', 0]]), 10)).toBe(0)
      expect(measure([], new Map(), 10)).toBe(0)
      expect(() => measure(['a'], new Map([['a', 1]]), 0)).toThrow(InvalidInputError)
    }
  })

  it('lie between 0 and 1, and are 1 for the best order', () => {
    const judged = fc.array(fc.integer({ min: -1, max: 3 }), { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(judged, fc.integer({ min: 0, max: 999 }), (list, seed) => {
        const grades = new Map([...list, 1].map((grade, i) => [i, grade]))
        const random = seededRandom(seed)
        const any = [...grades.keys()].sort(() => random() - 0.5)
        const best = [...grades.keys()].sort(
          (a, b) => (grades.get(b) as number) - (grades.get(a) as number),
        )
        for (const measure of MEASURES) {
          const value = measure(any, grades, 10)
          expect(value).toBeGreaterThanOrEqual(0)
          expect(value).toBeLessThanOrEqual(measure(best, grades, 10) + 1e-12)
        }
        expect(ndcgAt(best, grades, 10)).toBeCloseTo(1, 12)
        expect(reciprocalRankAt(best, grades, 10)).toBe(1)
      }),
    )
  })
})

describe('intervals', () => {
  it('of a mean are as wide as the normal approximation says', () => {
    const random = seededRandom(5)
    const values = Array.from({ length: 400 }, () => gaussian(random))
    const mean = values.reduce((sum, value) => sum + value, 0) / 400
    const interval = meanInterval(values, { samples: 4000 })
    const [low, high] = interval as [number, number]
    expect(low).toBeLessThan(mean)
    expect(high).toBeGreaterThan(mean)
    expect(high - low).toBeGreaterThan(0.9 * 2 * 1.96 * 0.05)
    expect(high - low).toBeLessThan(1.1 * 2 * 1.96 * 0.05)
    expect(meanInterval(values, { samples: 4000 })).toEqual(interval)
    expect(meanInterval(values, { samples: 4000, seed: 1 })).not.toEqual(interval)
    expect(meanInterval([])).toBeNull()
  })

  it('of a rank correlation are those of sorting each resample', () => {
    const random = seededRandom(6)
    const x = Array.from({ length: 50 }, () => Math.round(gaussian(random) * 2))
    const y = x.map((value) => value + Math.round(gaussian(random) * 2))
    // the same draws, ranked the slow way
    const draw = seededRandom(3)
    const values = Array.from({ length: 200 }, () => {
      const picks = Array.from({ length: 50 }, () => Math.floor(draw() * 50))
      return spearman(
        picks.map((pick) => x[pick] as number),
        picks.map((pick) => y[pick] as number),
      ) as number
    }).sort((a, b) => a - b)
    const [low, high] = spearmanInterval(x, y, { samples: 200, seed: 3 }) as [number, number]
    expect(low).toBeCloseTo((values[4] as number) * 0.025 + (values[4] as number) * 0.975, 1)
    expect(low).toBeGreaterThanOrEqual(values[4] as number)
    expect(low).toBeLessThanOrEqual(values[5] as number)
    expect(high).toBeGreaterThanOrEqual(values[194] as number)
    expect(high).toBeLessThanOrEqual(values[195] as number)
    expect(pearsonInterval(x, y)?.every((bound) => bound > 0 && bound < 1)).toBe(true)
    expect(spearmanInterval([1, 1, 1], [1, 2, 3])).toBeNull()
  })
})

describe('stsMetrics', () => {
  it('measures the modes that all pairs have', () => {
    const gold = [0, 1, 2, 3, 4]
    const scores = gold.map((score) => ({ dense: score / 10, sparse: -score, hybrid: 1 }))
    const { dense, sparse, colbert, hybrid, ci } = stsMetrics(scores, gold)
    expect(dense).toEqual({ spearman: expect.closeTo(1, 12), pearson: expect.closeTo(1, 12) })
    expect(sparse?.spearman).toBeCloseTo(-1, 12)
    expect(colbert).toBeUndefined()
    expect(hybrid).toEqual({})
    expect(ci.dense?.spearman?.[1]).toBeCloseTo(1, 12)
    expect(stsMetrics([], [])).toEqual({ ci: {} })
  })
})

describe('QrelsReader', () => {
  const read = (text: string) => {
    const reader = new QrelsReader()
    text.split('\n').forEach((line, i) => {
      reader.line(line, i + 1)
    })
    return reader.finish()
  }

  it.each([
    ['BEIR', 'query-id\tcorpus-id\tscore\nq 1\td1\t1\nq 1\td2\t0\n\nq2\td1\t2'],
    ['BEIR without a header', 'q 1\td1\t1\nq 1\td2\t0\nq2\td1\t2'],
    ['TREC', 'q 1\t0\td1\t1\nq 1\t0\td2\t0\nq2\tQ0\td1\t2.0'],
  ])('reads the form of %s', (_, text) => {
    const { byQuery, count, negative } = read(text)
    expect([...byQuery].map(([query, grades]) => [query, [...grades]])).toEqual([
      ['q 1', [['d1', 1], ['d2', 0]]], // biome-ignore format: pairs
      ['q2', [['d1', 2]]],
    ])
    expect({ count, negative }).toEqual({ count: 3, negative: 0 })
  })

  it('reads blanks between columns, counts negative grades, and takes a repeated line once', () => {
    const { byQuery, count, negative } = read('q1 0 d1 1\nq1 0 d2 -2\nq1 0 d1 1')
    expect(byQuery.get('q1')?.get('d2')).toBe(-2)
    expect({ count, negative }).toEqual({ count: 2, negative: 1 })
  })

  it.each([
    ['q1\td1', /Line 1 .* has 2 columns/],
    ['q1\td1\t1\nq1\td1\ttrue', /Line 2 .* score that is not a number/],
    ['doc\td1\tyes', /Line 1 .* score that is not a number/],
    ['q1\td1\t1\nquery-id\tcorpus-id\tscore', /Line 2 .* not a number/],
    ['q1\t\t1', /Line 1 .* empty id/],
    ['q1\td1\t1\nq1\td1\t2', /Line 2 .* judges a pair again/],
    ['', /are empty/],
    ['query-id\tcorpus-id\tscore', /are empty/],
    ['q1\td1\t0\nq2\td2\t-1', /No relevance judgement is above zero/],
  ])('refuses %j', (text, message) => {
    expect(() => read(text)).toThrow(InvalidInputError)
    expect(() => read(text)).toThrow(message)
  })
})
