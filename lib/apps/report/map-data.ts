/** From vectors to what the page's map draws. */

import type { AbortSignalLike } from '../../common/abort.js'
import type { QualityReport } from '../../quality/types.js'
import type { Matrix } from '../../scoring/types.js'
import { categories, metadataAttributes, numbers, uniquelyNamed } from './attributes.js'
import { pack, quantized, toInt16 } from './pack.js'
import { mapClusters } from './project/clusters.js'
import { nearest, sharedNeighbours } from './project/nearest.js'
import { type Components, principalComponents, project } from './project/pca.js'
import { FEWEST, landmarksOf, umap } from './project/umap.js'
import { varies } from './sections/distributions.js'
import type { Attribute, Layout, MapData, MapSet } from './shared/data.js'
import type { VectorTable } from './vectors/table.js'

/** Principal components that UMAP, clusters and neighbours work on. */
const COMPONENTS = 50
const OVERLAP_AT = 10

interface MapOptions {
  name: string
  /** Lay out by UMAP too. */
  umap: boolean
  quality?: QualityReport | undefined
  /** A second set, and for each row of the first its row there, -1 for none. */
  other?: { table: VectorTable; name: string; rows: Int32Array } | undefined
  seed?: number
  signal?: AbortSignalLike | undefined
}

/** Brings the tables' vectors to unit length in place: they are large, and nobody needs them after. */
export async function mapData(table: VectorTable, options: MapOptions): Promise<MapData | null> {
  const { other, quality, seed = 1 } = options
  const items = table.rows
  const all = Int32Array.from({ length: items }, (_, i) => i)
  const norms = normalize(table)
  const first = prepared(table, all, norms)
  if (first.items.length === 0) return null
  const laid = await layOut(first, items, options)
  const { labels } = mapClusters(first.components.scores, seed)
  const clusters = new Array<string | undefined>(items)
  first.items.forEach((item, i) => {
    clusters[item] = `cluster ${(labels[i] as number) + 1}`
  })
  const attributes: Attribute[] = [categories('cluster', clusters), ...metadataAttributes(table)]
  if (varies(spanOf(norms))) attributes.push(numbers('vector length', norms))
  if (quality && quality.issues.length > 0) attributes.push(issueKinds(quality, items))
  const sets: MapSet[] = [packedSet(options.name, first, laid, items)]
  if (other) {
    const second = prepared(other.table, other.rows, normalize(other.table))
    if (second.items.length > 0) {
      const measured = compared(table, other.table, first, second, other.rows)
      attributes.splice(1, 0, ...measured.attributes)
      const laidOther = await layOut(second, items, options, { first, laid, ...measured })
      sets.push(packedSet(other.name, second, laidOther, items))
    }
  }
  return {
    ids: table.ids,
    texts: table.texts.some((text) => text !== undefined)
      ? table.texts.map((text) => text ?? null)
      : null,
    attributes: uniquelyNamed(attributes),
    sets,
  }
}

/** The vectors of a set that can be laid out. */
interface Prepared {
  /** Of each row of `matrix`, its item, ascending. */
  items: Uint32Array
  matrix: Matrix
  components: Components
}

function prepared(table: VectorTable, rows: Int32Array, norms: Float32Array): Prepared {
  const { cols } = table
  const items: number[] = []
  rows.forEach((row, item) => {
    if (row >= 0 && Number.isFinite(norms[row]) && (norms[row] as number) > 0) items.push(item)
  })
  const isWhole = items.length === table.rows && items.every((item) => rows[item] === item)
  const data = isWhole ? table.data : new Float32Array(items.length * cols)
  if (!isWhole) {
    items.forEach((item, i) => {
      const row = rows[item] as number
      data.set(table.data.subarray(row * cols, (row + 1) * cols), i * cols)
    })
  }
  const matrix = { data, rows: items.length, cols }
  const components =
    items.length > 0
      ? principalComponents(matrix, COMPONENTS)
      : { scores: matrix, axes: matrix, mean: new Float32Array(cols), explained: [] }
  return { items: Uint32Array.from(items), matrix, components }
}

