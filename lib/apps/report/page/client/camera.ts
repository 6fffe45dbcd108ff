/** Where one looks at the points from. */

export interface Camera {
  /** Radians; only in three dimensions. */
  yaw: number
  pitch: number
  zoom: number
  /** Offset of the centre, in halves of the view's shorter side. */
  x: number
  y: number
}

export const START: Camera = { yaw: 0.6, pitch: 0.35, zoom: 1, x: 0, y: 0 }

const ZOOM = { min: 0.4, max: 60 }

export function zoomed(camera: Camera, factor: number, at = { x: 0, y: 0 }): Camera {
  const zoom = Math.min(ZOOM.max, Math.max(ZOOM.min, camera.zoom * factor))
  const by = zoom / camera.zoom
  // what is under the pointer stays there
  return {
    ...camera,
    zoom,
    x: at.x - (at.x - camera.x) * by,
    y: at.y - (at.y - camera.y) * by,
  }
}

export function panned(camera: Camera, dx: number, dy: number): Camera {
  return { ...camera, x: camera.x + dx, y: camera.y + dy }
}

export function rotated(camera: Camera, dx: number, dy: number): Camera {
  const limit = Math.PI / 2
  const pitch = Math.min(limit, Math.max(-limit, camera.pitch + dy))
  return { ...camera, yaw: camera.yaw + dx, pitch }
}

/** Distance of the eye from the centre, in units of the cloud's half width. */
const EYE = 4
/** What is near looks larger, and must fit all the same. */
const FIT = 0.82

/** Screen places, in halves of the shorter side from the centre (y down), and depths. */
export interface Projected {
  x: Float32Array
  y: Float32Array
  /** -1 far to 1 near; 0 in two dimensions. */
  depth: Float32Array
}

/** @param points items x dims, within -1 to 1 */
export function project(points: Float32Array, dims: 2 | 3, camera: Camera, out: Projected): void {
  const { zoom, x: offsetX, y: offsetY } = camera
  if (dims === 2) {
    for (let i = 0; i < out.x.length; i++) {
      out.x[i] = (points[2 * i] as number) * zoom + offsetX
      out.y[i] = -(points[2 * i + 1] as number) * zoom + offsetY
      out.depth[i] = 0
    }
    return
  }
  const [cosYaw, sinYaw] = [Math.cos(camera.yaw), Math.sin(camera.yaw)]
  const [cosPitch, sinPitch] = [Math.cos(camera.pitch), Math.sin(camera.pitch)]
  for (let i = 0; i < out.x.length; i++) {
    const x = points[3 * i] as number
    const y = points[3 * i + 1] as number
    const z = points[3 * i + 2] as number
    const turnedX = cosYaw * x + sinYaw * z
    const turnedZ = -sinYaw * x + cosYaw * z
    const tiltedY = cosPitch * y - sinPitch * turnedZ
    const depth = sinPitch * y + cosPitch * turnedZ
    const scale = (zoom * FIT * EYE) / (EYE - depth)
    out.x[i] = turnedX * scale + offsetX
    out.y[i] = -tiltedY * scale + offsetY
    out.depth[i] = Math.max(-1, Math.min(1, depth / 1.75))
  }
}
