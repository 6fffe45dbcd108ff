/** What a load says of rows and columns that it could not fill. */

import { InvalidInputError, StoreError } from '../../../common/errors.js'
import type { RowFailure } from './fill-types.js'
import type { LoadFailure } from './load-types.js'

export function failureOf(id: string, error: RowFailure['error']): LoadFailure {
  const { code, message } = error
  const sqlState = error instanceof StoreError ? error.sqlState : undefined
  // its place in the batch means nothing to those who know it by its id
  const told = message.replace(/^The text at index \d+/, 'The text')
  return { id, code, ...(sqlState !== undefined && { sqlState }), message: told }
}

/** Of a row that was written and has no vector, again and again. */
export function doesNotStay(): StoreError {
  return new StoreError(
    'PostgreSQL keeps no vector in the row: a trigger takes it away, or its text changes all the time.',
    { refused: true },
  )
}

/** @param name of the table, quoted */
export function anotherModel(name: string): InvalidInputError {
  return new InvalidInputError(
    `Another model has taken the columns of table ${name}: what is left is for it to fill.`,
  )
}