/** @returns the lengths before; NaN where a vector is not finite */
function normalize({ data, rows, cols }: VectorTable): Float32Array {
  const norms = new Float32Array(rows)
  for (let i = 0; i < rows; i++) {
    const row = data.subarray(i * cols, (i + 1) * cols)
    let sum = 0
    for (let t = 0; t < cols; t++) sum += (row[t] as number) ** 2
    const norm = Math.sqrt(sum)
    norms[i] = norm
    if (norm > 0 && Number.isFinite(norm)) {
      for (let t = 0; t < cols; t++) row[t] = (row[t] as number) / norm
    }
  }
  return norms
}

interface Laid {
  pca: Matrix
  axes: string[]
  umap2?: Matrix
  umap3?: Matrix
}

/** The set to compare with, whose layouts another's begin at. */
interface Guide {
  first: Prepared
  laid: Laid
  /** Whether both sets lie in one space, so that one's axes can serve the other. */
  isCommon: boolean
}

async function layOut(
  { items, matrix, components }: Prepared,
  allItems: number,
  { umap: wanted, seed = 1, signal }: MapOptions,
  guide?: Guide,
): Promise<Laid> {
  const { scores } = components
  const shares = (guide?.isCommon ? guide.first.components : components).explained
  const pca = guide?.isCommon
    ? firstColumns(project(matrix, guide.first.components), 3)
    : firstColumns(scores, 3)
  const laid: Laid = {
    pca,
    axes: [0, 1, 2].map((c) => `PC${c + 1} (${((shares[c] ?? 0) * 100).toFixed(1)} %)`),
  }
  if (!wanted || items.length < FEWEST) return laid
  const landmarks = landmarksOf(scores, seed)
  for (const dims of [2, 3] as const) {
    const name = `umap${dims}` as const
    const before = guide?.laid[name]
    const start =
      guide && before
        ? follow(before, guide.first.items, items, allItems)
        : laid.umap2
          ? deepened(laid.umap2, scores)
          : firstColumns(scores, dims)
    laid[name] = await umap(landmarks, start, { dims, seed, signal })
  }
  return laid
}

/** A flat layout with the third principal component as its depth, as deep as it is wide. */
function deepened(flat: Matrix, scores: Matrix): Matrix {
  const from = Math.min(2, scores.cols - 1)
  const depth = (row: number) => scores.data[row * scores.cols + from] as number
  const widest = (values: Iterable<number>) => {
    let most = 0
    for (const value of values) most = Math.max(most, Math.abs(value))
    return most
  }
  const scale =
    widest(flat.data) / (widest(Array.from({ length: flat.rows }, (_, i) => depth(i))) || 1)
  const data = new Float32Array(flat.rows * 3)
  for (let i = 0; i < flat.rows; i++) {
    data[3 * i] = flat.data[2 * i] as number
    data[3 * i + 1] = flat.data[2 * i + 1] as number
    data[3 * i + 2] = depth(i) * scale
  }
  return { data, rows: flat.rows, cols: 3 }
}

/** Where the items lay in another layout; 0 for those that it did not have. */
function follow(before: Matrix, from: Uint32Array, to: Uint32Array, allItems: number): Matrix {
  const rowOf = new Int32Array(allItems).fill(-1)
  from.forEach((item, row) => {
    rowOf[item] = row
  })
  const { cols } = before
  const data = new Float32Array(to.length * cols)
  to.forEach((item, i) => {
    const row = rowOf[item] as number
    if (row >= 0) data.set(before.data.subarray(row * cols, (row + 1) * cols), i * cols)
  })
  return { data, rows: to.length, cols }
}

function spanOf(norms: Float32Array): { min: number; max: number } {
  const finite = norms.filter(Number.isFinite)
  return {
    min: finite.reduce((a, b) => Math.min(a, b)),
    max: finite.reduce((a, b) => Math.max(a, b)),
  }
}

