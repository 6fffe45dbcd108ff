import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../lib/common/errors.js'
import { lexicalMatrix, lexicalScore, sparseFromWeights } from '../../lib/exports/scoring.js'

const weights = fc.dictionary(fc.nat(30).map(String), fc.float({ min: 0, max: 1, noNaN: true }))

describe('lexicalScore', () => {
  it('adds the products of shared ids', () => {
    const a = { indices: [1, 5, 9], values: [0.5, 0.25, 2] }
    const b = { indices: new Uint32Array([5, 7, 9]), values: new Float32Array([4, 9, 0.5]) }
    expect(lexicalScore(a, b)).toBe(0.25 * 4 + 2 * 0.5)
    expect(lexicalScore(a, { indices: [2], values: [1] })).toBe(0)
    expect(lexicalScore(a, { indices: [], values: [] })).toBe(0)
  })

  it('is what the dictionaries of FlagEmbedding give', () => {
    fc.assert(
      fc.property(weights, weights, (a, b) => {
        let expected = 0
        for (const [id, weight] of Object.entries(a)) expected += weight * (b[id] ?? 0)
        const score = lexicalScore(sparseFromWeights(a), sparseFromWeights(b))
        expect(score).toBeCloseTo(expected, 10)
        expect(lexicalScore(sparseFromWeights(b), sparseFromWeights(a))).toBe(score)
      }),
    )
  })

  it('of all pairs of two lists are a matrix of them', () => {
    fc.assert(
      fc.property(fc.array(weights), fc.array(weights), (left, right) => {
        const [a, b] = [left.map(sparseFromWeights), right.map(sparseFromWeights)]
        const { data, rows, cols } = lexicalMatrix(a, b)
        expect([rows, cols]).toEqual([a.length, b.length])
        const pairs = a.flatMap((x) => b.map((y) => lexicalScore(x, y)))
        expect(data).toEqual(Float32Array.from(pairs))
      }),
    )
    const own = [{ indices: [1, 2], values: [2, 3] }]
    expect(lexicalMatrix(own)).toEqual({ data: Float32Array.of(13), rows: 1, cols: 1 })
    expect(() => lexicalMatrix([{ indices: [2, 1], values: [1, 1] }], own)).toThrow(
      InvalidInputError,
    )
  })

  it('refuses what is no sparse vector', () => {
    const good = { indices: [1], values: [1] }
    for (const bad of [
      { indices: [1, 2], values: [1] },
      { indices: [2, 1], values: [1, 1] },
      { indices: [2, 2], values: [1, 1] },
    ]) {
      expect(() => lexicalScore(bad, good)).toThrow(InvalidInputError)
      expect(() => lexicalScore(good, bad)).toThrow(InvalidInputError)
    }
  })
})

describe('sparseFromWeights', () => {
  it('sorts ids by number', () => {
    expect(sparseFromWeights({ '10': 1, '9': 0.5 })).toEqual({
      indices: Uint32Array.of(9, 10),
      values: Float32Array.of(0.5, 1),
    })
    expect([
      ...sparseFromWeights(
        new Map([
          [3, 1],
          [2, 1],
        ]),
      ).indices,
    ]).toEqual([2, 3])
  })

  it.each(['a', '', ' ', '-1', '1.5', '4294967296'])('refuses the key %j', (key) => {
    expect(() => sparseFromWeights({ [key]: 1 })).toThrow(InvalidInputError)
  })

  it('refuses an id named twice', () => {
    expect(() => sparseFromWeights({ '1': 1, '01': 1 })).toThrow(InvalidInputError)
  })
})
