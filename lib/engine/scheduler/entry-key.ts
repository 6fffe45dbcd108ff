/** Names a text's tokens and outputs, to tell identical work. */
import { createHash } from 'node:crypto'

/** Up to this many ids are their own name; longer texts are named by a hash. */
const SHORT = 64

export function entryKey(ids: Int32Array, outputs: number): string {
  const bytes = Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength)
  if (ids.length <= SHORT) return `${outputs}:${bytes.toString('latin1')}`
  // 256 bits: two texts never share one by chance or by design
  return `${outputs}#${createHash('sha256').update(bytes).digest('base64')}`
}
