/** Everything that is measured, against an independent implementation in NumPy (tools/reference.py). */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  clusterQuality,
  compareEmbeddings,
  ndcgAt,
  pearson,
  qualityReport,
  quantile,
  recallAt,
  reciprocalRankAt,
  spearman,
} from '../../lib/exports/quality.js'
import { has, pythonWith } from '../helpers/needs.mjs'

interface Reference {
  rankings: {
    ranking: string[]
    grades: Record<string, number>
    expected: Record<'recall@1' | 'recall@10' | 'recall@100' | 'ndcg@10' | 'mrr@10', number>
  }[]
  correlations: {
    x: number[]
    y: number[]
    pearson: number
    spearman: number
    quantiles: number[]
  }[]
  set: {
    rows: number[][]
    anisotropy: number
    effectiveDimension: number
    variance: number[]
    median: number
    p05: number
    near: number
  }
  silhouettes: { rows: number[][]; labels: number[]; silhouette: number; coherence: number }[]
  comparison: {
    a: number[][]
    b: number[][]
    spearman: number
    pearson: number
    meanDifference: number
    maxDifference: number
    overlap: number
    drift: number[]
  }
}

const script = path.join(import.meta.dirname, 'tools/reference.py')
const recorded = readFileSync(
  path.join(import.meta.dirname, '../fixtures/quality/reference.json'),
  'utf8',
)
const reference = JSON.parse(recorded) as Reference

describe('the recorded reference', () => {
  it.skipIf(!has('numpy'))('is what the script gives', () => {
    const { stdout } = spawnSync(pythonWith('numpy') as string, [script], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    })
    expectNear(JSON.parse(stdout), JSON.parse(recorded))
  })
})

/** The same shape, and numbers but for rounding in another NumPy. */
function expectNear(found: unknown, expected: unknown): void {
  if (typeof expected === 'number') expect(found).toBeCloseTo(expected, 9)
  else if (typeof expected === 'object' && expected !== null) {
    expect(Object.keys(found as object)).toEqual(Object.keys(expected))
    for (const [key, value] of Object.entries(expected)) {
      expectNear((found as Record<string, unknown>)[key], value)
    }
  } else expect(found).toBe(expected)
}

describe('against NumPy', () => {
  it('measures of rankings', () => {
    for (const { ranking, grades, expected } of reference.rankings) {
      const judged = new Map(Object.entries(grades))
      expect({
        'recall@1': recallAt(ranking, judged, 1),
        'recall@10': recallAt(ranking, judged, 10),
        'recall@100': recallAt(ranking, judged, 100),
        'ndcg@10': ndcgAt(ranking, judged, 10),
        'mrr@10': reciprocalRankAt(ranking, judged, 10),
      }).toEqual(
        Object.fromEntries(
          Object.entries(expected).map(([name, value]) => [name, expect.closeTo(value, 12)]),
        ),
      )
    }
  })

  it('correlations, with and without ties, and quantiles', () => {
    for (const { x, y, quantiles, ...expected } of reference.correlations) {
      expect(pearson(x, y)).toBeCloseTo(expected.pearson, 10)
      expect(spearman(x, y)).toBeCloseTo(expected.spearman, 10)
      const sorted = x.slice().sort((a, b) => a - b)
      const found = [0, 0.01, 0.05, 0.25, 0.5, 0.9, 1].map((q) => quantile(sorted, q))
      quantiles.forEach((value, i) => {
        expect(found[i]).toBeCloseTo(value, 12)
      })
    }
  })

  it('a set: mean cosine, effective dimension, variances, near-duplicates', () => {
    const { rows, ...expected } = reference.set
    // all 179,700 pairs
    const report = qualityReport(rows, { maxPairs: 1e6, nearDuplicate: 0.95, normalized: false })
    expect(report.similarities?.sampled).toBe(false)
    expect(report.anisotropy).toBeCloseTo(expected.anisotropy, 6)
    expect(report.similarities?.mean).toBeCloseTo(expected.anisotropy, 6)
    expect(report.similarities?.median).toBeCloseTo(expected.median, 6)
    expect(report.similarities?.p05).toBeCloseTo(expected.p05, 6)
    expect(report.duplicates.near).toBe(expected.near)
    // the eigenvalues of 600 rows are biased a little, which ours leaves out
    const ratio = (report.effectiveDimension as number) / expected.effectiveDimension
    expect(ratio).toBeGreaterThan(0.98)
    expect(ratio).toBeLessThan(1.05)
    // ours are of half of the rows
    report.variance.slice(0, 5).forEach((share, i) => {
      expect(Math.abs(share / (expected.variance[i] as number) - 1)).toBeLessThan(0.2)
    })
  })

  it('silhouette and coherence', () => {
    for (const { rows, labels, silhouette, coherence } of reference.silhouettes) {
      const found = clusterQuality(rows, labels)
      expect(found.silhouette).toBeCloseTo(silhouette, 5)
      expect(found.coherence).toBeCloseTo(coherence, 5)
    }
  })

  it('a comparison', () => {
    const { a, b, ...expected } = reference.comparison
    const { outputs } = compareEmbeddings(a, b, { k: 5 })
    expect(outputs.dense?.preservation).toMatchObject({
      spearman: expect.closeTo(expected.spearman, 6),
      pearson: expect.closeTo(expected.pearson, 6),
      meanDifference: expect.closeTo(expected.meanDifference, 6),
      maxDifference: expect.closeTo(expected.maxDifference, 6),
    })
    expect(outputs.dense?.overlap.mean).toBeCloseTo(expected.overlap, 12)
    const drifts = expected.drift.slice().sort((x, y) => x - y)
    expect(outputs.dense?.drift?.min).toBeCloseTo(drifts[0] as number, 6)
    expect(outputs.dense?.drift?.max).toBeCloseTo(drifts.at(-1) as number, 6)
    const worst = expected.drift.indexOf(drifts.at(-1) as number)
    expect(outputs.dense?.drift?.worst[0]?.index).toBe(worst)
  })
})
