import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../lib/common/errors.js'
import { topK, topKScores } from '../../lib/exports/scoring.js'

const vectors = [
  [1, 0],
  [0, 1],
  [2, 2],
  [-1, 0],
  [1, 0],
]

describe('topK', () => {
  it('ranks by the metric, equals by position', () => {
    expect(topK([1, 0], vectors, 3).map((hit) => hit.index)).toEqual([0, 4, 2])
    expect(topK([1, 0], vectors, 2, { metric: 'dot' })).toEqual([
      { index: 2, score: 2 },
      { index: 0, score: 1 },
    ])
    expect(topK([1, 0], vectors, 9, { metric: 'euclidean' }).map((hit) => hit.index)).toEqual([
      0, 4, 1, 3, 2,
    ])
    expect(topK([1, 0], vectors, 9, { metric: 'manhattan' }).map((hit) => hit.index)).toEqual([
      0, 4, 1, 3, 2,
    ])
    expect(topK([1, 0], [], 3)).toEqual([])
    expect(topK([1, 0], vectors, 0)).toEqual([])
  })

  it('never hits NaN', () => {
    expect(topKScores([Number.NaN, 1, Number.NaN, 2], 4).map((hit) => hit.index)).toEqual([3, 1])
  })

  it('is a stable sort, cut', () => {
    const scores = fc.array(fc.oneof(fc.integer({ min: 0, max: 5 }), fc.double()))
    fc.assert(
      fc.property(scores, fc.nat(12), fc.boolean(), (scores, k, lowest) => {
        const sign = lowest ? 1 : -1
        const expected = scores
          .map((score, index) => ({ index, score }))
          .filter(({ score }) => !Number.isNaN(score))
          .sort((a, b) =>
            a.score === b.score ? a.index - b.index : sign * (a.score < b.score ? -1 : 1),
          )
          .slice(0, k)
        expect(topKScores(scores, k, { lowest })).toEqual(expected)
      }),
    )
  })

  it.each([-1, 1.5, Number.NaN])('refuses k = %s', (k) => {
    expect(() => topKScores([1], k)).toThrow(InvalidInputError)
  })

  it('refuses unequal lengths', () => {
    expect(() => topK([1], vectors, 1)).toThrow(InvalidInputError)
  })
})
