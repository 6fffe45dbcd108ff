/** Typed arrays as text, small enough for a page. */

import type { Packed } from './shared/data.js'

export function pack(values: Uint8Array | Int16Array | Uint16Array | Float32Array): Packed {
  // typed arrays have the host's byte order, and every platform of ours is little-endian
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64')
}

/** 65,536 steps over the range of the values: far below a pixel. What is not finite becomes `min`. */
export function quantized(values: Float32Array): { min: number; max: number; steps: Uint16Array } {
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  for (const value of values) {
    if (!Number.isFinite(value)) continue
    if (value < min) min = value
    if (value > max) max = value
  }
  if (min > max) return { min: 0, max: 0, steps: new Uint16Array(values.length) }
  const scale = max > min ? 0xffff / (max - min) : 0
  const steps = new Uint16Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    if (Number.isFinite(value)) steps[i] = Math.round((value - min) * scale)
  }
  return { min, max, steps }
}

/** 65,535 steps, symmetric about zero. */
export function toInt16(values: Float32Array): { scale: number; steps: Int16Array } {
  let widest = 0
  for (const value of values) widest = Math.max(widest, Math.abs(value))
  const scale = widest / 32767
  const steps = new Int16Array(values.length)
  if (scale > 0) {
    for (let i = 0; i < values.length; i++) steps[i] = Math.round((values[i] as number) / scale)
  }
  return { scale, steps }
}
