/** Vectors that are in memory already, such as what `embedChunks` gave. */

import { InvalidInputError } from '../../../common/errors.js'
import { checkObject, checkText } from '../../../common/given.js'
import { isMap } from '../../../common/realms.js'
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
  if (typeof Object(items)[Symbol.iterator] !== 'function') {
    throw new InvalidInputError('A report is on a list of items with embeddings.')
  }
  if (texts !== undefined && !isMap(texts)) {
    throw new InvalidInputError('`texts` must be a Map: id to text.')
  }
  const table = new TableBuilder()
  for (const item of items) {
    checkObject(item, 'An item')
    const { id, embedding, metadata } = item
    checkText(id, 'The id of an item')
    checkObject(embedding, 'An embedding')
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
