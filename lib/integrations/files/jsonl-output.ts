/**
 * Embeddings as JSON Lines: a line per text.
 *
 *     {"id":"a","dense":[...],"sparse":{"indices":[...],"values":[...]},"colbert":[[...],...],"tokenCount":7}
 *     {"id":"b","error":{"code":"INPUT_TOO_LONG","message":"..."}}
 *
 * Components are the shortest decimals that read back as the same float32 (or float16), but for the
 * sign of zero; int8 gives integers, and binary the packed bytes (see `precision.ts`).
 */

import type { EmbedderError } from '../../common/errors.js'
import { isTyped } from '../../common/realms.js'
import type { ColbertEmbedding, Embedding, Precision, PrecisionArrays } from '../../common/types.js'
import { shortestFloat16, shortestFloat32 } from '../../outputs/shortest-decimal.js'

/** A bigint is an integer that a double cannot hold, echoed digit by digit. */
export type RecordId = string | number | bigint

type Components = PrecisionArrays[Precision]

/** One line, its newline included. */
export function embeddingLine(
  id: RecordId,
  embedding: Omit<Embedding<Precision>, 'timings'>,
): string {
  const parts = [`"id":${idJson(id)}`]
  if (embedding.dense) parts.push(`"dense":${vectorJson(embedding.dense)}`)
  if (embedding.sparse) {
    const { indices, values } = embedding.sparse
    parts.push(`"sparse":{"indices":[${indices.join()}],"values":${vectorJson(values)}}`)
  }
  if (embedding.colbert) parts.push(`"colbert":${rowsJson(embedding.colbert)}`)
  parts.push(`"tokenCount":${embedding.tokenCount}`)
  if (embedding.truncated) parts.push('"truncated":true')
  return `{${parts.join()}}\n`
}

/** The line of a text that failed. */
export function errorLine(id: RecordId, { code, message }: EmbedderError): string {
  return `{"id":${idJson(id)},"error":${JSON.stringify({ code, message })}}\n`
}

export function idJson(id: RecordId): string {
  return typeof id === 'bigint' ? String(id) : JSON.stringify(id)
}

function vectorJson(vector: Components): string {
  if (isTyped(vector, 'Float32Array')) return JSON.stringify(mapped(vector, shortestFloat32))
  if (isTyped(vector, 'Uint16Array')) return JSON.stringify(mapped(vector, shortestFloat16))
  return `[${vector.join()}]`
}

/** `Array.from(vector, map)`, twice as fast. */
function mapped(vector: Float32Array | Uint16Array, map: (value: number) => number): number[] {
  const out = new Array<number>(vector.length)
  for (let i = 0; i < out.length; i++) out[i] = map(vector[i] as number)
  return out
}

function rowsJson({ data, rows }: ColbertEmbedding<Precision>): string {
  // For packed bits a row is shorter than `cols`.
  const width = rows === 0 ? 0 : data.length / rows
  const lines = Array.from({ length: rows }, (_, row) =>
    vectorJson(data.subarray(row * width, (row + 1) * width)),
  )
  return `[${lines.join()}]`
}
