import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../lib/common/errors.js'
import { toFloat16 } from '../../lib/common/float16.js'
import { createReference, vectorQuality } from '../../lib/exports/quality.js'
import { toBinary, toInt8 } from '../../lib/outputs/precision.js'
import { modelOf, unit } from './data.js'

const make = modelOf(1, 128)
const clean = make(300)
const vector = clean[0] as Float32Array
const kinds = (...args: Parameters<typeof vectorQuality>) =>
  vectorQuality(...args).issues.map(({ kind }) => kind)

describe('vectorQuality', () => {
  it('finds nothing wrong with a clean vector', () => {
    expect(vectorQuality(vector, { expectedDim: 128 })).toEqual({
      score: 1,
      parts: { dimension: 1, finite: 1, norm: 1, spread: 1, typical: null },
      norm: expect.closeTo(1, 6),
      issues: [],
    })
  })

  it('takes every precision and plain numbers', () => {
    const forms = [toFloat16(vector), toInt8(vector), toBinary(vector), [...vector]]
    for (const form of [...forms, Float64Array.from(vector)]) {
      expect(vectorQuality(form, { expectedDim: 128 })).toMatchObject({ score: 1, issues: [] })
    }
    expect(() => vectorQuality('text' as never)).toThrow(InvalidInputError)
  })

  it('says what is wrong, with numbers', () => {
    expect(vectorQuality(vector.slice(0, 100), { expectedDim: 128 })).toMatchObject({
      score: 0,
      parts: { dimension: 0 },
      issues: [{ kind: 'dimension', severity: 'error', value: 100, limit: 128 }, {}],
    })
    const nan = vector.slice()
    nan.set([Number.NaN, Number.POSITIVE_INFINITY], 3)
    expect(vectorQuality(nan)).toMatchObject({
      score: 0,
      norm: null,
      parts: { finite: 0 },
      issues: [{ kind: 'not-finite', value: 2 }],
    })
    expect(vectorQuality(new Float32Array(128))).toMatchObject({
      score: 0,
      norm: 0,
      issues: [{ kind: 'zero' }],
    })
    expect(vectorQuality([])).toMatchObject({ score: 0, issues: [{ kind: 'dimension' }] })
  })

  it('scores a length by how far it is off', () => {
    for (const factor of [0.5, 2]) {
      const { score, issues } = vectorQuality(vector.map((value) => value * factor))
      expect(score).toBeCloseTo(0.5, 5)
      expect(issues).toMatchObject([{ kind: 'norm', value: expect.closeTo(factor, 5) }])
    }
    expect(kinds(vector.map((value) => value * 1.0005))).toEqual([])
    expect(kinds(vector.map((value) => value * 1.01))).toEqual(['norm'])
    expect(
      kinds(
        vector.map((value) => value * 7),
        { normalized: false },
      ),
    ).toEqual([])
  })

  it('finds collapsed and truncated vectors of ordinary length', () => {
    expect(kinds(unit(new Float32Array(128).fill(-3)))).toEqual(['collapsed'])
    const almost = vector.map((value) => 1 + value / 100)
    expect(vectorQuality(unit(almost)).score).toBeLessThan(0.1)
    const single = vector.map((value, i) => (i === 7 ? 1 : value / 1000))
    expect(kinds(unit(single))).toEqual(['collapsed'])
    const cut = unit(vector.map((value, i) => (i < 96 ? value : 0)))
    expect(vectorQuality(cut)).toMatchObject({
      score: expect.closeTo(0.75, 5),
      issues: [{ kind: 'truncated', value: 32 }],
    })
    expect(kinds(toInt8(cut))).toEqual(['truncated'])
    expect(kinds(toBinary(cut.map((value, i) => (i < 64 ? value : -1))))).toEqual(['truncated'])
    // a step of zero at the end is chance for int8
    const end = toInt8(vector)
    end.fill(0, 124)
    expect(kinds(end)).toEqual([])
    expect(kinds([1, 0, 0, 0])).toEqual(['truncated'])
    expect(kinds([0.6, 0.8])).toEqual([])
  })

  it('scores distance from a reference, and lengths against its own', () => {
    const raw = clean.map((v, i) => v.map((value) => value * (3 + (i % 7) / 7)))
    const reference = createReference(raw)
    const options = { reference, normalized: false }
    const fresh = make(50, 99).map((v) => v.map((value) => value * 3.3))
    expect(fresh.filter((v) => vectorQuality(v, options).score < 1).length).toBeLessThanOrEqual(1)
    const foreign = modelOf(2, 128)(20).map((v) => v.map((value) => value * 3.3))
    for (const v of foreign) {
      const { score, parts, issues } = vectorQuality(v, options)
      expect(parts.typical).toBeLessThan(1)
      expect(score).toBe(parts.typical)
      expect(issues).toMatchObject([{ kind: 'outlier', severity: 'error' }])
      expect(issues[0]?.value).toBeGreaterThan(issues[0]?.limit as number)
    }
    expect(
      kinds(
        vector.map((value) => value * 9),
        options,
      ),
    ).toEqual(['norm'])
    expect(kinds(vector.slice(0, 64), { reference })).toContain('dimension')
  })
})

describe('createReference', () => {
  it('refuses too few vectors, and bad ones', () => {
    expect(() => createReference(clean.slice(0, 49))).toThrow(/at least 50/)
    expect(() => createReference([...clean, new Float32Array(128)])).toThrow(/Vector 300/)
    expect(() => createReference([...clean, new Float32Array(64).fill(1)])).toThrow(/Vector 300/)
  })

  it('is the same again for the same seed', () => {
    const a = createReference(clean, { seed: 4 })
    expect(createReference(clean, { seed: 4 })).toEqual(a)
    expect(createReference(clean, { seed: 5 }).limits).not.toEqual(a.limits)
    expect(a).toMatchObject({ dimensions: 128, fitted: 150, heldOut: 150 })
  })

  it('has no trouble with vectors that are all alike', () => {
    const reference = createReference(Array.from({ length: 60 }, () => vector))
    expect(vectorQuality(vector, { reference }).score).toBe(1)
    expect(vectorQuality(clean[1] as Float32Array, { reference }).score).toBeLessThan(0.1)
  })
})
