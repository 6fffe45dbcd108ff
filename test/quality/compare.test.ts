import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../lib/common/errors.js'
import { fromFloat16, toFloat16 } from '../../lib/common/float16.js'
import { clusterQuality, compareEmbeddings, compareOutputs } from '../../lib/exports/quality.js'
import { colbertScore, kMeans, lexicalScore } from '../../lib/exports/scoring.js'
import { toBinary, toInt8 } from '../../lib/outputs/precision.js'
import { seededRandom } from '../../lib/scoring/random.js'
import { gaussian, modelOf, unit } from './data.js'

const make = modelOf(41, 96)
const clean = make(250)

/** Clusters that are there: eight centres with little spread. */
function clustered(count: number, dimensions = 32): { vectors: Float32Array[]; labels: number[] } {
  const random = seededRandom(9)
  const centres = Array.from({ length: 8 }, () =>
    Float64Array.from({ length: dimensions }, () => gaussian(random)),
  )
  const labels = Array.from({ length: count }, (_, i) => i % 8)
  const vectors = labels.map((label) =>
    unit((centres[label] as Float64Array).map((value) => value + gaussian(random) * 0.4)),
  )
  return { vectors, labels }
}

describe('compareEmbeddings', () => {
  it('finds a set equal to itself, and is plain JSON', () => {
    const report = compareEmbeddings(clean, clean)
    expect(JSON.parse(JSON.stringify(report))).toEqual(report)
    expect(report).toMatchObject({
      kind: 'comparison',
      items: 250,
      outputs: {
        dense: {
          items: 250,
          preservation: {
            spearman: expect.closeTo(1, 12),
            pearson: expect.closeTo(1, 12),
            pairs: 31125,
            sampled: false,
            maxDifference: 0,
          },
          overlap: { k: 10, mean: 1, min: 1, queries: 100, sampled: true },
          drift: { max: 0 },
          clusters: { retained: 1, agreement: 1, k: 11 },
        },
      },
      notes: [],
    })
  })

  it('keeps order, neighbours and clusters in every precision of the same vectors', () => {
    for (const [form, least, shared] of [
      [toFloat16, 0.9999, 0.98],
      [toInt8, 0.999, 0.95],
      [toBinary, 0.85, 0.5],
    ] as const) {
      const other = clean.map((vector) => form(vector))
      const { dense } = compareEmbeddings(clean, other).outputs
      expect(dense?.preservation.spearman).toBeGreaterThan(least)
      expect(dense?.overlap.mean).toBeGreaterThan(shared)
      expect(dense?.overlap.mean).toBeLessThanOrEqual(1)
    }
  })

  it('says who drifted', () => {
    const other: Float32Array[] = clean.map((vector) => vector.slice())
    other[17] = clean[18] as Float32Array
    const ids = clean.map((_, i) => `id-${i}`)
    const drift = compareEmbeddings(clean, other, { ids }).outputs.dense?.drift
    expect(drift?.worst[0]).toMatchObject({ index: 17, id: 'id-17' })
    expect(drift?.worst[1]?.drift).toBe(0)
    expect(drift?.worst).toHaveLength(20)
  })

  it('compares sets of other dimensions by their similarities alone', () => {
    const cut = clean.map((vector) => unit(vector.slice(0, 48)))
    const { dense } = compareEmbeddings(clean, cut).outputs
    expect(dense?.drift).toBeNull()
    expect(dense?.preservation.spearman).toBeGreaterThan(0.5)
    expect(dense?.preservation.spearman).toBeLessThan(0.999)
  })

  it('sees no relation where there is none', () => {
    const other = modelOf(42, 96)(250)
    const { dense } = compareEmbeddings(clean, other).outputs
    expect(Math.abs(dense?.preservation.spearman as number)).toBeLessThan(0.1)
    expect(dense?.overlap.mean).toBeLessThan(0.2)
    expect(dense?.clusters?.agreement).toBeLessThan(0.5)
  })

  it('leaves out what has no direction, and refuses what does not compare', () => {
    const other: Float32Array[] = [...clean]
    other[3] = new Float32Array(96)
    other[4] = (clean[4] as Float32Array).map(() => Number.NaN)
    const report = compareEmbeddings(clean, other)
    expect(report.notes).toEqual(['2 items are left out: zero or not finite in a set.'])
    expect(report.outputs.dense).toMatchObject({
      items: 248,
      preservation: { spearman: expect.closeTo(1, 12) },
    })
    expect(compareEmbeddings([], []).outputs).toEqual({})
    expect(compareEmbeddings(clean.slice(0, 1), clean.slice(0, 1)).outputs).toEqual({})
    expect(() => compareEmbeddings(clean, clean.slice(1))).toThrow(InvalidInputError)
    expect(() => compareEmbeddings(clean, clean, { ids: ['a'] })).toThrow(InvalidInputError)
    other[5] = new Float32Array(95).fill(1)
    expect(() => compareEmbeddings(clean, other)).toThrow(/Vector 5 has 95 dimensions/)
  })

  it('samples pairs, queries and items by the seed', () => {
    const other = clean.map((vector) => toInt8(vector))
    const options = { maxPairs: 500, maxQueries: 20, maxItems: 40, k: 3, clusters: 4 }
    const { dense } = compareEmbeddings(clean, other, options).outputs
    expect(dense).toMatchObject({
      preservation: { pairs: 500, sampled: true },
      overlap: { k: 3, queries: 20, sampled: true },
      clusters: { k: 4, items: 40 },
    })
    expect(compareEmbeddings(clean, other, options).outputs.dense).toEqual(dense)
    const seeded = compareEmbeddings(clean, other, { ...options, seed: 1 }).outputs.dense
    expect(seeded?.preservation).not.toEqual(dense?.preservation)
  })
})

