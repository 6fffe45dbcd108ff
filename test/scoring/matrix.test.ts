import { afterEach, describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../lib/common/errors.js'
import {
  cosine,
  dot,
  euclidean,
  type Metric,
  manhattan,
  similarities,
  similarityMatrix,
  toMatrix,
} from '../../lib/exports/scoring.js'
import { toInt8 } from '../../lib/outputs/precision.js'
import { matmulTransposed, type SimdHelpers, useSimd } from '../../lib/scoring/simd.js'
import { naiveDot, unitVectors } from './reference.js'

const metrics = { cosine, dot, euclidean, manhattan }

/** Counts calls, and multiplies in float32 the plain way. */
function fakeSimd(): SimdHelpers & { calls: number } {
  return {
    calls: 0,
    matmulTransposed(a, b, out, m, n, k) {
      this.calls++
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) {
          let sum = 0
          for (let t = 0; t < k; t++) {
            sum = Math.fround(
              sum + Math.fround((a[i * k + t] as number) * (b[j * k + t] as number)),
            )
          }
          out[i * n + j] = sum
        }
      }
    },
  }
}

afterEach(() => useSimd(undefined))

describe('matmulTransposed', () => {
  it.each([
    [1, 1, 1],
    [4, 2, 8],
    [5, 3, 7],
    [9, 8, 33],
    [3, 1, 5],
    [4, 5, 0],
  ])('multiplies %i x %i of %i', (m, n, k) => {
    const a = unitVectors(m, Math.max(k, 1), 1).map((row) => row.subarray(0, k))
    const b = unitVectors(n, Math.max(k, 1), 2).map((row) => row.subarray(0, k))
    const out = new Float32Array(m * n).fill(Number.NaN)
    matmulTransposed(toMatrix(a).data, toMatrix(b).data, out, m, n, k)
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        expect(out[i * n + j]).toBeCloseTo(naiveDot(a[i] as Float32Array, b[j] as Float32Array), 7)
      }
    }
  })

  it('gives an entry the same bits wherever its rows stand', () => {
    const a = unitVectors(7, 129, 3)
    const b = unitVectors(5, 129, 4)
    const whole = similarityMatrix(a, b, { metric: 'dot' })
    for (let i = 0; i < 7; i++) {
      for (let j = 0; j < 5; j++) {
        const one = similarityMatrix([a[i] as Float32Array], [b[j] as Float32Array], {
          metric: 'dot',
        })
        expect(one.data[0]).toBe(whole.data[i * 5 + j])
      }
    }
  })
})

describe('similarityMatrix', () => {
  const a = unitVectors(130, 32, 5).map((row, i) => row.map((x) => x * (1 + i)))
  const b = unitVectors(67, 32, 6)

  it.each(Object.keys(metrics) as Metric[])('is %s of every pair', (metric) => {
    const { data, rows, cols } = similarityMatrix(a, b, { metric })
    expect([rows, cols]).toEqual([130, 67])
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < cols; j++) {
        const score = metrics[metric](a[i] as Float32Array, b[j] as Float32Array)
        expect(Math.abs((data[i * cols + j] as number) - score)).toBeLessThan(
          1e-6 * (1 + score ** 2),
        )
      }
    }
  })

  it.each(Object.keys(metrics) as Metric[])('of one set is symmetric: %s', (metric) => {
    const one = similarityMatrix(a, a, { metric })
    const two = similarityMatrix(a, a.slice(), { metric })
    for (let i = 0; i < one.rows; i++) {
      for (let j = 0; j < i; j++) {
        expect(one.data[i * one.rows + j]).toBe(one.data[j * one.rows + i])
      }
    }
    expect(Math.max(...one.data.map((x, i) => Math.abs(x - (two.data[i] as number))))).toBeLessThan(
      1e-2,
    )
    if (metric === 'cosine') {
      for (let i = 0; i < one.rows; i++) expect(one.data[i * one.rows + i]).toBeCloseTo(1, 6)
    }
  })

  it('takes rows in one array, and every precision', () => {
    const rows = toMatrix(b)
    expect(similarityMatrix(rows).data).toEqual(similarityMatrix(b).data)
    const int8 = similarityMatrix(b.map(toInt8), b)
    expect(int8.data[0]).toBeGreaterThan(0.999)
    expect(similarityMatrix([], b)).toEqual({ data: new Float32Array(0), rows: 0, cols: 67 })
  })

  it('gives zero vectors cosine 0 and passes NaN on', () => {
    const { data } = similarityMatrix([
      [0, 0],
      [1, 0],
      [Number.NaN, 1],
    ])
    expect([...data.subarray(0, 2)]).toEqual([0, 0])
    expect(data[5]).toBeNaN()
  })

  it('refuses unequal lengths, wrong shapes and what no array can hold', () => {
    expect(() => similarityMatrix([[1, 2]], [[1]])).toThrow(InvalidInputError)
    expect(() => similarityMatrix([[1, 2], [1]])).toThrow(/Vector 1/)
    expect(() => similarityMatrix({ data: new Float32Array(5), rows: 2, cols: 3 })).toThrow(
      InvalidInputError,
    )
    const many = { data: new Float32Array(100000), rows: 100000, cols: 1 }
    expect(() => similarityMatrix(many)).toThrow(/too large/)
    expect(() => similarityMatrix(b, b, { metric: 'nearest' as Metric })).toThrow(InvalidInputError)
  })

  it('uses the helpers that were handed in, for what is large enough', () => {
    const plain = similarityMatrix(a, b)
    const simd = fakeSimd()
    useSimd(simd)
    similarityMatrix([[1, 2]], [[3, 4]])
    expect(simd.calls).toBe(0)
    const fast = similarityMatrix(a, b)
    expect(simd.calls).toBe(2) // 130 rows in tiles of 64, the last with two
    expect(
      Math.max(...fast.data.map((x, i) => Math.abs(x - (plain.data[i] as number)))),
    ).toBeLessThan(1e-6)
    useSimd(undefined)
    expect(similarityMatrix(a, b).data).toEqual(plain.data)
  })
})

describe('similarities', () => {
  it.each(Object.keys(metrics) as Metric[])('is %s of the query with each', (metric) => {
    const [query, ...rest] = unitVectors(9, 20, 8) as [Float32Array, ...Float32Array[]]
    const expected = rest.map((vector) => metrics[metric](query, vector))
    expect([...similarities(query, rest, { metric })]).toEqual(expected)
    expect([...similarities(query, toMatrix(rest), { metric })]).toEqual(expected)
  })

  it('unpacks halves', () => {
    const one = Uint16Array.of(0x3c00, 0)
    expect([...similarities(one, [one, [0, 1]])]).toEqual([1, 0])
  })
})
