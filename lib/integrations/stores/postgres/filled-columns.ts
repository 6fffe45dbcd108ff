/** Which columns take vectors, and what goes into each. */

import type { Ready } from './fill-types.js'
import type { CheckedTable } from './table.js'

/** A column, its type, and a literal for each part. */
export function filledColumns(
  { columns, denseKind }: CheckedTable,
  parts: readonly (Pick<Ready['parts'][number], 'dense' | 'sparse'> | undefined)[],
) {
  return [
    { column: columns.dense, type: denseKind as string, values: parts.map((part) => part?.dense) },
    { column: columns.sparse, type: 'sparsevec', values: parts.map((part) => part?.sparse) },
  ].filter(({ column }) => column !== undefined)
}