describe('compareOutputs', () => {
  const random = seededRandom(4)
  const texts = clean.slice(0, 40).map((dense) => {
    const tokens = Array.from({ length: 12 }, () => Math.floor(random() * 60))
    const indices = Uint32Array.from(new Set(tokens)).sort()
    const rows = 3 + Math.floor(random() * 6)
    const data = Float32Array.from(
      Array.from({ length: rows }, () =>
        unit(Array.from({ length: 16 }, () => gaussian(random))),
      ).flatMap((row) => [...row]),
    )
    return {
      dense,
      sparse: { indices, values: Float32Array.from(indices, () => random()) },
      colbert: { data, rows, cols: 16 },
    }
  })

  it('measures each output by its own score', () => {
    const other = texts.map(({ dense, sparse, colbert }) => ({
      dense: toInt8(dense),
      sparse: { indices: sparse.indices, values: sparse.values.map((v) => v * (1 + random() / 9)) },
      colbert: { ...colbert, data: toFloat16(colbert.data) },
    }))
    const { outputs, notes } = compareOutputs(texts, other, { k: 5 })
    expect(notes).toEqual([])
    expect(Object.keys(outputs)).toEqual(['dense', 'sparse', 'colbert'])
    for (const output of Object.values(outputs)) {
      expect(output.preservation.spearman).toBeGreaterThan(0.95)
      expect(output.preservation.pairs).toBe((40 * 39) / 2)
      expect(output.drift?.max).toBeGreaterThan(0)
      expect(output.drift?.max).toBeLessThan(0.02)
      expect(output.clusters?.retained).toBeGreaterThan(0.9)
    }
    // the differences are those of the scores themselves
    let most = { sparse: 0, colbert: 0 }
    for (let i = 0; i < 40; i++) {
      for (let j = i + 1; j < 40; j++) {
        const [a, b] = [texts[i], texts[j]] as [(typeof texts)[0], (typeof texts)[0]]
        const [x, y] = [other[i], other[j]] as [(typeof other)[0], (typeof other)[0]]
        most = {
          sparse: Math.max(
            most.sparse,
            Math.abs(lexicalScore(a.sparse, b.sparse) - lexicalScore(x.sparse, y.sparse)),
          ),
          colbert: Math.max(
            most.colbert,
            Math.abs(colbertScore(a.colbert, b.colbert) - colbertScore(x.colbert, y.colbert)),
          ),
        }
      }
    }
    expect(outputs.sparse?.preservation.maxDifference).toBeCloseTo(most.sparse, 6)
    expect(outputs.colbert?.preservation.maxDifference).toBeCloseTo(most.colbert, 6)
  })

  it('takes the outputs that all texts have, and samples the rest', () => {
    const some = texts.map(({ sparse, dense }, i) => (i === 0 ? { sparse } : { sparse, dense }))
    const report = compareOutputs(some, texts, { maxItems: 15 })
    expect(Object.keys(report.outputs)).toEqual(['sparse'])
    expect(report.outputs.sparse?.preservation).toMatchObject({ pairs: 105, sampled: true })
    expect(report.notes).toEqual(['Sparse is compared on a sample of 15 texts (seed 0).'])
    expect(compareOutputs([], []).outputs).toEqual({})
    expect(() => compareOutputs(texts, [])).toThrow(InvalidInputError)
  })

  it('has no drift of multi-vectors of other tokens, and counts empty weights as equal', () => {
    const other = texts.map(({ colbert }, i) => ({
      sparse: { indices: [], values: [] },
      colbert: i < 4 ? { data: colbert.data.slice(16), rows: colbert.rows - 1, cols: 16 } : colbert,
    }))
    const report = compareOutputs(texts, other)
    expect(report.outputs.colbert?.drift?.count).toBe(36)
    expect(report.notes.join()).toContain('ColBERT: 4 texts have no common rows')
    expect(report.outputs.sparse?.preservation.spearman).toBeNull()
    expect(report.outputs.sparse?.drift?.min).toBe(1)
    const same = compareOutputs(other, other).outputs.sparse
    expect(same?.drift?.max).toBe(0)
  })
})

