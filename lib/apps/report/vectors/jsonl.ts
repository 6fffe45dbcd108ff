/** Embeddings as `bge-m3 embed` writes them: JSON Lines, read as a stream. */

import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { type AbortSignalLike, forNode } from '../../../common/abort.js'
import { InvalidInputError } from '../../../common/errors.js'
import { type Line, lines } from '../../../integrations/files/lines.js'
import { scalars, TableBuilder, textStart, type VectorTable } from './table.js'

/** Lines after which the number of rows is guessed from the size of the file. */
const GUESS_AFTER = 64

/**
 * Reads `{"id", "dense": [...]}` lines. `text` and `metadata` are taken up where they are there, and
 * so is `tokenCount`; lines of texts that failed (`{"id", "error"}`) are counted.
 *
 * @throws InvalidInputError naming the line that is no such thing, never what it holds
 */
export async function readJsonl(
  path: string,
  name: string,
  signal?: AbortSignalLike,
): Promise<VectorTable> {
  const table = new TableBuilder()
  const { size } = await stat(path)
  const source = createReadStream(path, {
    highWaterMark: 1 << 18,
    ...(signal && { signal: forNode(signal) }),
  })
  for await (const group of lines(source)) {
    for (const line of group) {
      addLine(table, line, name)
      if (table.rows === GUESS_AFTER) {
        table.expectedRows = Math.ceil((size / line.end) * GUESS_AFTER * 1.05) + GUESS_AFTER
      }
    }
  }
  return table.finish(name)
}

function addLine(table: TableBuilder, line: Line, name: string): void {
  const broken = (what: string) => new InvalidInputError(`Line ${line.number} of ${name} ${what}.`)
  if (line.wrong !== undefined) throw broken(line.wrong)
  if (line.text.trim() === '') return
  const record = parsed(line.text)
  if (!record) throw broken('is no JSON object')
  const { dense, error, text, metadata, tokenCount } = record
  if (error !== undefined) {
    const code = (error as { code?: unknown } | null)?.code
    table.fail(typeof code === 'string' ? code : 'UNKNOWN')
    return
  }
  if (dense === undefined) throw broken('has no "dense" vector: embed with --dense')
  if (!isNumbers(dense)) throw broken('has a "dense" that is no list of numbers')
  const known = {
    ...(typeof tokenCount === 'number' && Number.isFinite(tokenCount) && { tokens: tokenCount }),
    ...scalars(metadata),
  }
  table.add(idOf(record, table.rows), dense, {
    text: typeof text === 'string' ? textStart(text) : undefined,
    metadata: scalars(known),
  })
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    return value as Record<string, unknown>
  } catch {
    // its message would quote the line
    return undefined
  }
}

/** A record's own id, or its place. */
export function idOf(record: Readonly<Record<string, unknown>>, place: number): string {
  const id = record.id ?? record._id
  return typeof id === 'string' || typeof id === 'number' ? String(id) : String(place)
}

/** `null` stands for what JSON cannot say, and is NaN for the checks to find. */
function isNumbers(value: unknown): value is number[] {
  if (!Array.isArray(value)) return false
  for (let i = 0; i < value.length; i++) {
    if (value[i] === null) value[i] = Number.NaN
    else if (typeof value[i] !== 'number') return false
  }
  return true
}
