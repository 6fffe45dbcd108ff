/** A tensor on its way into a checkpoint. */

export interface WritableTensor {
  name: string
  dtype: 'F32' | 'F16' | 'I64'
  /** Slowest dimension first. */
  shape: readonly number[]
  /** Its bytes in order. */
  chunks(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

export const WIDTHS = { F32: 4, F16: 2, I64: 8 } as const

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

/** Little-endian fields: `bytes([4, 0x04034b50], [2, 20], 'text', array)`. */
export function bytes(
  ...parts: ([width: number, value: number] | string | Uint8Array)[]
): Uint8Array {
  return concat(
    parts.map((part) => {
      if (typeof part === 'string') return new TextEncoder().encode(part)
      if (part instanceof Uint8Array) return part
      const [width, value] = part
      const field = new Uint8Array(8)
      new DataView(field.buffer).setBigUint64(0, BigInt(value), true)
      return field.subarray(0, width)
    }),
  )
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
