/** The records of an input: lines, elements of a JSON array or rows of a table, as whoever reads them finds them. */

import { rows } from './csv.js'
import { elements } from './json-array.js'
import { bufferOf, type Line, lines, MAX_LINE_BYTES } from './lines.js'

/**
 * `txt`: a text a line, a blank line being the empty text. `jsonl`: an object a line, blank lines
 * skipped. `json`: an array of objects or strings, or `jsonl`. `csv`, `tsv`: rows under a header.
 */
export const INPUT_FORMATS = ['txt', 'jsonl', 'json', 'csv', 'tsv'] as const

type Format = (typeof INPUT_FORMATS)[number]

/** `auto`: what the first characters tell, and text where they tell nothing. */
export type InputFormat = 'auto' | Format

const FORMAT_OF_ENDING: Readonly<Record<string, Format>> = {
  txt: 'txt',
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  json: 'json',
  csv: 'csv',
  tsv: 'tsv',
}

/** The format that a file's name tells. */
export function formatOfName(name: string): InputFormat {
  const ending = /\.(\w+)$/.exec(name)?.[1]?.toLowerCase() ?? ''
  return (Object.hasOwn(FORMAT_OF_ENDING, ending) && FORMAT_OF_ENDING[ending]) || 'auto'
}

export type Members = Readonly<Record<string, unknown>>

export interface InputRecord {
  /** A text, or an object's members. */
  readonly value: string | Members
  /** As the input writes it, where it is JSON. */
  readonly json?: string | undefined
  /** Why it cannot be read, as the end of a sentence; `value` is empty then. */
  readonly wrong?: string | undefined
  /** Where it is, to begin a sentence with: `Line 7`. */
  readonly place: string
  /** Bytes of the input up to its end. */
  readonly end: number
}

export interface ReadOptions {
  format?: InputFormat | undefined
  maxLineBytes?: number | undefined
}

type Source = AsyncIterable<Uint8Array | string>

/**
 * In groups as they come.
 *
 * @throws InvalidInputError for an input that is no text, or torn
 */
export async function* records(
  source: Source,
  { format = 'auto', maxLineBytes = MAX_LINE_BYTES }: ReadOptions = {},
): AsyncGenerator<InputRecord[]> {
  const input = new Peeked(source)
  // JSON Lines are called .json, too
  const isOpen = format === 'auto' || format === 'json'
  const known = isOpen ? await input.format(format === 'json' ? 'json' : 'txt') : format
  if (known === 'csv' || known === 'tsv') {
    yield* tableRecords(input, known === 'csv' ? ',' : '\t', maxLineBytes)
    return
  }
  const found = known === 'json' ? elements(input, maxLineBytes) : lines(input, maxLineBytes)
  for await (const group of found) {
    const isBlank = ({ wrong, text }: Line) => wrong === undefined && text.trim() === ''
    const kept = known === 'jsonl' ? group.filter((line) => !isBlank(line)) : group
    if (kept.length > 0) yield kept.map((line) => recordOf(line, known))
  }
}

async function* tableRecords(
  source: Source,
  delimiter: string,
  maxBytes: number,
): AsyncGenerator<InputRecord[]> {
  let row = 0
  for await (const group of rows(source, delimiter, maxBytes)) {
    yield group.map(({ values, end }) => ({ value: values, place: `Row ${++row}`, end }))
  }
}

function recordOf(
  { text, number, end, wrong }: Line,
  format: 'txt' | 'jsonl' | 'json',
): InputRecord {
  const place = `${format === 'json' ? 'Element' : 'Line'} ${number}`
  if (wrong !== undefined || format === 'txt') return { value: text, place, end, wrong }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // JSON.parse quotes the text in its message
    return { value: '', place, end, wrong: 'is not valid JSON' }
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (isObject || (format === 'json' && typeof value === 'string')) {
    return { value: value as Members | string, json: text, place, end }
  }
  const wanted = format === 'json' ? 'neither a string nor a JSON object' : 'not a JSON object'
  return { value: '', place, end, wrong: `is ${wanted}` }
}

/** So many blanks are no way to begin JSON, and they should not pile up. */
const MAX_BLANKS = 10_000

/** A source whose first bytes are looked at before they are read. */
class Peeked implements AsyncIterable<Uint8Array | string> {
  readonly #chunks: AsyncIterator<Uint8Array | string>
  #head = Buffer.alloc(0)

  constructor(source: Source) {
    this.#chunks = source[Symbol.asyncIterator]()
  }

  /**
   * JSON Lines if the first character that is not blank is `{`; an array if it is `[` and JSON follows.
   *
   * @param otherwise what it is if it is neither
   */
  async format<T extends Format>(otherwise: T): Promise<T | 'jsonl' | 'json'> {
    for (;;) {
      const [first, second] = this.#start()
      if (first === '{') return 'jsonl'
      if (first !== undefined && first !== '[') return otherwise
      if (second !== undefined) return '"{]'.includes(second) ? 'json' : otherwise
      if (this.#head.length > MAX_BLANKS) return otherwise
      const { done, value } = await this.#chunks.next()
      if (done) return otherwise
      this.#head = Buffer.concat([this.#head, bufferOf(value)])
    }
  }

  /** Without blanks, and those behind a bracket. */
  #start(): string {
    const head = this.#head.toString('latin1').replace(/^\xef\xbb\xbf/, '')
    return head.trimStart().replace(/^\[\s+/, '[')
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array | string> {
    try {
      if (this.#head.length > 0) yield this.#head
      for (;;) {
        const { done, value } = await this.#chunks.next()
        if (done) return
        yield value
      }
    } finally {
      await this.#chunks.return?.()
    }
  }
}
