/** One output of one text, as memory holds it and as bytes. */
import { Kind } from './key.js'
import type { Asked, CachedOutputs } from './types.js'

export interface SparseValue {
  indices: Uint32Array
  values: Float32Array
}

/** Floats of a dense vector or of ColBERT rows; sparse weights; or the bytes of what was kept by hand (`kept.ts`). */
export type Value = Float32Array | SparseValue | Uint8Array

export function isSparse(value: Value): value is SparseValue {
  return !ArrayBuffer.isView(value)
}

export function copyValue(value: Value): Value {
  if (!isSparse(value)) return value.slice()
  return { indices: value.indices.slice(), values: value.values.slice() }
}

export function byteLength(value: Value): number {
  return isSparse(value) ? value.indices.byteLength + value.values.byteLength : value.byteLength
}

const bytesOf = (array: Float32Array | Uint32Array | Uint8Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength)

/** Writes the value's bytes (little-endian: every platform with a build is), indices first. */
export function writeValue(value: Value, target: Buffer, at: number): void {
  if (!isSparse(value)) {
    target.set(bytesOf(value), at)
    return
  }
  target.set(bytesOf(value.indices), at)
  target.set(bytesOf(value.values), at + value.indices.byteLength)
}

/**
 * The value that lies in bytes `at` (a multiple of 4) of a buffer, as views of it; `undefined` when
 * the length fits no value of the kind.
 */
export function viewValue(
  kind: number,
  buffer: ArrayBuffer,
  at: number,
  bytes: number,
): Value | undefined {
  if (kind === Kind.kept) return new Uint8Array(buffer, at, bytes)
  if (kind !== Kind.sparse) {
    if (bytes % 4 !== 0) return undefined
    return new Float32Array(buffer, at, bytes / 4)
  }
  if (bytes % 8 !== 0) return undefined
  const count = bytes / 8
  return {
    indices: new Uint32Array(buffer, at, count),
    values: new Float32Array(buffer, at + count * 4, count),
  }
}

/** Whether no number is NaN or infinite. */
export function allFinite(floats: Float32Array): boolean {
  // x * 0 is 0 for finite x, else NaN, and NaN stays
  let zero = 0
  for (let i = 0; i < floats.length; i++) zero += (floats[i] as number) * 0
  return zero === 0
}

export function wants(asked: Asked, kind: Kind): boolean {
  if (kind === Kind.dense) return asked.dense
  return kind === Kind.sparse ? asked.sparse : asked.colbert
}

export function outputOf(outputs: CachedOutputs, kind: Kind): Value | undefined {
  if (kind === Kind.dense) return outputs.pooled
  return kind === Kind.sparse ? outputs.sparse : outputs.colbert
}

export function assign(outputs: CachedOutputs, kind: Kind, value: Value): void {
  if (isSparse(value)) outputs.sparse = value
  else if (kind === Kind.dense) outputs.pooled = value as Float32Array
  else outputs.colbert = value as Float32Array
}
