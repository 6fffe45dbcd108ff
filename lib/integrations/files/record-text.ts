/** The text of a record, and its id. */

import type { Members } from './records.js'

/** A bigint is an integer that a double cannot hold. */
export type InputId = string | number | bigint

interface RecordText {
  /** As the record gives it; undefined when it gives none that is a string or a number. */
  readonly id?: InputId | undefined
  readonly text?: string
  /** Why there is no text, as the end of a sentence that does not say what the record holds. */
  readonly wrong?: string
}

/**
 * Reads `{"id" or "_id", "text", "title"}`. A `title` that is not empty is put before the text, as
 * BEIR's corpora have it, unless `textField` names what the text is. Other members are ignored.
 *
 * @param json as it was written, for ids that a double cannot hold
 */
export function textOf(record: Members, textField?: string, json?: string): RecordText {
  const field = textField ?? 'text'
  const text = record[field]
  const id = idOf(record, json)
  if (typeof text !== 'string') {
    const name = JSON.stringify(field)
    return { id, wrong: text === undefined ? `has no ${name}` : `has a ${name} that is no string` }
  }
  const { title } = record
  if (textField !== undefined || typeof title !== 'string' || title === '') return { id, text }
  return { id, text: text === '' ? title : `${title} ${text}` }
}

function idOf(record: Members, json: string | undefined): InputId | undefined {
  for (const key of ['id', '_id']) {
    const id = record[key]
    if (typeof id === 'string') return id
    if (typeof id === 'number') {
      return Number.isSafeInteger(id) || json === undefined ? id : exactInteger(json, key, id)
    }
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
