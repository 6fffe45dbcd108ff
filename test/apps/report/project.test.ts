import fc from 'fast-check'
import { PCA } from 'ml-pca'
import { describe, expect, it } from 'vitest'
import { mapClusters } from '../../../lib/apps/report/project/clusters.js'
import { nearest, sharedNeighbours } from '../../../lib/apps/report/project/nearest.js'
import { principalComponents, project } from '../../../lib/apps/report/project/pca.js'
import { drawRows, landmarksOf, umap } from '../../../lib/apps/report/project/umap.js'
import type { Matrix } from '../../../lib/scoring/types.js'
import { clustered, gaussian } from './data.js'

function matrixOf(rows: readonly (readonly number[])[]): Matrix {
  const cols = rows[0]?.length ?? 0
  return { data: Float32Array.from(rows.flat()), rows: rows.length, cols }
}

describe('principal components', () => {
  it('are those of ml-pca', () => {
    const rows = clustered({ rows: 300, dims: 40 }).map(({ dense }) => dense)
    const ours = principalComponents(matrixOf(rows), 5)
    const theirs = new PCA(rows)
    const explained = theirs.getExplainedVariance()
    const scores = theirs.predict(rows, { nComponents: 5 }).to2DArray()
    // four directions part five clusters; the fifth is noise
    for (let c = 0; c < 4; c++) {
      expect(ours.explained[c]).toBeCloseTo(explained[c] as number, 5)
      const mine = rows.map((_, i) => ours.scores.data[i * 5 + c] as number)
      const other = scores.map((row) => row[c] as number)
      // an axis has no direction of its own
      const sign = Math.sign(mine.reduce((sum, value, i) => sum + value * (other[i] as number), 0))
      mine.forEach((value, i) => {
        expect(value).toBeCloseTo(sign * (other[i] as number), 3)
      })
    }
  })

  it('of more rows than the sample have the variances of all rows', () => {
    const normal = gaussian(3)
    const rows = Array.from({ length: 6000 }, () => [
      5 * normal(),
      2 * normal(),
      1 + 0.5 * normal(),
      0.1 * normal(),
    ])
    const { explained, scores } = principalComponents(matrixOf(rows), 2)
    const reference = new PCA(rows).getExplainedVariance()
    expect(explained[0]).toBeCloseTo(reference[0] as number, 2)
    expect(explained[1]).toBeCloseTo(reference[1] as number, 2)
    expect(scores.rows).toBe(6000)
  })

  it('take few rows, few columns and no variance', () => {
    expect(principalComponents(matrixOf([[1, 2]]), 3)).toMatchObject({
      explained: [],
      scores: { rows: 1, cols: 0 },
    })
    const same = principalComponents(
      matrixOf([
        [1, 2],
        [1, 2],
        [1, 2],
      ]),
      3,
    )
    expect(same.explained.every((share) => share === 0)).toBe(true)
    expect(same.scores.data.every((value) => Math.abs(value) < 1e-6)).toBe(true)
    const narrow = principalComponents(matrixOf([[1], [2], [4]]), 3)
    expect(narrow.explained[0]).toBeCloseTo(1, 6)
  })

  it('serve other vectors too', () => {
    const points = matrixOf(clustered({ rows: 60, dims: 12 }).map(({ dense }) => dense))
    const components = principalComponents(points, 3)
    const again = project(points, components)
    again.data.forEach((value, i) => {
      expect(value).toBeCloseTo(components.scores.data[i] as number, 5)
    })
  })
})

