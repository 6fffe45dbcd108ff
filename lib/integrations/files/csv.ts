/** Rows of a table with a header, as RFC 4180 has them. */

import { Readable } from 'node:stream'
import type { Info } from 'csv-parse'
import { InvalidInputError } from '../../common/errors.js'
import { optional } from '../../common/optional.js'
import { lines } from './lines.js'

export interface Row {
  readonly values: Readonly<Record<string, string>>
  /** Bytes of the input up to here. */
  readonly end: number
}

/** Rows that are handed on together. */
const GROUP = 256

/**
 * @param delimiter `,`, or a tab
 * @throws InvalidInputError for a table that is torn or not UTF-8, with the line
 */
export async function* rows(
  source: AsyncIterable<Uint8Array | string>,
  delimiter: string,
  maxBytes: number,
): AsyncGenerator<Row[]> {
  const { parse } = await optional('csv-parse', 'A table as input', () => import('csv-parse'))
  const parser = parse({
    columns: true,
    delimiter,
    info: true,
    skip_empty_lines: true,
    max_record_size: maxBytes,
    // tab-separated values have no quotes: a tab cannot be in a value
    ...(delimiter === '\t' && { quote: false as const }),
  })
  const bytes = Readable.from(checked(source, maxBytes), { objectMode: false })
  bytes.on('error', (error) => parser.destroy(error))
  bytes.pipe(parser)
  try {
    let group: Row[] = []
    for await (const { record, info } of parser as AsyncIterable<{
      record: Record<string, string>
      info: Info
    }>) {
      group.push({ values: record, end: info.bytes })
      if (group.length < GROUP) continue
      yield group
      group = []
    }
    if (group.length > 0) yield group
  } catch (error) {
    throw tornTable(error)
  } finally {
    bytes.destroy()
  }
}

/** The parser's own message quotes the table. */
function tornTable(error: unknown): unknown {
  const { code, lines } = error as { code?: unknown; lines?: unknown }
  if (typeof code !== 'string' || !code.startsWith('CSV_')) return error
  return new InvalidInputError(
    `The input is no table with a header that holds for every row: line ${lines} (${code}).`,
  )
}

/** @throws InvalidInputError for a line that is not UTF-8, which the parser would take for U+FFFD */
async function* checked(
  source: AsyncIterable<Uint8Array | string>,
  maxBytes: number,
): AsyncGenerator<string> {
  for await (const group of lines(source, maxBytes)) {
    const wrong = group.find((line) => line.wrong !== undefined)
    if (wrong) throw new InvalidInputError(`Line ${wrong.number} of the input ${wrong.wrong}.`)
    yield group.map(({ text }) => `${text}\n`).join('')
  }
}
