/** What there is to embed: texts with their ids, whatever form they come in. */

import { type EmbedderError, InvalidInputError } from '../../common/errors.js'
import { type InputId, LineError, parseLine } from './jsonl.js'
import { type Line, lines, MAX_LINE_BYTES } from './lines.js'

export type { InputId } from './jsonl.js'

interface Position {
  /** The text's own, or its index. */
  readonly id: InputId
  /** Among all items, from 0. */
  readonly index: number
  /** Bytes of the input up to the item's end; 0 for arguments. */
  readonly end: number
}

export interface TextItem extends Position {
  readonly text: string
}

/** A place in the input where no text could be read. */
export interface BrokenItem extends Position {
  readonly error: EmbedderError
}

export type InputItem = TextItem | BrokenItem

export function isText(item: InputItem): item is TextItem {
  return 'text' in item
}

/**
 * `txt`: a text a line, a blank line being the empty text. `jsonl`: an object a line, blank lines
 * skipped. `auto`: `jsonl` if the first character that is not blank is `{`, else `txt`.
 */
export type InputFormat = 'auto' | 'txt' | 'jsonl'

export interface ReadOptions {
  format?: InputFormat
  maxLineBytes?: number
}

/** The format that a file's name tells. */
export function formatOfName(name: string): InputFormat {
  const lower = name.toLowerCase()
  if (lower.endsWith('.txt')) return 'txt'
  return lower.endsWith('.jsonl') || lower.endsWith('.ndjson') ? 'jsonl' : 'auto'
}

/** Texts that are there already, such as a command's arguments. */
export async function* itemsOf(texts: readonly string[]): AsyncGenerator<InputItem[]> {
  if (texts.length > 0) yield texts.map((text, index) => ({ id: index, index, end: 0, text }))
}

/** The items of a stream, in groups as they come. A line that cannot be read is an item of its own. */
export async function* readItems(
  source: AsyncIterable<Uint8Array | string>,
  { format = 'auto', maxLineBytes = MAX_LINE_BYTES }: ReadOptions = {},
): AsyncGenerator<InputItem[]> {
  let read = format === 'auto' ? undefined : readerOf(format, maxLineBytes)
  // Lines from before the first one that is not blank and so tells the format.
  let undecided: Line[] = []
  for await (const group of lines(source, maxLineBytes)) {
    let ready = group
    if (!read) {
      undecided.push(...group)
      const format = formatOfLines(undecided)
      if (!format) continue
      read = readerOf(format, maxLineBytes)
      ready = undecided
      undecided = []
    }
    const items = read(ready)
    if (items.length > 0) yield items
  }
  if (undecided.length > 0) yield readerOf('txt', maxLineBytes)(undecided)
}

/** So many blank lines are no way to begin JSONL, and they should not pile up. */
const MAX_UNDECIDED = 10_000

function formatOfLines(found: readonly Line[]): 'txt' | 'jsonl' | undefined {
  for (const line of found) {
    const start = line.text.trimStart()
    if (start !== '') return start.startsWith('{') ? 'jsonl' : 'txt'
  }
  return found.length > MAX_UNDECIDED ? 'txt' : undefined
}

function readerOf(format: 'txt' | 'jsonl', maxLineBytes: number): (group: Line[]) => InputItem[] {
  let index = 0
  return (group) => {
    const items: InputItem[] = []
    for (const line of group) {
      if (format === 'jsonl' && !line.tooLong && line.text.trim() === '') continue
      items.push(itemOf(line, index++, format, maxLineBytes))
    }
    return items
  }
}

function itemOf(
  line: Line,
  index: number,
  format: 'txt' | 'jsonl',
  maxLineBytes: number,
): InputItem {
  const { end } = line
  if (line.tooLong) {
    return {
      id: index,
      index,
      end,
      error: brokenLine(line, `is longer than ${maxLineBytes} bytes`),
    }
  }
  if (format === 'txt') return { id: index, index, end, text: line.text }
  try {
    const { id, text } = parseLine(line.text)
    return { id: id ?? index, index, end, text }
  } catch (error) {
    if (!(error instanceof LineError)) throw error
    return { id: error.id ?? index, index, end, error: brokenLine(line, error.what) }
  }
}

function brokenLine(line: Line, what: string): InvalidInputError {
  return new InvalidInputError(`Line ${line.number} of the input ${what}.`)
}
