import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../../lib/common/errors.js'
import { lengthsOf, packed, resultBytes } from '../../../lib/engine/estimate/estimate.js'

describe('lengthsOf', () => {
  const texts = ['a', 'b', 'a', 7, 'long']
  const counted = [10, 20, 10, new InvalidInputError('no text'), 2000]

  it('counts identical texts once in time, and leaves out what would be refused', () => {
    const lengths = lengthsOf(texts, counted, { maxTokens: 1000, truncate: 'error' })
    expect(lengths).toEqual({ all: [10, 20, 10], distinct: [10, 20] })
  })

  it('cuts what would be cut', () => {
    const { all } = lengthsOf(texts, counted, { maxTokens: 1000, truncate: 'end' })
    expect(all).toEqual([10, 20, 10, 1000])
  })
})

describe('packed', () => {
  it('packs as the scheduler does', () => {
    const count = (lengths: number[], batchTokens = 512, maxTexts = 128) =>
      packed(lengths, { batchTokens, maxTexts }).length
    expect(count([])).toBe(0)
    expect(count([9000])).toBe(1)
    expect(count(Array(300).fill(1))).toBe(3)
    expect(packed([500, 100, 12, 400], { batchTokens: 512, maxTexts: 128 })).toEqual([
      [500, 12],
      [100, 400],
    ])
    expect(count(Array(10).fill(300))).toBe(10)
    expect(count(Array(10).fill(10), 512, 1)).toBe(10)
    // what does not fit is passed over, but not for ever
    expect(count([300, ...Array(40).fill(300), 10])).toBe(41)
  })
})

describe('resultBytes', () => {
  const dense = { dense: true, sparse: false, colbert: false }
  const call = {
    outputs: dense,
    precision: 'float32',
    dimensions: 1000,
    dim: 1000,
    colbertDim: 1000,
  } as const

  it('holds all results, of identical texts too', () => {
    const one = resultBytes([300], 300, call)
    expect(resultBytes(Array(1000).fill(300), 300, call) - one).toBeGreaterThan(999 * 4700)
  })

  it('counts what the outputs weigh', () => {
    const outputs = { dense: true, sparse: true, colbert: true }
    const all = resultBytes([900], 900, { ...call, outputs })
    const bits = resultBytes([900], 900, { ...call, outputs, precision: 'binary' })
    expect(all - resultBytes([900], 900, call)).toBeGreaterThan(900 * 4000)
    expect(all - bits).toBeGreaterThan(900 * 3800)
  })
})
