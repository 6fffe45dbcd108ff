/** Texts and metadata for vectors, from the file that was embedded: embeddings do not repeat them. */

import { createReadStream } from 'node:fs'
import path from 'node:path'
import { type AbortSignalLike, forNode } from '../../../common/abort.js'
import { InvalidInputError } from '../../../common/errors.js'
import { checkList, checkObject, checkSignal } from '../../../common/given.js'
import { formatOfName, type Members, records } from '../../../integrations/files/records.js'
import { idOf } from './jsonl.js'
import { checkFile } from './read.js'
import { type Scalar, scalars, textStart, type VectorTable } from './table.js'

/** Members that are not metadata. */
const KNOWN = new Set(['id', '_id', 'text', 'title', 'metadata', 'dense', 'sparse', 'colbert'])

/**
 * Adds to `table` what the records of `file` know of its ids: `text` (and `title`), `metadata`, and any
 * other member that is a string, a number or a boolean. Of texts alone, a line or an element each, the number
 * from 0 is the id.
 *
 * @returns how many rows were found
 */
export async function joinTexts(
  table: VectorTable,
  file: string,
  signal?: AbortSignalLike,
): Promise<number> {
  await checkFile(file)
  checkSignal(signal)
  checkObject(table, 'A table')
  checkList(table.ids, '`ids`')
  const rows = rowsOfIds(table.ids)
  const found = new Set<number>()
  let place = 0
  const source = createReadStream(file, {
    highWaterMark: 1 << 16,
    ...(signal && { signal: forNode(signal) }),
  })
  for await (const group of records(source, { format: formatOfName(file) })) {
    for (const { value, wrong, place: where } of group) {
      if (wrong !== undefined) {
        throw new InvalidInputError(`${where} of ${path.basename(file)} ${wrong}.`)
      }
      const item =
        typeof value === 'string' ? { id: String(place), text: value } : joined(value, place)
      place++
      for (const row of rows.get(item.id) ?? []) {
        found.add(row)
        if (item.text !== undefined) table.texts[row] = textStart(item.text)
        if (item.metadata) table.metadata[row] = { ...table.metadata[row], ...item.metadata }
      }
    }
  }
  return found.size
}

interface Item {
  id: string
  text?: string | undefined
  metadata?: Readonly<Record<string, Scalar>> | undefined
}

function joined(record: Members, place: number): Item {
  const others = Object.entries(record).filter(([name]) => !KNOWN.has(name))
  const metadata = scalars({ ...Object.fromEntries(others), ...scalars(record.metadata) })
  const text = [record.title, record.text].filter((part) => typeof part === 'string' && part !== '')
  return {
    id: idOf(record, place),
    text: text.length > 0 ? text.join(' ') : undefined,
    metadata,
  }
}

function rowsOfIds(ids: readonly string[]): Map<string, number[]> {
  const rows = new Map<string, number[]>()
  ids.forEach((id, row) => {
    const list = rows.get(id)
    if (list) list.push(row)
    else rows.set(id, [row])
  })
  return rows
}
