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
import type { EmbeddingData, Precision } from '../../common/types.js'
import { numbersOf, rowsOf } from '../../outputs/arrays.js'

/** A bigint is an integer that a double cannot hold, echoed digit by digit. */
export type RecordId = string | number | bigint

/** Members of a line that are ours. */
const OWN = ['id', 'dense', 'sparse', 'colbert', 'tokenCount', 'truncated', 'error']

/**
 * One line, its newline included.
 *
 * @param fields what stands behind the id; those with a name of ours give way
 */
export function embeddingLine(
  id: RecordId,
  embedding: Omit<EmbeddingData<Precision>, 'timings'>,
  fields: Readonly<Record<string, unknown>> = {},
): string {
  const parts = [`"id":${idJson(id)}`]
  for (const [name, value] of Object.entries(fields)) {
    if (!OWN.includes(name) && value !== undefined) parts.push(memberJson(name, value))
  }
  if (embedding.dense) parts.push(`"dense":${JSON.stringify(numbersOf(embedding.dense))}`)
  if (embedding.sparse) {
    const { indices, values } = embedding.sparse
    parts.push(
      `"sparse":{"indices":[${indices.join()}],"values":${JSON.stringify(numbersOf(values))}}`,
    )
  }
  if (embedding.colbert) parts.push(`"colbert":${JSON.stringify(rowsOf(embedding.colbert))}`)
  parts.push(`"tokenCount":${embedding.tokenCount}`)
  if (embedding.truncated) parts.push('"truncated":true')
  return `{${parts.join()}}\n`
}

/** A line of what is known of a text, without an embedding. */
export function recordLine(members: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(members).filter(([, value]) => value !== undefined)
  return `{${parts.map(([name, value]) => memberJson(name, value)).join()}}\n`
}

/** The line of a text that failed. */
export function errorLine(id: RecordId, { code, message }: EmbedderError): string {
  return `{"id":${idJson(id)},"error":${JSON.stringify({ code, message })}}\n`
}

function memberJson(name: string, value: unknown): string {
  return `${JSON.stringify(name)}:${typeof value === 'bigint' ? String(value) : JSON.stringify(value)}`
}

export function idJson(id: RecordId): string {
  return typeof id === 'bigint' ? String(id) : JSON.stringify(id)
}
