/** Vectors that are in memory already, such as what `embedChunks` gave. */

import { InvalidInputError } from '../../../common/errors.js'
import { components } from '../../../scoring/components.js'
import type { Vector } from '../../../scoring/types.js'
import { scalars, TableBuilder, textStart, type VectorTable } from './table.js'

/** An `EmbeddedChunk` is one, and so is what came back from a database. */
export interface TableItem {
  id: string
  embedding: { dense?: Vector | undefined; tokenCount?: number }
  metadata?: Readonly<Record<string, unknown>> | undefined
}

/**
 * @param texts by id, for search
 * @throws InvalidInputError when no item has a dense vector
 */
export function tableOf(
  items: Iterable<TableItem>,
  texts?: ReadonlyMap<string, string>,
): VectorTable {
  const table = new TableBuilder()
  for (const { id, embedding, metadata } of items) {
    const { dense, tokenCount } = embedding
    if (dense === undefined) {
      throw new InvalidInputError('An item has no dense vector, which a report is about.')
    }
    const text = texts?.get(id)
    table.add(id, components(dense), {
      text: text === undefined ? undefined : textStart(text),
      metadata: scalars({ ...(tokenCount !== undefined && { tokens: tokenCount }), ...metadata }),
    })
  }
  return table.finish('The list')
}
