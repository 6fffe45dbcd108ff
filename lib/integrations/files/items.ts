/** What there is to embed: texts with their ids, whatever form they come in. */

import { type EmbedderError, InvalidInputError } from '../../common/errors.js'
import { type InputId, textOf } from './record-text.js'
import { type InputRecord, type ReadOptions, records } from './records.js'

export type { InputId } from './record-text.js'

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
  /** What else its record holds, and where a chunk lies: what an output may repeat. */
  readonly fields?: Readonly<Record<string, unknown>>
  /** Of a chunk, which was counted when it was cut. */
  readonly tokenCount?: number
}

/** A place in the input where no text could be read. */
export interface BrokenItem extends Position {
  readonly error: EmbedderError
}

export type InputItem = TextItem | BrokenItem

export function isText(item: InputItem): item is TextItem {
  return 'text' in item
}

export interface ItemOptions extends ReadOptions {
  /** The member or column that is the text. Default: `text`, behind `title`; a table has no default. */
  textField?: string | undefined
  /** Keeps the other members of a record. */
  keepFields?: boolean | undefined
}

/** Texts that are there already, such as a command's arguments. */
export async function* itemsOf(texts: readonly string[]): AsyncGenerator<InputItem[]> {
  if (texts.length > 0) yield texts.map((text, index) => ({ id: index, index, end: 0, text }))
}

/**
 * The items of a stream, in groups as they come. A record that cannot be read is an item of its own.
 *
 * @throws InvalidInputError for an input that is no text, or a table whose column is not told
 */
export async function* readItems(
  source: AsyncIterable<Uint8Array | string>,
  { textField, keepFields = false, ...options }: ItemOptions = {},
): AsyncGenerator<InputItem[]> {
  let index = 0
  for await (const group of records(source, options)) {
    yield group.map((record) => {
      const item = itemOf(record, index++, textField)
      return keepFields && isText(item) ? withFields(item, record, textField) : item
    })
  }
}

function itemOf(record: InputRecord, index: number, textField: string | undefined): InputItem {
  const { value, json, end, place } = record
  const isRow = typeof value === 'object' && json === undefined
  if (isRow && index === 0) checkColumn(value, textField)
  const found = typeof value === 'string' ? { text: value } : textOf(value, textField, json)
  const { id = index, text, wrong = record.wrong } = found
  if (wrong === undefined) return { id, index, end, text: text as string }
  return { id, index, end, error: new InvalidInputError(`${place} of the input ${wrong}.`) }
}

function withFields(item: TextItem, { value }: InputRecord, textField = 'text'): TextItem {
  if (typeof value === 'string') return item
  const { id: _, _id: __, [textField]: ___, ...fields } = value as Record<string, unknown>
  return { ...item, fields }
}

/** @throws InvalidInputError for a table of which no column is said to be the text */
function checkColumn(row: object, textField: string | undefined): void {
  const columns = Object.keys(row).join(', ')
  if (textField === undefined) {
    throw new InvalidInputError(
      `The input is a table: name the column that is the text with --text-field (${columns}).`,
    )
  }
  if (Object.hasOwn(row, textField)) return
  throw new InvalidInputError(
    `The table has no column ${JSON.stringify(textField)}: it has ${columns}.`,
  )
}
