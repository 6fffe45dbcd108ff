/** SQL from names that users choose, and values as PostgreSQL reads them. */

import { InvalidInputError } from '../../../common/errors.js'
import { checkNumbers, checkNumeric, checkObject, checkText } from '../../../common/given.js'
import type { SparseEmbedding } from '../../../common/types.js'

/** Quoted, whatever it holds. @throws InvalidInputError for what no identifier can be */
export function quoteIdentifier(name: string): string {
  checkText(name, 'A name of a table or column')
  if (name === '' || name.includes('\0')) {
    throw new InvalidInputError('A name of a table or column is empty or holds a NUL character.')
  }
  return `"${name.replaceAll('"', '""')}"`
}

/** `schema.table` or `table`; a name with a dot in it is given as `{ schema, table }`. */
export type TableName = string | { schema?: string; table: string }

/** A table's name, quoted for SQL. @throws InvalidInputError for what no identifier can be */
export function quoteTable(name: TableName): string {
  if (typeof name !== 'string') checkObject(name, 'The name of a table')
  const { schema, table } = typeof name === 'string' ? split(name) : name
  return schema === undefined
    ? quoteIdentifier(table)
    : `${quoteIdentifier(schema)}.${quoteIdentifier(table)}`
}

function split(name: string): { schema?: string; table: string } {
  const dot = name.indexOf('.')
  return dot < 0 ? { table: name } : { schema: name.slice(0, dot), table: name.slice(dot + 1) }
}

/** pgvector's `vector` and `halfvec`. */
export function vectorLiteral(values: ArrayLike<number>): string {
  checkNumbers(values, 'A vector')
  return `[${Array.from(values).join(',')}]`
}

/** `float4[]`. */
export function arrayLiteral(values: ArrayLike<number>): string {
  checkNumbers(values, 'A vector')
  return `{${Array.from(values).join(',')}}`
}

/** The most elements that pgvector's `sparsevec` holds, and that its HNSW index takes. */
export const SPARSEVEC_LIMITS = { stored: 16_000, indexed: 1_000 }

/**
 * pgvector's `sparsevec`: `{index:value,...}/dimensions`, indices from 1, ascending.
 *
 * @param limit of so many elements those with the largest weights are kept
 * @returns also whether some were left out
 */
export function sparsevecLiteral(
  sparse: SparseEmbedding,
  dimensions: number,
  limit: number,
): { literal: string; cut: boolean } {
  checkObject(sparse, 'A sparse vector')
  const { indices, values } = sparse
  checkNumbers(indices, 'Sparse `indices`')
  checkNumbers(values, 'Sparse `values`')
  checkNumeric({ dimensions, limit })
  let kept = Array.from(indices, (index, i) => ({ index, value: values[i] as number }))
  const cut = kept.length > limit
  if (cut) {
    // equal weights: the lower index stays, so that a text always gives the same
    kept.sort((a, b) => b.value - a.value || a.index - b.index)
    kept = kept.slice(0, limit).sort((a, b) => a.index - b.index)
  }
  const elements = kept.map(({ index, value }) => `${index + 1}:${value}`)
  return { literal: `{${elements.join(',')}}/${dimensions}`, cut }
}