describe('clusterQuality', () => {
  it('is high for clusters that are there, and low for ones that are not', () => {
    const { vectors, labels } = clustered(160)
    const found = kMeans(vectors, 8, { metric: 'cosine', restarts: 5 })
    const good = clusterQuality(vectors, found.assignments)
    expect(good).toEqual(
      expect.objectContaining({ coherence: clusterQuality(vectors, labels).coherence }),
    )
    expect(good.silhouette).toBeGreaterThan(0.6)
    const wrong = clusterQuality(
      vectors,
      labels.map((_, i) => Math.floor(i / 20)),
    )
    expect(wrong.silhouette).toBeLessThan(0)
    expect(wrong.coherence).toBeLessThan(good.coherence / 2)
  })

  it('samples, takes matrices, and knows clusters of one', () => {
    const { vectors, labels } = clustered(160)
    expect(clusterQuality(vectors, labels, { maxItems: 50 }).items).toBe(50)
    const data = Float32Array.from(vectors.flatMap((vector) => [...vector]))
    expect(clusterQuality({ data, rows: 160, cols: 32 }, labels)).toEqual(
      clusterQuality(vectors, labels),
    )
    expect(clusterQuality(vectors.slice(0, 2), [0, 1])).toMatchObject({
      coherence: 1,
      silhouette: 0,
    })
    expect(clusterQuality(vectors.slice(0, 2), [0, 0]).silhouette).toBe(0)
    expect(() => clusterQuality(vectors, [0])).toThrow(InvalidInputError)
    expect(() => clusterQuality([], [])).toThrow(InvalidInputError)
  })

  it('agrees with float16 bits as with floats', () => {
    const { vectors, labels } = clustered(40)
    const halves = vectors.map((vector) => toFloat16(vector))
    expect(clusterQuality(halves, labels)).toEqual(
      clusterQuality(
        halves.map((half) => fromFloat16(half)),
        labels,
      ),
    )
  })
})
