/** The other end of `pack`. */

import type { Packed } from '../../shared/data.js'

function bytes(packed: Packed): ArrayBuffer {
  const text = atob(packed)
  const out = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i)
  return out.buffer
}

export const unpack = {
  uint8: (packed: Packed) => new Uint8Array(bytes(packed)),
  int16: (packed: Packed) => new Int16Array(bytes(packed)),
  uint16: (packed: Packed) => new Uint16Array(bytes(packed)),
  float32: (packed: Packed) => new Float32Array(bytes(packed)),
}
