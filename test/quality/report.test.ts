import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../lib/common/errors.js'
import { createReference, qualityReport, verifyRows } from '../../lib/exports/quality.js'
import { cosine } from '../../lib/exports/scoring.js'
import { toInt8 } from '../../lib/outputs/precision.js'
import { seededRandom } from '../../lib/scoring/random.js'
import { modelOf, shuffle, unit } from './data.js'

const make = modelOf(21, 64)
const clean = make(400)

describe('qualityReport', () => {
  it('is plain JSON, the same every time, and holds no text', () => {
    const vectors = [...clean.slice(0, 200), clean[0] as Float32Array, new Float32Array(64)]
    const texts = vectors.map((_, i) => `a secret text ${i}`)
    const ids = vectors.map((_, i) => `id-${i}`)
    const report = qualityReport(vectors, { texts, ids })
    expect(JSON.parse(JSON.stringify(report))).toEqual(report)
    expect(JSON.stringify(report)).not.toContain('secret')
    expect(qualityReport(vectors, { texts, ids })).toEqual(report)
    expect(report).toMatchObject({
      kind: 'quality',
      vectors: 202,
      dimensions: 64,
      flagged: 2,
      counts: { duplicate: 1, zero: 1, 'not-finite': 0 },
      issues: [
        { index: 200, id: 'id-200', kind: 'duplicate', other: { index: 0, id: 'id-0' } },
        { index: 201, id: 'id-201', kind: 'zero' },
      ],
      worst: [{ index: 201, id: 'id-201', score: 0 }],
      duplicates: { exact: 1, sameText: 0 },
    })
    expect(report.score).toBeCloseTo((201 / 202) * (201 / 202), 12)
    expect(report.norms?.count).toBe(201)
    expect(report.scores?.histogram.counts.reduce((sum, count) => sum + count, 0)).toBe(202)
    expect(report.similarities?.pairs).toBe((201 * 200) / 2)
  })

  it('takes a matrix, and any precision', () => {
    const data = Float32Array.from(clean.flatMap((vector) => [...vector]))
    const report = qualityReport({ data, rows: 400, cols: 64 })
    expect(report).toEqual(qualityReport(clean))
    const rounded = qualityReport(clean.map((vector) => toInt8(vector)))
    expect(rounded.flagged).toBe(0)
    expect(rounded.anisotropy).toBeCloseTo(report.anisotropy as number, 2)
    expect(() => qualityReport({ data, rows: 3, cols: 64 })).toThrow(InvalidInputError)
    expect(() => qualityReport('text' as never)).toThrow(InvalidInputError)
  })

  it('says little of few vectors, and nothing of none', () => {
    expect(qualityReport([])).toMatchObject({
      vectors: 0,
      dimensions: null,
      score: 1,
      norms: null,
      similarities: null,
      anisotropy: null,
      issues: [],
    })
    const two = qualityReport(clean.slice(0, 2))
    const expected = cosine(clean[0] as Float32Array, clean[1] as Float32Array)
    expect(two.anisotropy).toBeCloseTo(expected, 6)
    expect(two.effectiveDimension).toBeNull()
    expect(two.outliers.method).toBeNull()
    expect(qualityReport([new Float32Array(64)]).flagged).toBe(1)
    expect(qualityReport([[], [Number.NaN]]).flagged).toBe(2)
  })

  it('sees a set that has collapsed', () => {
    const random = seededRandom(1)
    const same = clean.map(() => unit((clean[0] as Float32Array).map((v) => v + random() * 1e-3)))
    const report = qualityReport(same)
    expect(report.anisotropy).toBeGreaterThan(0.99)
    expect(report.parts.diversity).toBeLessThan(0.01)
    expect(report.score).toBeLessThan(0.01)
  })

  it('expects the length that most vectors have', () => {
    const vectors = [new Float32Array(32).fill(1 / Math.sqrt(32)), ...clean.slice(0, 20)]
    expect(qualityReport(vectors)).toMatchObject({ dimensions: 64, counts: { dimension: 1 } })
    expect(qualityReport(vectors, { expectedDim: 32 }).counts.dimension).toBe(20)
  })

  it('takes texts that differ in blanks or in form for one, and hashes for texts', () => {
    const vectors = [clean[0], clean[0], clean[1], clean[1]] as Float32Array[]
    const texts = ['one  two', 'one\ntwo ', 'ﬁn', 'fin']
    expect(qualityReport(vectors, { texts })).toMatchObject({
      flagged: 0,
      duplicates: { exact: 0, sameText: 2, near: 0 },
    })
    expect(qualityReport(vectors, { hashes: ['a', 'b', 'c', 'c'] })).toMatchObject({
      flagged: 1,
      duplicates: { exact: 1, sameText: 1, near: 1 },
    })
    const unknown = qualityReport(vectors)
    expect(unknown).toMatchObject({ flagged: 0, counts: { duplicate: 2 } })
    expect(unknown.notes.join()).toContain('Texts are not known')
    for (const wrong of [{ texts: ['a'] }, { ids: ['a'] }, { hashes: [] }, { expected: [] }]) {
      expect(() => qualityReport(vectors, wrong)).toThrow(InvalidInputError)
    }
  })

  it('keeps a collapsed set of different texts short', () => {
    const vectors = Array.from({ length: 500 }, () => clean[0] as Float32Array)
    const report = qualityReport(vectors, { texts: vectors.map((_, i) => `${i}`), maxIssues: 10 })
    expect(report.duplicates.exact).toBe(499)
    expect(report.issues).toHaveLength(10)
    expect(report.issuesLeftOut).toBe(report.counts.duplicate + report.counts.outlier - 10)
    expect(report.duplicates.pairs).toHaveLength(100)
  })

  it('finds all near-duplicates that comparing all pairs finds', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e6 }),
        fc.integer({ min: 2, max: 150 }),
        fc.double({ min: 0.5, max: 0.999, noNaN: true }),
        (seed, count, threshold) => {
          const random = seededRandom(seed)
          const vectors = shuffle(
            make(count, seed).flatMap((vector) => [
              vector,
              unit(vector.map((value) => value + (random() - 0.5) * random() * 0.1)),
            ]),
            random,
          )
          let count2 = 0
          for (let i = 0; i < vectors.length; i++) {
            for (let j = i + 1; j < vectors.length; j++) {
              const value = cosine(vectors[i] as Float32Array, vectors[j] as Float32Array)
              if (Math.abs(value - threshold) < 1e-6) return // rounding decides
              if (value >= threshold) count2++
            }
          }
          const { duplicates } = qualityReport(vectors, { nearDuplicate: threshold })
          expect(duplicates.near).toBe(count2)
          for (const { a, b, cosine: value } of duplicates.pairs) {
            expect(a).toBeLessThan(b)
            expect(value).toBeCloseTo(
              cosine(vectors[a] as Float32Array, vectors[b] as Float32Array),
              5,
            )
          }
        },
      ),
      { numRuns: 30 },
    )
  })

  it('samples what is quadratic, and says so', () => {
    const report = qualityReport(clean, { maxRows: 100, maxPairs: 500 })
    expect(report.similarities).toMatchObject({ pairs: 500, sampled: true })
    expect(report.duplicates).toMatchObject({ rows: 100, sampled: true })
    expect(report.notes.join()).toContain('a sample of 100 vectors (seed 0)')
    // outliers are looked for among all, sample or not
    expect(report.outliers.rows).toBe(400)
    const exact = qualityReport(clean)
    expect(report.anisotropy).toBeCloseTo(exact.anisotropy as number, 1)
  })

  it('measures lengths against each other where they need not be 1', () => {
    const scaled = clean.map((vector, i) => vector.map((value) => value * (5 + (i % 10) / 10)))
    scaled[7] = (clean[7] as Float32Array).map((value) => value * 500)
    const report = qualityReport(scaled, { normalized: false })
    expect(report).toMatchObject({ counts: { norm: 1 }, flagged: 0 })
    expect(report.issues[0]).toMatchObject({ index: 7, kind: 'norm', severity: 'warning' })
    const reference = createReference(scaled.slice(100))
    const against = qualityReport(scaled, { normalized: false, reference })
    expect(against.issues.filter(({ kind }) => kind === 'norm')).toMatchObject([
      { index: 7, severity: 'error' },
    ])
    expect(() => qualityReport(scaled, { reference, expectedDim: 32 })).toThrow(InvalidInputError)
  })

  it('compares with expected vectors where there are any', () => {
    const expected = clean.map((vector, i) => (i < 10 ? vector : undefined))
    const vectors = [...clean]
    vectors[3] = clean[20] as Float32Array
    expected[4] = new Float32Array(32)
    const report = qualityReport(vectors, { expected })
    expect(report.issues.filter(({ kind }) => kind === 'mismatch')).toMatchObject([
      { index: 3, value: expect.any(Number), limit: 0.99 },
      { index: 4, severity: 'error' },
    ])
    expect(report.counts.mismatch).toBe(2)
  })
})

