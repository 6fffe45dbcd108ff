/** Vectors as bytes, for whoever asks for `application/octet-stream`: no text to write, none to read. */

import type { FastifyReply, FastifyRequest } from 'fastify'
import { rowsToPrecision } from '../../../outputs/precision.js'

type BinaryType = 'float32' | 'float16'

/** What `Accept: application/octet-stream` (float32) or `...; precision=float16` asks for. */
export function acceptedBinary({ headers }: FastifyRequest): BinaryType | undefined {
  const asked =
    /(?:^|,)\s*application\/octet-stream\s*(?:;\s*precision=(float16|float32)\s*)?(?:;\s*q=[\d.]+\s*)?(?:,|$)/i
  const found = asked.exec(headers.accept ?? '')
  return found ? ((found[1]?.toLowerCase() ?? 'float32') as BinaryType) : undefined
}

/** The vectors, all of one length, one after another, little-endian; the content type has their number and length. */
export function sendRows(
  reply: FastifyReply,
  vectors: readonly Float32Array[],
  type: BinaryType,
): FastifyReply {
  const cols = vectors[0]?.length ?? 0
  const all = new Float32Array(vectors.length * cols)
  vectors.forEach((vector, i) => {
    all.set(vector, i * cols)
  })
  const { buffer, byteOffset, byteLength } = rowsToPrecision(all, vectors.length, cols, type)
  return reply
    .type(`application/octet-stream; precision=${type}; rows=${vectors.length}; cols=${cols}`)
    .send(Buffer.from(buffer, byteOffset, byteLength))
}
