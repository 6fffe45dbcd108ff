/** The driver's errors as ours, without what may be a user's text. */

import { EmbedderError, InvalidInputError, StoreError } from '../../../common/errors.js'
import { nameOf } from '../../../common/realms.js'
import { mayPass } from '../../retry.js'

/**
 * SQLSTATE classes whose messages name tables, columns, types and addresses, and never a row: connection,
 * authorization, catalog, transaction, syntax and access, resources, state, intervention, system.
 */
const SPEAKING = /^(08|28|3D|3F|40|42|53|55|57|58)/

/** The driver's error is no `cause` of it: its `detail` may be a whole row, and causes are logged. */
export function storeError(error: unknown): EmbedderError {
  if (error instanceof EmbedderError) return error
  const { code, message, constraint } = (error ?? {}) as Record<string, unknown>
  if (code === 'ERR_INVALID_URL') {
    return new InvalidInputError('The PostgreSQL connection string is no valid URL.')
  }
  const transient = mayPass(error)
  if (typeof code !== 'string') {
    const what = transient ? String(message) : nameOf(error)
    return new StoreError(`PostgreSQL: ${what}`, { transient })
  }
  const isSqlState = /^[0-9A-Z]{5}$/.test(code)
  if (!isSqlState || SPEAKING.test(code)) {
    return new StoreError(`PostgreSQL: ${message || code} (${code})`, { transient })
  }
  const which = typeof constraint === 'string' ? `, constraint ${constraint}` : ''
  // values, constraints, and two ids that are one to the column's type
  const refused = /^(22|23|21000)/.test(code)
  const what = refused ? 'refuses a row' : 'failed'
  return new StoreError(`PostgreSQL ${what} (${code}${which}).`, { transient, refused })
}

/** A value that the column's type does not have. */
export function isBadValue(error: unknown): boolean {
  return /^22/.test(String((error as { code?: unknown } | undefined)?.code))
}