describe('verifyRows', () => {
  const texts = clean.map((_, i) => `${i}`)
  const embed = async (some: string[]) => some.map((text) => clean[Number(text)] as Float32Array)

  it('finds swapped rows in what it embeds again', async () => {
    const vectors = [...clean]
    vectors[5] = clean[6] as Float32Array
    vectors[6] = clean[5] as Float32Array
    const ids = texts.map((text) => `id ${text}`)
    const all = await verifyRows(vectors, texts, embed, { sample: Number.POSITIVE_INFINITY, ids })
    expect(all).toMatchObject({
      checked: 400,
      mismatches: [
        { index: 5, id: 'id 5' },
        { index: 6, id: 'id 6' },
      ],
      wrongAtMost: null,
    })
  })

  it('says how much a sample can have missed', async () => {
    const asked: number[] = []
    const counting = (some: string[]) => {
      asked.push(some.length)
      return embed(some)
    }
    const sample = await verifyRows(clean, texts, counting, { batch: 30 })
    expect(sample).toMatchObject({ vectors: 400, checked: 100, mismatches: [] })
    expect(sample.wrongAtMost).toBeCloseTo(0.0295, 4)
    expect(asked).toEqual([30, 30, 30, 10])
    const all = await verifyRows(clean, texts, embed, { sample: 400 })
    expect(all.wrongAtMost).toBe(0)
    expect((await verifyRows([], [], embed)).wrongAtMost).toBe(0)
  })

  it('takes what does not compare for wrong', async () => {
    const shorter = async (some: string[]) => some.map(() => new Float32Array(3).fill(1))
    const { mismatches } = await verifyRows(clean.slice(0, 2), ['0', '1'], shorter)
    expect(mismatches).toEqual([
      { index: 0, cosine: null },
      { index: 1, cosine: null },
    ])
    const none = await verifyRows(clean.slice(0, 1), ['0'], async () => [])
    expect(none.mismatches).toHaveLength(1)
    await expect(verifyRows(clean, ['0'], embed)).rejects.toThrow(InvalidInputError)
    const fails = async () => {
      throw new Error('the embedder failed')
    }
    await expect(verifyRows(clean, texts, fails)).rejects.toThrow('the embedder failed')
  })
})
