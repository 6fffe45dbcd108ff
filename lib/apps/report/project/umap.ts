/**
 * UMAP (McInnes, Healy and Melville, 2018) of up to `MAX_LANDMARKS` points by `umap-js`; all others are
 * placed among the landmarks that they are nearest to. Laid out whole, 10,000 points take umap-js half
 * a minute and more than a gigabyte.
 */

import { type AbortSignalLike, throwIfAborted } from '../../../common/abort.js'
import { optional } from '../../../common/optional.js'
import { turn } from '../../../common/timers.js'
import { seededRandom } from '../../../scoring/random.js'
import type { Matrix } from '../../../scoring/types.js'
import { type Neighbours, nearest } from './nearest.js'

export const MAX_LANDMARKS = 2000
const NEIGHBOURS = 15
/** By dimensions: the third is added to a layout that is done. */
const EPOCHS = { 2: 200, 3: 80 }
/** Landmarks that another point is placed by. */
const PLACED_BY = 5
/** UMAP lays out in about this range, and the start should be as wide. */
const START_RANGE = 10

interface Landmarks {
  /** Rows, ascending. */
  rows: Uint32Array
  points: Matrix
  /** Among the landmarks. */
  neighbours: Neighbours
  /** The other points' nearest landmarks, in order of `others`. */
  others: Uint32Array
  places: Neighbours
}

/** Fewer points have too few neighbours to be worth a layout. */
export const FEWEST = NEIGHBOURS + 5

/** Draws the landmarks by the seed; the same rows for every set of as many points. */
export function landmarksOf(points: Matrix, seed = 1): Landmarks {
  const rows = drawRows(points.rows, MAX_LANDMARKS, seed)
  const chosen = new Uint8Array(points.rows)
  for (const row of rows) chosen[row] = 1
  const others = Uint32Array.from(
    Array.from(chosen.keys()).filter((row) => (chosen[row] as number) === 0),
  )
  const landmarks = pick(points, rows)
  return {
    rows,
    points: landmarks,
    neighbours: nearest(landmarks, landmarks, NEIGHBOURS - 1, true),
    others,
    places: nearest(landmarks, pick(points, others), PLACED_BY),
  }
}

/**
 * A layout of all points.
 *
 * @param start rows x dims where the landmarks begin; the layout keeps its large shape, so principal
 *   components are good, and so is the layout of a set to compare with
 * @throws the signal's reason
 */
export async function umap(
  { rows, points, neighbours, others, places }: Landmarks,
  start: Matrix,
  options: { dims: 2 | 3; seed?: number; signal?: AbortSignalLike | undefined },
): Promise<Matrix> {
  const { dims, seed = 1, signal } = options
  const { UMAP } = await optional('umap-js', 'The map of a report', () => import('umap-js'))
  const layout = new UMAP({
    nComponents: dims,
    nNeighbors: NEIGHBOURS,
    nEpochs: EPOCHS[dims],
    minDist: 0.1,
    random: seededRandom(seed),
  })
  const { indices, distances } = withSelf(neighbours)
  layout.setPrecomputedKNN(indices, distances)
  const vectors = Array.from({ length: points.rows }, (_, i) =>
    Array.from(points.data.subarray(i * points.cols, (i + 1) * points.cols)),
  )
  const epochs = layout.initializeFit(vectors)
  begin(layout.getEmbedding(), start, rows, dims)
  for (let epoch = 0; epoch < epochs; epoch++) {
    layout.step()
    if (epoch % 10 === 0) {
      await turn()
      throwIfAborted(signal)
    }
  }
  const total = rows.length + others.length
  const out = { data: new Float32Array(total * dims), rows: total, cols: dims }
  const embedding = layout.getEmbedding()
  rows.forEach((row, i) => {
    out.data.set(embedding[i] as number[], row * dims)
  })
  placeOthers(out, embedding, others, places)
  return out
}

/** umap-js begins at random places; the arrays that it works on are moved to better ones. */
function begin(embedding: number[][], start: Matrix, rows: Uint32Array, dims: number): void {
  const random = seededRandom(7)
  let widest = 0
  for (const value of start.data) widest = Math.max(widest, Math.abs(value))
  const scale = widest > 0 ? START_RANGE / widest : 0
  rows.forEach((row, i) => {
    const place = embedding[i] as number[]
    for (let d = 0; d < dims; d++) {
      const value = d < start.cols ? (start.data[row * start.cols + d] as number) : 0
      // points that coincide would never part
      place[d] = value * scale + (random() - 0.5) * 1e-2
    }
  })
}

/** At the mean of its nearest landmarks, weighted as UMAP weights neighbours: by distance past the first. */
function placeOthers(
  out: Matrix,
  embedding: readonly number[][],
  others: Uint32Array,
  { k, indices, distances }: Neighbours,
): void {
  const dims = out.cols
  others.forEach((row, i) => {
    const from = i * k
    const first = distances[from] as number
    let spread = 0
    for (let j = 1; j < k; j++) spread += (distances[from + j] as number) - first
    const sigma = Math.max(spread / Math.max(1, k - 1), 1e-9)
    let sum = 0
    for (let j = 0; j < k; j++) {
      const weight = Math.exp(-((distances[from + j] as number) - first) / sigma)
      const place = embedding[indices[from + j] as number] as number[]
      sum += weight
      for (let d = 0; d < dims; d++) {
        const at = row * dims + d
        out.data[at] = (out.data[at] as number) + weight * (place[d] as number)
      }
    }
    for (let d = 0; d < dims; d++) {
      const at = row * dims + d
      out.data[at] = (out.data[at] as number) / sum
    }
  })
}

/** umap-js counts a point as the first of its own neighbours. */
function withSelf({ k, indices, distances }: Neighbours) {
  const rows = indices.length / k
  const lists = <T extends Uint32Array | Float32Array>(values: T, first: (row: number) => number) =>
    Array.from({ length: rows }, (_, row) => [
      first(row),
      ...values.subarray(row * k, (row + 1) * k),
    ])
  return { indices: lists(indices, (row) => row), distances: lists(distances, () => 0) }
}

/** At most `count` of the rows, drawn without putting back (Floyd's method), ascending. */
export function drawRows(rows: number, count: number, seed: number): Uint32Array {
  if (rows <= count) return Uint32Array.from({ length: rows }, (_, i) => i)
  const random = seededRandom(seed)
  const drawn = new Set<number>()
  for (let top = rows - count; top < rows; top++) {
    const row = Math.floor(random() * (top + 1))
    drawn.add(drawn.has(row) ? top : row)
  }
  return Uint32Array.from(drawn).sort()
}

function pick({ data, cols }: Matrix, rows: Uint32Array): Matrix {
  const out = new Float32Array(rows.length * cols)
  rows.forEach((row, i) => {
    out.set(data.subarray(row * cols, (row + 1) * cols), i * cols)
  })
  return { data: out, rows: rows.length, cols }
}
