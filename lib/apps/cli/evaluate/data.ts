/** The files of `bge-m3 evaluate`: read before the model is, so that what is wrong with them is said first. */

import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { InvalidInputError } from '../../../common/errors.js'
import { type InputItem, isText } from '../../../integrations/files/items.js'
import { type Line, lines } from '../../../integrations/files/lines.js'
import { type Input, openInput } from '../../../integrations/files/source.js'
import { type Judgements, QrelsReader } from '../../../quality/qrels.js'
import type { StsPair } from '../../../quality/sts.js'
import type { CliIo } from '../shared/io.js'

/** A file of JSON Lines as items; opened again for each pass. */
export function openJsonl(io: CliIo, file: string): Promise<Input> {
  return openInput({ file, format: 'jsonl', stdin: io.stdin, signal: io.signal })
}

export interface CorpusIndex {
  /** Number of each document by its id: ids ascend with the numbers, which is how ties are broken. */
  numbers: Map<string, number>
  count: number
}

/** @throws InvalidInputError for a line that cannot be read, an id that comes twice, or no documents */
export async function indexCorpus(io: CliIo, file: string): Promise<CorpusIndex> {
  const ids = new Set<string>()
  await eachItem(io, file, 'corpus', (item) => {
    const id = String(item.id)
    if (ids.has(id)) {
      throw new InvalidInputError(
        `Document ${item.index + 1} of the corpus has an id that came before.`,
      )
    }
    ids.add(id)
  })
  if (ids.size === 0) throw new InvalidInputError('The corpus is empty.')
  const numbers = new Map([...ids].sort().map((id, number) => [id, number]))
  return { numbers, count: ids.size }
}

export interface QueryText {
  id: string
  text: string
}

/** The queries that are judged. @throws InvalidInputError as {@link indexCorpus} */
export async function readQueries(
  io: CliIo,
  file: string,
  judgements: Judgements,
): Promise<QueryText[]> {
  const queries = new Map<string, string>()
  await eachItem(io, file, 'queries', (item) => {
    const id = String(item.id)
    if (!judgements.byQuery.has(id)) return
    if (queries.has(id)) {
      throw new InvalidInputError(`Query ${item.index + 1} has an id that came before.`)
    }
    queries.set(id, item.text)
  })
  return Array.from(queries, ([id, text]) => ({ id, text }))
}

async function eachItem(
  io: CliIo,
  file: string,
  what: string,
  visit: (item: Extract<InputItem, { text: string }>) => void,
): Promise<void> {
  const input = await openJsonl(io, file)
  try {
    for await (const group of input.items) {
      for (const item of group) {
        if (!isText(item)) {
          throw new InvalidInputError(item.error.message.replace('the input', `the ${what}`))
        }
        visit(item)
      }
    }
  } finally {
    await input.close()
  }
}

export async function readQrels(io: CliIo, file: string): Promise<Judgements> {
  const reader = new QrelsReader()
  await eachLine(io, file, 'relevance judgements', ({ text, number }) => reader.line(text, number))
  return reader.finish()
}

/**
 * @throws InvalidInputError that names the line
 */
export async function readSts(io: CliIo, file: string): Promise<StsPair[]> {
  const pairs: StsPair[] = []
  let columns: Columns | undefined
  await eachLine(io, file, 'sentence pairs', ({ text, number }) => {
    if (text.trim() === '') return
    if (columns === undefined) {
      columns = columnsOf(text)
      if (columns.isHeader) return
    }
    pairs.push(columns.isJson ? jsonPair(text, number) : tsvPair(text, number, columns))
  })
  if (pairs.length < 2) {
    throw new InvalidInputError('A correlation needs at least two pairs of sentences.')
  }
  return pairs
}

interface Columns {
  isJson: boolean
  isHeader: boolean
  first: number
  second: number
  score: number
}

function columnsOf(line: string): Columns {
  const plain = { isJson: false, isHeader: false, first: 0, second: 1, score: 2 }
  if (line.trimStart().startsWith('{')) return { ...plain, isJson: true }
  const names = line.split('\t').map((name) => name.trim().toLowerCase())
  const [first, second, score] = ['sentence1', 'sentence2', 'score'].map((name) =>
    names.indexOf(name),
  ) as [number, number, number]
  if (first < 0 || second < 0 || score < 0) return plain
  return { isJson: false, isHeader: true, first, second, score }
}

function tsvPair(line: string, number: number, columns: Columns): StsPair {
  const fields = line.split('\t')
  if (!columns.isHeader && fields.length !== 3) {
    throw brokenPair(number, `has ${fields.length} columns, not sentence1, sentence2 and score`)
  }
  const [sentence1, sentence2] = [fields[columns.first], fields[columns.second]]
  const written = fields[columns.score]?.trim() ?? ''
  if (sentence1 === undefined || sentence2 === undefined) {
    throw brokenPair(number, 'has fewer columns than the header')
  }
  const score = Number(written)
  if (written === '' || !Number.isFinite(score)) {
    throw brokenPair(number, 'has a score that is not a number')
  }
  return { sentence1, sentence2, score }
}

function jsonPair(line: string, number: number): StsPair {
  let record: { sentence1?: unknown; sentence2?: unknown; score?: unknown } | null
  try {
    record = JSON.parse(line)
  } catch {
    throw brokenPair(number, 'is not valid JSON')
  }
  const { sentence1, sentence2, score } = record ?? {}
  if (typeof sentence1 !== 'string' || typeof sentence2 !== 'string') {
    throw brokenPair(number, 'has no "sentence1" and "sentence2"')
  }
  if (typeof score !== 'number') throw brokenPair(number, 'has no "score" that is a number')
  return { sentence1, sentence2, score }
}

function brokenPair(number: number, what: string): InvalidInputError {
  return new InvalidInputError(`Line ${number} of the sentence pairs ${what}.`)
}

async function eachLine(
  io: CliIo,
  file: string,
  what: string,
  visit: (line: Line) => void,
): Promise<void> {
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    throw new InvalidInputError(`Cannot open (${error.code}) the file ${file} with the ${what}.`)
  })
  const stream: Readable = handle.createReadStream({ signal: io.signal })
  try {
    for await (const group of lines(stream)) {
      for (const line of group) {
        if (line.wrong !== undefined) {
          throw new InvalidInputError(`Line ${line.number} of the ${what} ${line.wrong}.`)
        }
        visit(line)
      }
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EISDIR') {
      throw new InvalidInputError(`${file}, for the ${what}, is a directory.`)
    }
    throw error
  } finally {
    stream.destroy()
  }
}
