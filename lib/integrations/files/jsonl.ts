/** One line of JSON Lines to a text and its id. */

import { InvalidInputError } from '../../common/errors.js'

/** A bigint is an integer that a double cannot hold. */
export type InputId = string | number | bigint

export interface ParsedLine {
  /** As the line gives it; `undefined` when it gives none that is a string or a number. */
  readonly id: InputId | undefined
  readonly text: string
}

/**
 * Reads `{"id" or "_id", "text", "title"}`. A `title` that is not empty is put before the text, as
 * BEIR's corpora have it. Other members are ignored.
 *
 * @throws InvalidInputError that says what is wrong with the line but not what it holds, with the
 *   line's id as `id` if it has one
 */
export function parseLine(line: string): ParsedLine {
  let record: unknown
  try {
    record = JSON.parse(line)
  } catch {
    // JSON.parse quotes the text in its message
    throw new LineError('is not valid JSON', undefined)
  }
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    throw new LineError('is not a JSON object', undefined)
  }
  const { text, title } = record as { text?: unknown; title?: unknown }
  const id = idOf(record as Record<string, unknown>, line)
  if (typeof text !== 'string') {
    throw new LineError(text === undefined ? 'has no "text"' : 'has a "text" that is no string', id)
  }
  if (typeof title !== 'string' || title === '') return { id, text }
  return { id, text: text === '' ? title : `${title} ${text}` }
}

/** What is wrong with a line; whoever knows its number makes the message of it. */
export class LineError extends InvalidInputError {
  constructor(
    readonly what: string,
    readonly id: InputId | undefined,
  ) {
    super(`A line of the input ${what}.`)
  }
}

function idOf(record: Record<string, unknown>, line: string): InputId | undefined {
  for (const key of ['id', '_id']) {
    const id = record[key]
    if (typeof id === 'string') return id
    if (typeof id === 'number') return Number.isSafeInteger(id) ? id : exactInteger(line, key, id)
  }
  return undefined
}

/** A number that is no safe integer: digit by digit if the line writes it as an integer. */
function exactInteger(line: string, key: string, parsed: number): InputId | undefined {
  const written = topLevelNumber(line, key)
  if (written !== undefined && /^-?\d+$/.test(written)) return BigInt(written)
  return Number.isFinite(parsed) ? parsed : undefined
}

const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/gs

/** How an object, known to be valid JSON, writes the number that its member `key` has. */
function topLevelNumber(json: string, key: string): string | undefined {
  let depth = 0
  let found: string | undefined
  let previous = ''
  let member = ''
  for (const [token] of json.matchAll(TOKENS)) {
    if (token === '{' || token === '[') depth++
    else if (token === '}' || token === ']') depth--
    else if (depth === 1 && token === ':') member = JSON.parse(previous) as string
    else if (depth === 1 && previous === ':' && member === key) found = token
    previous = token
  }
  return found
}