/** How each item moved from one set to the other. Both are of unit length by now. */
function compared(
  a: VectorTable,
  b: VectorTable,
  first: Prepared,
  second: Prepared,
  rows: Int32Array,
): { attributes: Attribute[]; isCommon: boolean } {
  const inFirst = new Set(first.items)
  const both = second.items.filter((item) => inFirst.has(item))
  const attributes: Attribute[] = []
  let isCommon = false
  if (a.cols === b.cols && both.length > 0) {
    const drift = new Float32Array(a.rows).fill(Number.NaN)
    let sum = 0
    for (const item of both) {
      const p = item * a.cols
      const q = (rows[item] as number) * b.cols
      let dot = 0
      for (let t = 0; t < a.cols; t++) dot += (a.data[p + t] as number) * (b.data[q + t] as number)
      drift[item] = Math.max(0, 1 - dot)
      sum += dot
    }
    // vectors of two models are all but orthogonal
    isCommon = sum / both.length > 0.5
    if (isCommon) attributes.push(numbers('drift', drift))
  }
  const k = Math.min(OVERLAP_AT, both.length - 1)
  if (k > 0) {
    const [scoresA, scoresB] = [first, second].map((one) => {
      const at = new Map(Array.from(one.items, (item, row) => [item, row]))
      return takeRows(
        one.components.scores,
        both.map((item) => at.get(item) as number),
      )
    }) as [Matrix, Matrix]
    const shares = sharedNeighbours(
      nearest(scoresA, scoresA, k, true),
      nearest(scoresB, scoresB, k, true),
    )
    const overlap = new Float32Array(a.rows).fill(Number.NaN)
    both.forEach((item, i) => {
      overlap[item] = shares[i] as number
    })
    attributes.push(numbers(`neighbour overlap@${k}`, overlap))
  }
  return { attributes, isCommon }
}

function issueKinds({ issues }: QualityReport, items: number): Attribute {
  const kinds = new Array<string | undefined>(items)
  for (const { index, kind } of issues) {
    const before = kinds[index]
    if (before === undefined) kinds[index] = kind
    else if (!before.split(', ').includes(kind)) kinds[index] = `${before}, ${kind}`
  }
  return categories('issue', kinds)
}

function packedSet(
  name: string,
  { items, components }: Prepared,
  { pca, axes, umap2, umap3 }: Laid,
  allItems: number,
): MapSet {
  const present = new Uint8Array(allItems)
  for (const item of items) present[item] = 1
  const layouts = [
    layout('pca', firstColumns(pca, 2), axes, items, allItems),
    layout('pca', pca, axes, items, allItems),
  ]
  const names = ['UMAP 1', 'UMAP 2', 'UMAP 3']
  if (umap2) layouts.push(layout('umap', umap2, names, items, allItems))
  if (umap3) layouts.push(layout('umap', umap3, names, items, allItems))
  const { scale, steps } = toInt16(components.scores.data)
  return {
    name,
    layouts,
    space: {
      dims: components.scores.cols,
      scale,
      values: pack(spread(steps, components.scores.cols, items, allItems)),
      explained: components.explained.reduce((sum, share) => sum + share, 0),
    },
    present: pack(present),
  }
}

function layout(
  method: Layout['method'],
  { data, cols }: Matrix,
  axes: readonly string[],
  items: Uint32Array,
  allItems: number,
): Layout {
  const { min, max, steps } = quantized(data)
  return {
    method,
    dims: cols as 2 | 3,
    coordinates: pack(spread(steps, cols, items, allItems)),
    min,
    max,
    axes: axes.slice(0, cols),
  }
}

/** Rows at their items' places. */
function spread<T extends Int16Array | Uint16Array>(
  values: T,
  cols: number,
  items: Uint32Array,
  allItems: number,
): T {
  if (items.length === allItems) return values
  const out = new (values.constructor as new (length: number) => T)(allItems * cols)
  items.forEach((item, row) => {
    out.set(values.subarray(row * cols, (row + 1) * cols), item * cols)
  })
  return out
}

/** With zeros where there are fewer. */
function firstColumns({ data, rows, cols }: Matrix, count: number): Matrix {
  const out = new Float32Array(rows * count)
  for (let i = 0; i < rows; i++) {
    for (let c = 0; c < Math.min(count, cols); c++) {
      out[i * count + c] = data[i * cols + c] as number
    }
  }
  return { data: out, rows, cols: count }
}

function takeRows({ data, cols }: Matrix, rows: ArrayLike<number>): Matrix {
  const out = new Float32Array(rows.length * cols)
  for (let i = 0; i < rows.length; i++) {
    const from = (rows[i] as number) * cols
    out.set(data.subarray(from, from + cols), i * cols)
  }
  return { data: out, rows: rows.length, cols }
}
