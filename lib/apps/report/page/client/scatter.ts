/** A canvas of points in two or three dimensions that is panned, turned and picked from. */

import { type Camera, type Projected, project, START } from './camera.js'
import { onTheme, property } from './dom.js'
import { mixed, pixelOf, type Raster, splat } from './splat.js'

/** How each point looks. */
interface Looks {
  /** 0xAABBGGRR. */
  colours: Uint32Array
  /** 0: not drawn. 1: faint. 2: as usual. */
  emphasis: Uint8Array
}

export interface ScatterPoints {
  /** Items x dims, within -1 to 1. */
  coordinates: Float32Array
  dims: 2 | 3
  axes: readonly string[]
}

const FAINT = 36
const USUAL = 225

export class Scatter {
  camera: Camera = { ...START }
  selected = -1
  hovered = -1
  /** Frames drawn and milliseconds spent on them. */
  readonly drawn = { frames: 0, milliseconds: 0 }
  #points: ScatterPoints = { coordinates: new Float32Array(0), dims: 2, axes: [] }
  #looks: Looks = { colours: new Uint32Array(0), emphasis: new Uint8Array(0) }
  #projected: Projected = emptyProjection(0)
  #order = new Uint32Array(0)
  #raster: Raster & { image: ImageData }
  #scheduled = false
  readonly #context: CanvasRenderingContext2D