describe('nearest neighbours', () => {
  it('are those of a plain search', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 40 }),
        fc.integer({ min: 1, max: 6 }),
        fc.nat(),
        (rows, cols, seed) => {
          const normal = gaussian(seed)
          const list = Array.from({ length: rows }, () =>
            Array.from({ length: cols }, () => normal()),
          )
          const points = matrixOf(list)
          const k = Math.min(4, rows - 1)
          const { indices, distances } = nearest(points, points, k, true)
          list.forEach((_, i) => {
            const expected = list
              .map((_, j) => ({
                j,
                d: Math.hypot(
                  ...(list[i] as number[]).map((x, t) => x - ((list[j] as number[])[t] as number)),
                ),
              }))
              .filter(({ j }) => j !== i)
              .sort((a, b) => a.d - b.d)
            for (let n = 0; n < k; n++) {
              expect(distances[i * k + n]).toBeCloseTo(expected[n]?.d as number, 3)
              expect(indices[i * k + n]).not.toBe(i)
            }
          })
        },
      ),
      { numRuns: 60 },
    )
  })

  it('that two sets share are counted', () => {
    const a = nearest(matrixOf([[0], [1], [2], [10]]), matrixOf([[0]]), 2)
    expect([...a.indices]).toEqual([0, 1])
    const b = { ...a, indices: Uint32Array.of(1, 3) }
    expect([...sharedNeighbours(a, b)]).toEqual([0.5])
    expect(sharedNeighbours({ ...a, k: 0, indices: new Uint32Array(0) }, b)).toHaveLength(0)
  })
})

describe('UMAP', () => {
  const rows = clustered({ rows: 2600, dims: 24, clusters: 4 })
  const scores = principalComponents(matrixOf(rows.map(({ dense }) => dense)), 10).scores

  it('keeps clusters together, also of points that are no landmarks, and is deterministic', async () => {
    const landmarks = landmarksOf(scores)
    expect(landmarks.rows).toHaveLength(2000)
    expect(landmarks.others).toHaveLength(600)
    const layout = await umap(landmarks, scores, { dims: 2 })
    expect(layout).toMatchObject({ rows: 2600, cols: 2 })
    const { indices } = nearest(layout, layout, 5, true)
    let same = 0
    indices.forEach((other, i) => {
      if (other % 4 === Math.floor(i / 5) % 4) same++
    })
    expect(same / indices.length).toBeGreaterThan(0.99)
    const few = { ...scores, data: scores.data.subarray(0, 200 * scores.cols), rows: 200 }
    const [once, again] = [
      await umap(landmarksOf(few), few, { dims: 2 }),
      await umap(landmarksOf(few), few, { dims: 2 }),
    ]
    expect(again.data).toEqual(once.data)
  })

  it('lays out points that are all alike, and stops at a signal', async () => {
    const alike = { data: new Float32Array(30 * 3), rows: 30, cols: 3 }
    const layout = await umap(landmarksOf(alike), alike, { dims: 3 })
    expect(layout.data.every(Number.isFinite)).toBe(true)
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(umap(landmarksOf(alike), alike, { dims: 2, signal })).rejects.toThrow('enough')
  })

  it('draws landmarks without repeating any, ascending', () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(100), fc.nat(), (rows, count, seed) => {
        const drawn = drawRows(rows, count, seed)
        expect(drawn).toHaveLength(Math.min(rows, count))
        expect(new Set(drawn).size).toBe(drawn.length)
        expect([...drawn]).toEqual([...drawn].sort((a, b) => a - b))
        expect(drawn.every((row) => row < rows)).toBe(true)
      }),
    )
  })
})

describe('clusters of a map', () => {
  it('are numbered by size', () => {
    const points = matrixOf([
      ...Array.from({ length: 30 }, (_, i) => [i % 3, 0]),
      ...Array.from({ length: 10 }, () => [100, 100]),
    ])
    const { sizes, labels } = mapClusters(points)
    expect(sizes.reduce((a, b) => a + b)).toBe(40)
    expect([...sizes].sort((a, b) => b - a)).toEqual(sizes)
    expect(new Set(labels.subarray(30)).size).toBe(1)
    expect(mapClusters(matrixOf([[1, 1]])).sizes).toEqual([1])
  })
})
