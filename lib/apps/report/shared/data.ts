/**
 * What a report's page draws from: JSON in the HTML file. Shared by Node, which makes it, and the
 * page, so nothing is imported here.
 */

export interface PageData {
  charts: ChartSpec[]
  map: MapData | null
}

export type ChartSpec = HistogramSpec | LineSpec | BarsSpec

/** How numbers of an axis are written. */
export type NumberFormat = 'number' | 'bytes' | 'percent' | 'milliseconds' | 'seconds'

interface ChartBase {
  /** Of the element that it is drawn in: `chart-` + id. */
  id: string
  title: string
  /** What there is to see, for those who cannot. */
  summary: string
  xLabel: string
  yLabel: string
}

/** Equally wide bins from `from` to `to`. */
export interface HistogramSpec extends ChartBase {
  kind: 'histogram'
  from: number
  to: number
  counts: number[]
}

export interface LineSpec extends ChartBase {
  kind: 'line'
  x: number[]
  values: number[]
  xFormat: NumberFormat
  yFormat: NumberFormat
}

export interface BarsSpec extends ChartBase {
  kind: 'bars'
  categories: string[]
  /** `intervals`: ends of an error bar. `null` where there is nothing to draw. */
  series: {
    name: string
    values: (number | null)[]
    intervals?: ([number, number] | null)[]
  }[]
  format: NumberFormat
  /** End of the axis; by the data if it is not given. */
  max?: number
}

/** Base64 of a typed array's bytes, little-endian. */
export type Packed = string

export interface MapData {
  ids: string[]
  /** Starts of texts; `null` when none is known. */
  texts: (string | null)[] | null
  attributes: Attribute[]
  /** One, or two to compare; all arrays go by the items' order. */
  sets: MapSet[]
}

export type Attribute =
  | {
      kind: 'category'
      name: string
      /** Most frequent first. */
      labels: string[]
      /** Uint16 per item; `NO_CODE` for none. */
      codes: Packed
    }
  | {
      kind: 'number'
      name: string
      /** Float32 per item; NaN for none. */
      values: Packed
    }

export const NO_CODE = 0xffff

export interface MapSet {
  name: string
  layouts: Layout[]
  /** The principal components that neighbours are looked up in: Int16, items x dims, times `scale`. */
  space: { dims: number; scale: number; values: Packed; explained: number }
  /** Uint8 per item: whether this set has it. */
  present: Packed
}

export interface Layout {
  method: 'pca' | 'umap'
  dims: 2 | 3
  /** Uint16, items x dims: steps from `min` to `max`, the same for all axes. */
  coordinates: Packed
  min: number
  max: number
  axes: string[]
}
