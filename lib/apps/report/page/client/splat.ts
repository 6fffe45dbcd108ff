/**
 * Points drawn pixel by pixel. A disc's coverage is computed once per size and then blended wherever a
 * point lies: 10,000 points take a few milliseconds on any machine, with or without a graphics card,
 * and what is under the pointer is a look into a second buffer.
 */

export interface Raster {
  width: number
  height: number
  /** Pixels, 0xAABBGGRR. */
  pixels: Uint32Array
  /** The point drawn last at each pixel; -1 for none. */
  owner: Int32Array
}

/** A disc: places relative to its centre and how much of each pixel it covers, 0 to 256. */
interface Stamp {
  x: Int8Array
  y: Int8Array
  cover: Uint16Array
}

const stamps = new Map<number, Stamp>()

/** @param radius pixels, taken in steps of a quarter */
function stampOf(radius: number): Stamp {
  const steps = Math.max(2, Math.round(radius * 4))
  const known = stamps.get(steps)
  if (known) return known
  const r = steps / 4
  const reach = Math.ceil(r + 0.5)
  const x: number[] = []
  const y: number[] = []
  const cover: number[] = []
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) {
      // the edge is one pixel wide: coverage falls linearly across it
      const inside = r + 0.5 - Math.hypot(dx, dy)
      if (inside <= 0) continue
      x.push(dx)
      y.push(dy)
      cover.push(Math.round(Math.min(1, inside) * 256))
    }
  }
  const stamp = { x: Int8Array.from(x), y: Int8Array.from(y), cover: Uint16Array.from(cover) }
  stamps.set(steps, stamp)
  return stamp
}

/**
 * Blends a disc over the raster.
 *
 * @param opacity 0 to 256
 * @param owner what the pixels then belong to; -1 leaves them to whoever had them
 */
export function splat(
  raster: Raster,
  centreX: number,
  centreY: number,
  radius: number,
  colour: number,
  opacity: number,
  owner: number,
): void {
  const { width, height, pixels } = raster
  const x0 = Math.round(centreX)
  const y0 = Math.round(centreY)
  if (!(x0 > -64 && y0 > -64 && x0 < width + 64 && y0 < height + 64)) return
  const stamp = stampOf(radius)
  const redBlue = colour & 0xff00ff
  const green = colour & 0x00ff00
  for (let t = 0; t < stamp.cover.length; t++) {
    const x = x0 + (stamp.x[t] as number)
    const y = y0 + (stamp.y[t] as number)
    if (x < 0 || y < 0 || x >= width || y >= height) continue
    const at = y * width + x
    const alpha = ((stamp.cover[t] as number) * opacity) >> 8
    const under = pixels[at] as number
    const rest = 256 - alpha
    const rb = ((redBlue * alpha + (under & 0xff00ff) * rest) >>> 8) & 0xff00ff
    const g = ((green * alpha + (under & 0x00ff00) * rest) >>> 8) & 0x00ff00
    pixels[at] = (0xff000000 | rb | g) >>> 0
    if (owner >= 0 && (stamp.cover[t] as number) > 96) raster.owner[at] = owner
  }
}

/** Two colours mixed. @param share of `b`, 0 to 1 */
export function mixed(a: number, b: number, share: number): number {
  const s = Math.round(Math.max(0, Math.min(1, share)) * 256)
  const rb = (((a & 0xff00ff) * (256 - s) + (b & 0xff00ff) * s) >>> 8) & 0xff00ff
  const g = (((a & 0x00ff00) * (256 - s) + (b & 0x00ff00) * s) >>> 8) & 0x00ff00
  return (0xff000000 | rb | g) >>> 0
}

/** `#rrggbb` as the raster has it. */
export function pixelOf(hex: string): number {
  const value = Number.parseInt(hex.slice(1), 16)
  const [r, g, b] = [(value >> 16) & 255, (value >> 8) & 255, value & 255]
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0
}
