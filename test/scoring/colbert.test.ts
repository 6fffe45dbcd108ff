import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../lib/common/errors.js'
import { colbertScore, type MultiVector, maxSimilarities } from '../../lib/exports/scoring.js'
import { rowsToPrecision } from '../../lib/outputs/precision.js'
import { multiVector, naiveDot } from './reference.js'

function naiveColbert(
  q: ReturnType<typeof multiVector>,
  p: ReturnType<typeof multiVector>,
): number {
  let sum = 0
  for (let i = 0; i < q.rows; i++) {
    const row = q.data.subarray(i * q.cols, (i + 1) * q.cols)
    const products = Array.from({ length: p.rows }, (_, j) =>
      naiveDot(row, p.data.subarray(j * p.cols, (j + 1) * p.cols)),
    )
    sum += Math.max(...products)
  }
  return sum / q.rows
}

describe('colbertScore', () => {
  it('is a mean over the query of the best passage row', () => {
    const q = { data: [1, 0, 0, 1, 0.6, 0.8], rows: 3, cols: 2 }
    const p = { data: [0, 1, 0.8, 0.6], rows: 2, cols: 2 }
    // best: 0.8, 1, max(0.8, 0.96)
    expect(colbertScore(q, p)).toBeCloseTo((0.8 + 1 + 0.96) / 3, 6)
    // Not symmetric: the other way round there are two rows to average.
    expect(colbertScore(p, q)).toBeCloseTo((1 + 0.96) / 2, 6)
    expect(maxSimilarities(q, p)[2]).toBeCloseTo(0.96, 6)
  })

  it('agrees with the definition, over tile borders too', () => {
    const shape = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 40 }))
    fc.assert(
      fc.property(shape, shape, ([m, k], [n]) => {
        const q = multiVector(m, k, 1)
        const p = multiVector(n, k, 2)
        expect(colbertScore(q, p)).toBeCloseTo(naiveColbert(q, p), 6)
      }),
    )
    const q = multiVector(70, 16, 3)
    const p = multiVector(900, 16, 4)
    expect(colbertScore(q, p)).toBeCloseTo(naiveColbert(q, p), 6)
  })

  it('can be below zero, and is 1 of a text with itself', () => {
    const q = multiVector(3, 16, 1)
    expect(colbertScore(q, q)).toBeCloseTo(1, 6)
    expect(
      colbertScore({ data: [1, 0], rows: 1, cols: 2 }, { data: [-1, 0], rows: 1, cols: 2 }),
    ).toBe(-1)
  })

  it('takes every precision', () => {
    const q = multiVector(5, 1024, 1)
    const p = multiVector(8, 1024, 2)
    p.data.set(q.data.subarray(0, 2048)) // two rows in common
    const to = (v: typeof q, precision: 'float16' | 'int8' | 'binary'): MultiVector => ({
      ...v,
      data: rowsToPrecision(v.data, v.rows, v.cols, precision),
    })
    const exact = colbertScore(q, p)
    expect(colbertScore(to(q, 'float16'), to(p, 'float16'))).toBeCloseTo(exact, 4)
    expect(colbertScore(to(q, 'int8'), to(p, 'int8'))).toBeCloseTo(exact, 3)
    expect(colbertScore(q, to(p, 'int8'))).toBeCloseTo(exact, 3)
    expect(Math.abs(colbertScore(to(q, 'binary'), to(p, 'binary')) - exact)).toBeLessThan(0.1)
  })

  it('passes NaN on', () => {
    const q = { data: [1, 0, Number.NaN, 1], rows: 2, cols: 2 }
    expect(colbertScore(q, { data: [1, 0], rows: 1, cols: 2 })).toBeNaN()
    expect(maxSimilarities(q, { data: [1, 0], rows: 1, cols: 2 })[0]).toBe(1)
  })

  it('refuses what has no rows or does not compare', () => {
    const good = { data: [1, 0], rows: 1, cols: 2 }
    for (const bad of [
      { data: [], rows: 0, cols: 2 },
      { data: [1, 0, 1], rows: 1, cols: 2 },
      { data: [1, 0, 1], rows: 1, cols: 3 },
      { data: new Uint8Array(1), rows: 1, cols: 2 },
    ]) {
      expect(() => colbertScore(bad, good)).toThrow(InvalidInputError)
      expect(() => colbertScore(good, bad)).toThrow(InvalidInputError)
    }
  })
})
