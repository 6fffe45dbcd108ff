import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../lib/common/errors.js'
import { euclidean, kMeans, norm } from '../../lib/exports/scoring.js'
import { seededRandom } from '../../lib/scoring/random.js'

/** Points scattered closely around centres far apart. */
function blobs(centres: readonly number[][], each: number, spread: number, seed: number) {
  const random = seededRandom(seed)
  return centres.flatMap((centre) =>
    Array.from({ length: each }, () => centre.map((x) => x + spread * (random() - 0.5))),
  )
}

const centres = [
  [0, 0],
  [10, 0],
  [0, 10],
  [10, 10],
]

describe('kMeans', () => {
  it('finds clusters that are there', () => {
    const points = blobs(centres, 25, 1, 1)
    const { assignments, centroids, sizes, converged } = kMeans(points, 4, { restarts: 4 })
    expect(converged).toBe(true)
    expect([...sizes]).toEqual([25, 25, 25, 25])
    for (let blob = 0; blob < 4; blob++) {
      const own = new Set(assignments.subarray(blob * 25, (blob + 1) * 25))
      expect(own.size).toBe(1)
      const row = (assignments[blob * 25] as number) * 2
      const centroid = centroids.data.subarray(row, row + 2)
      expect(euclidean(centroid, centres[blob] as number[])).toBeLessThan(0.3)
    }
  })

  it('is the same for the same seed', () => {
    const points = blobs(centres, 20, 8, 2)
    expect(kMeans(points, 5, { seed: 3 })).toEqual(kMeans(points, 5, { seed: 3 }))
    const starts = new Set([1, 2, 3, 4, 5].map((seed) => kMeans(points, 5, { seed }).inertia))
    expect(starts.size).toBeGreaterThan(1)
  })

  it('ends where no point is nearer to another centroid, each the mean of its own', () => {
    const point = fc.tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: -50, max: 50 }))
    const input = fc
      .array(point, { minLength: 1, maxLength: 30 })
      .chain((points) => fc.tuple(fc.constant(points), fc.integer({ min: 1, max: points.length })))
    fc.assert(
      fc.property(input, fc.nat(9), ([points, k], seed) => {
        const { assignments, centroids, sizes, inertia, converged } = kMeans(points, k, { seed })
        expect(sizes.every((size) => size > 0)).toBe(true)
        expect(sizes.reduce((a, b) => a + b)).toBe(points.length)
        let sum = 0
        const means = new Float64Array(k * 2)
        points.forEach((point, i) => {
          const own = assignments[i] as number
          sum += euclidean(point, centroids.data.subarray(own * 2, own * 2 + 2)) ** 2
          for (const t of [0, 1] as const) {
            means[own * 2 + t] = (means[own * 2 + t] as number) + point[t] / (sizes[own] as number)
          }
        })
        expect(inertia).toBeCloseTo(sum, 6)
        if (!converged) return
        means.forEach((mean, i) => {
          expect(centroids.data[i]).toBeCloseTo(mean, 3)
        })
        const distinct = new Set(points.map(String)).size
        if (distinct < k) return // clusters of duplicates: who is nearest is no question
        points.forEach((point, i) => {
          const distances = Array.from({ length: k }, (_, c) =>
            euclidean(point, centroids.data.subarray(c * 2, c * 2 + 2)),
          )
          expect(distances[assignments[i] as number]).toBeLessThanOrEqual(
            Math.min(...distances) + 1e-2,
          )
        })
      }),
    )
  })

  it('copes with duplicates: no cluster is empty, and it ends', () => {
    const { sizes, converged, inertia } = kMeans(
      Array.from({ length: 6 }, () => [1, 2]),
      3,
    )
    expect([...sizes].sort()).toEqual([1, 1, 4])
    expect([converged, inertia]).toEqual([true, 0])
  })

  it('clusters directions under cosine', () => {
    const points = [
      [1, 0.1],
      [100, 1],
      [0.1, 1],
      [1, 90],
    ]
    const { assignments, centroids } = kMeans(points, 2, { metric: 'cosine', restarts: 3 })
    expect(assignments[0]).toBe(assignments[1])
    expect(assignments[2]).toBe(assignments[3])
    expect(assignments[0]).not.toBe(assignments[2])
    expect(norm(centroids.data.subarray(0, 2))).toBeCloseTo(1, 6)
    expect(points[1]).toEqual([100, 1])
  })

  it('stops when told to', () => {
    const points = blobs(centres, 50, 20, 4)
    expect(kMeans(points, 8, { maxIterations: 1 })).toMatchObject({
      iterations: 1,
      converged: false,
    })
    const few = kMeans(points, 8, { maxIterations: 2 }).inertia
    expect(kMeans(points, 8, { maxIterations: 50 }).inertia).toBeLessThanOrEqual(few)
  })

  it('refuses what it cannot cluster', () => {
    const points = [[1], [2]]
    for (const k of [0, 3, 1.5]) expect(() => kMeans(points, k)).toThrow(InvalidInputError)
    expect(() => kMeans([[1], [Number.NaN]], 1)).toThrow(/Vector 1/)
    expect(() => kMeans([[1], [1, 2]], 1)).toThrow(InvalidInputError)
    expect(() => kMeans([], 1)).toThrow(InvalidInputError)
    expect(() => kMeans(points, 1, { maxIterations: 0 })).toThrow(/maxIterations/)
    expect(() => kMeans(points, 1, { restarts: -1 })).toThrow(/restarts/)
    expect(() => kMeans(points, 1, { metric: 'dot' as 'cosine' })).toThrow(InvalidInputError)
  })
})