  constructor(readonly canvas: HTMLCanvasElement) {
    this.#context = canvas.getContext('2d', { alpha: false }) as CanvasRenderingContext2D
    this.#raster = rasterOf(1, 1)
    new ResizeObserver(() => this.#resize()).observe(canvas)
    onTheme(() => this.draw())
  }

  get points(): ScatterPoints {
    return this.#points
  }

  show(points: ScatterPoints): void {
    const count = points.coordinates.length / points.dims
    if (count !== this.#projected.x.length) {
      this.#projected = emptyProjection(count)
      this.#order = new Uint32Array(count)
    }
    this.#points = points
    this.draw()
  }

  look(looks: Looks): void {
    this.#looks = looks
    this.draw()
  }

  /** Draws with the next frame. */
  draw(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    requestAnimationFrame(() => {
      this.#scheduled = false
      this.drawNow()
    })
  }

  /** The point at a place of the canvas (CSS pixels), or near it; -1 for none. */
  pointAt(x: number, y: number): number {
    const { width, height, owner } = this.#raster
    const ratio = this.#ratio
    const [px, py] = [Math.round(x * ratio), Math.round(y * ratio)]
    // rings outwards, so that a small point need not be hit exactly
    for (let reach = 0; reach <= 4 * ratio; reach++) {
      for (let dy = -reach; dy <= reach; dy++) {
        for (let dx = -reach; dx <= reach; dx++) {
          if (Math.max(Math.abs(dx), Math.abs(dy)) !== reach) continue
          const [qx, qy] = [px + dx, py + dy]
          if (qx < 0 || qy < 0 || qx >= width || qy >= height) continue
          const point = owner[qy * width + qx] as number
          if (point >= 0) return point
        }
      }
    }
    return -1
  }

  /** Where a point lies, in CSS pixels. */
  placeOf(point: number): { x: number; y: number } {
    const { x, y } = this.#pixel(point)
    return { x: x / this.#ratio, y: y / this.#ratio }
  }

  /** Points within a rectangle of CSS pixels that are drawn as usual. */
  pointsWithin(left: number, top: number, right: number, bottom: number): number[] {
    const found: number[] = []
    for (let i = 0; i < this.#projected.x.length; i++) {
      if (this.#looks.emphasis[i] !== 2) continue
      const { x, y } = this.placeOf(i)
      if (x >= left && x <= right && y >= top && y <= bottom) found.push(i)
    }
    return found
  }

  drawNow(): void {
    const started = performance.now()
    const { pixels, owner, image } = this.#raster
    const background = pixelOf(property('--plot'))
    pixels.fill(background)
    owner.fill(-1)
    project(this.#points.coordinates, this.#points.dims, this.camera, this.#projected)
    this.#drawPoints(background)
    this.#context.putImageData(image, 0, 0)
    this.#drawAxes()
    if (this.hovered >= 0 && this.hovered !== this.selected) this.#ring(this.hovered, 1.5)
    if (this.selected >= 0) this.#ring(this.selected, 2.5)
    this.drawn.frames++
    this.drawn.milliseconds += performance.now() - started
  }

  #drawPoints(background: number): void {
    const { colours, emphasis } = this.#looks
    const { depth } = this.#projected
    const is3d = this.#points.dims === 3
    const radius = this.#radius()
    const order = is3d ? this.#farthestFirst() : this.#inOrder()
    // faint ones first: they never hide what is looked for
    for (const wanted of [1, 2]) {
      for (const i of order) {
        if (emphasis[i] !== wanted) continue
        const { x, y } = this.#pixel(i)
        const near = is3d ? ((depth[i] as number) + 1) / 2 : 1
        const colour = colours[i] as number
        splat(
          this.#raster,
          x,
          y,
          is3d ? radius * (0.7 + 0.6 * near) : radius,
          is3d ? mixed(background, colour, 0.35 + 0.65 * near) : colour,
          wanted === 1 ? FAINT : USUAL,
          wanted === 2 ? i : -1,
        )
      }
    }
  }

  #pixel(point: number): { x: number; y: number } {
    const { width, height } = this.#raster
    const half = Math.min(width, height) / 2
    return {
      x: width / 2 + (this.#projected.x[point] as number) * half,
      y: height / 2 + (this.#projected.y[point] as number) * half,
    }
  }

  /** Smaller for many points, larger when one looks closely. */
  #radius(): number {
    const count = Math.max(1, this.#projected.x.length)
    const base = Math.min(5, Math.max(1.6, 5.5 - Math.log10(count)))
    return Math.min(9, base * Math.sqrt(Math.max(1, this.camera.zoom)) ** 0.8) * this.#ratio
  }

  #inOrder(): Uint32Array {
    for (let i = 0; i < this.#order.length; i++) this.#order[i] = i
    return this.#order
  }

  /** By depth, counted into 1,024 shelves: as good as a sort for the eye. */
  #farthestFirst(): Uint32Array {
    const shelves = 1024
    const { depth } = this.#projected
    const starts = new Uint32Array(shelves + 1)
    const shelf = (i: number) =>
      Math.min(shelves - 1, (((depth[i] as number) + 1) / 2) * shelves) | 0
    for (let i = 0; i < depth.length; i++) {
      const next = shelf(i) + 1
      starts[next] = (starts[next] as number) + 1
    }
    for (let s = 0; s < shelves; s++) {
      starts[s + 1] = (starts[s + 1] as number) + (starts[s] as number)
    }
    for (let i = 0; i < depth.length; i++) {
      const s = shelf(i)
      this.#order[starts[s] as number] = i
      starts[s] = (starts[s] as number) + 1
    }
    return this.#order
  }

  #ring(point: number, lineWidth: number): void {
    if ((this.#looks.emphasis[point] ?? 0) === 0) return
    const { x, y } = this.#pixel(point)
    const context = this.#context
    for (const [colour, extra] of [
      [property('--plot'), 2],
      [property('--text'), 0],
    ] as const) {
      context.beginPath()
      context.arc(x, y, this.#radius() + 4 * this.#ratio, 0, 2 * Math.PI)
      context.lineWidth = (lineWidth + extra) * this.#ratio
      context.strokeStyle = colour
      context.stroke()
    }
  }

  /** From the centre along each axis: in three dimensions the eye needs something to turn by. */
  #drawAxes(): void {
    const { dims, axes } = this.#points
    if (dims !== 3) return
    const ends = new Float32Array([0, 0, 0, 0.8, 0, 0, 0, 0.8, 0, 0, 0, 0.8])
    const places = emptyProjection(4)
    project(ends, 3, this.camera, places)
    const { width, height } = this.#raster
    const half = Math.min(width, height) / 2
    const at = (i: number): [number, number] => [
      width / 2 + (places.x[i] as number) * half,
      height / 2 + (places.y[i] as number) * half,
    ]
    const context = this.#context
    context.strokeStyle = property('--muted')
    context.fillStyle = property('--muted')
    context.lineWidth = this.#ratio
    context.font = `${12 * this.#ratio}px system-ui, sans-serif`
    for (let i = 1; i <= 3; i++) {
      context.beginPath()
      context.moveTo(...at(0))
      context.lineTo(...at(i))
      context.stroke()
      context.fillText(axes[i - 1] ?? '', at(i)[0] + 4, at(i)[1] - 4)
    }
  }

  get #ratio(): number {
    return this.#raster.width / Math.max(1, this.canvas.clientWidth)
  }

  #resize(): void {
    // beyond two, more pixels only cost time
    const ratio = Math.min(2, devicePixelRatio)
    const width = Math.max(1, Math.round(this.canvas.clientWidth * ratio))
    const height = Math.max(1, Math.round(this.canvas.clientHeight * ratio))
    if (width === this.#raster.width && height === this.#raster.height) return
    this.canvas.width = width
    this.canvas.height = height
    this.#raster = rasterOf(width, height)
    this.drawNow()
  }
}

function emptyProjection(count: number): Projected {
  return {
    x: new Float32Array(count),
    y: new Float32Array(count),
    depth: new Float32Array(count),
  }
}

function rasterOf(width: number, height: number): Raster & { image: ImageData } {
  const image = new ImageData(width, height)
  const pixels = new Uint32Array(image.data.buffer)
  return { width, height, image, pixels, owner: new Int32Array(width * height) }
}
