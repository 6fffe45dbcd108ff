/** The sets of a map, unpacked, and the neighbours within each. */

import type { Layout, MapSet } from '../../shared/data.js'
import type { ScatterPoints } from './scatter.js'
import { unpack } from './unpack.js'

export interface Neighbour {
  item: number
  /** Euclidean, in the space of the principal components. */
  distance: number
}

export class PointSet {
  readonly name: string
  readonly layouts: readonly Layout[]
  /** Whether an item is in this set. */
  readonly present: Uint8Array
  readonly explained: number
  readonly dims: number
  readonly #values: Int16Array
  readonly #scale: number
  readonly #unpacked = new Map<Layout, ScatterPoints>()

  constructor({ name, layouts, present, space }: MapSet) {
    this.name = name
    this.layouts = layouts
    this.present = unpack.uint8(present)
    this.explained = space.explained
    this.dims = space.dims
    this.#scale = space.scale
    this.#values = unpack.int16(space.values)
  }

  /** The points of a layout, within -1 to 1. */
  points(method: Layout['method'], dims: 2 | 3): ScatterPoints {
    const layout = this.layouts.find((one) => one.method === method && one.dims === dims)
    if (!layout)
      return { coordinates: new Float32Array(this.present.length * dims), dims, axes: [] }
    let points = this.#unpacked.get(layout)
    if (!points) {
      points = { coordinates: centred(layout, this.present), dims, axes: layout.axes }
      this.#unpacked.set(layout, points)
    }
    return points
  }

  /**
   * The `count` items nearest to one, nearest first.
   *
   * @param among those that may be one: 1 per item
   */
  neighbours(item: number, count: number, among: Uint8Array): Neighbour[] {
    const { dims } = this
    const values = this.#values
    const found: Neighbour[] = []
    for (let other = 0; other < this.present.length; other++) {
      if (other === item || !this.present[other] || !among[other]) continue
      let sum = 0
      for (let t = 0; t < dims; t++) {
        sum += ((values[item * dims + t] as number) - (values[other * dims + t] as number)) ** 2
      }
      if (found.length === count && sum >= (found[count - 1] as Neighbour).distance) continue
      found.push({ item: other, distance: sum })
      found.sort((a, b) => a.distance - b.distance)
      if (found.length > count) found.pop()
    }
    return found.map((one) => ({ ...one, distance: Math.sqrt(one.distance) * this.#scale }))
  }
}

/** Moves the middle of the cloud to 0 and makes its longest side fill the view, with a margin. */
function centred({ coordinates, dims }: Layout, present: Uint8Array): Float32Array {
  const steps = unpack.uint16(coordinates)
  const low = new Array<number>(dims).fill(Number.POSITIVE_INFINITY)
  const high = new Array<number>(dims).fill(Number.NEGATIVE_INFINITY)
  for (let i = 0; i < present.length; i++) {
    if (!present[i]) continue
    for (let d = 0; d < dims; d++) {
      const value = steps[i * dims + d] as number
      low[d] = Math.min(low[d] as number, value)
      high[d] = Math.max(high[d] as number, value)
    }
  }
  const sides = low.map((value, d) => (high[d] as number) - value)
  const scale = 1.84 / Math.max(1, ...sides)
  const out = new Float32Array(steps.length)
  for (let i = 0; i < steps.length; i++) {
    const d = i % dims
    out[i] = ((steps[i] as number) - ((low[d] as number) + (high[d] as number)) / 2) * scale
  }
  return out
}
