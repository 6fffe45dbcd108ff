/**
 * The driver's errors as ours. A server's words are never passed on: `message`, `detail`, `where` and `hint` may
 * quote a row, and a trigger may put a row into any of them. What passes is the SQLSTATE and names from the
 * catalog, with words of our own.
 */

import { EmbedderError, InvalidInputError, StoreError } from '../../../common/errors.js'
import { nameOf } from '../../../common/realms.js'
import { mayPass } from '../../retry.js'

/** Said while a session begins, before any row is read: who is refused, and by what. */
const BEFORE_ROWS = /^(08|28|3D|53300|57P03)/

/**
 * What one row may bring about where others are fine: values, constraints, two ids that are one to the column's
 * type, views with a check, sizes of index entries, and what triggers raise in any language.
 */
const OF_A_ROW = /^(09|21000|22|23|27|38|39|44|54|P0)/

/** SQLSTATEs (PostgreSQL's manual, appendix A) in words. */
const WORDS: Readonly<Record<string, string>> = {
  '25006': 'the server or the transaction is read-only',
  '25P03': 'the session was idle in a transaction for too long',
  '40001': 'transactions conflict',
  '40P01': 'a deadlock',
  '42501': 'permission is denied',
  '42703': 'a column is missing',
  '42704': 'a type or another object is missing',
  '42883': 'a function or an operator is missing',
  '42P01': 'a table is missing',
  '53100': 'the disk is full',
  '53200': 'the server is out of memory',
  '55P03': 'a lock is not to be had',
  '57014': 'the statement was cancelled, by its timeout or by somebody',
  '57P01': 'the server shuts down',
  '57P02': 'the server has crashed',
  '57P05': 'the session was idle for too long',
}

/** The driver's error is no `cause` of it: causes are logged. */
export function storeError(error: unknown): EmbedderError {
  if (error instanceof EmbedderError) return error
  const { code, message } = (error ?? {}) as Record<string, unknown>
  if (code === 'ERR_INVALID_URL') {
    return new InvalidInputError('The PostgreSQL connection string is no valid URL.')
  }
  const transient = mayPass(error)
  if (typeof code !== 'string') {
    const what = transient ? 'the connection is lost' : nameOf(error)
    return new StoreError(`PostgreSQL: ${what}`, { transient })
  }
  if (!/^[0-9A-Z]{5}$/.test(code) || code === 'EPIPE' || BEFORE_ROWS.test(code)) {
    // of the socket, or of the session's beginning
    return new StoreError(`PostgreSQL: ${message || code} (${code})`, { transient })
  }
  const refused = OF_A_ROW.test(code)
  const what = refused ? 'refuses a row' : 'failed'
  const words = WORDS[code] === undefined ? '' : `: ${WORDS[code]}`
  return new StoreError(`PostgreSQL ${what} (${[code, ...names(error)].join(', ')})${words}.`, {
    transient,
    refused,
    sqlState: code,
  })
}

/** Functions of the server that check constraints. A trigger that raises an error chooses every field but this. */
const CHECKING = new Set([
  'ExecConstraints',
  'ReportNotNullViolationError',
  'ExecEvalConstraintCheck',
  'ExecEvalConstraintNotNull',
  'domain_check_input',
  '_bt_check_unique',
  'check_exclusion_or_unique_constraint',
  'ri_ReportViolation',
])

/** Names of what is concerned, from the catalog. */
function names(error: unknown): string[] {
  const told = error as Record<string, unknown>
  if (!CHECKING.has(String(told.routine))) return []
  return ['constraint', 'table', 'column'].flatMap((what) => {
    const name = told[what]
    return typeof name === 'string' ? [`${what} ${name}`] : []
  })
}

/** A value that the column's type does not have. */
export function isBadValue(error: unknown): boolean {
  return /^22/.test(String((error as { code?: unknown } | undefined)?.code))
}
