/** A job: some chunks, what they will cost, and an id that follows from them. */

import { createHash } from 'node:crypto'
import { InvalidInputError } from '../../common/errors.js'
import type { Chunk } from '../../common/types.js'

/** Changes when jobs of an older version could be misread. */
const VERSION = 1

/** As it lies in Redis. */
export interface JobData {
  version: typeof VERSION
  /** Tokens as the producer counted them. */
  tokens: number
  items: JobItem[]
}

type JobItem = [id: string, text: string, metadata?: Record<string, unknown>]

export interface NewJob {
  id: string
  data: JobData
  /** Bytes of its texts, about. */
  units: number
}

/** An item as it goes into a job, and the JSON that tells it from others. */
export interface PackedItem {
  item: JobItem
  json: string
}

/** @throws InvalidInputError for metadata that is no JSON */
export function packItem({ id, text, metadata }: Chunk): PackedItem {
  const item: JobItem = metadata === undefined ? [id, text] : [id, text, metadata]
  try {
    return { item, json: JSON.stringify(item) }
  } catch {
    throw new InvalidInputError('The metadata of a chunk cannot be written as JSON.')
  }
}

/** The same chunks in the same order are the same job, whoever cuts them and when. */
export function makeJob(items: readonly PackedItem[], tokens: number): NewJob {
  const hash = createHash('sha256').update(`${VERSION}`)
  let units = 0
  for (const { json } of items) {
    hash.update(`\n${json}`)
    units += json.length
  }
  // never an integer in decimal, which BullMQ keeps for its own ids
  const id = `j${hash.digest('hex').slice(0, 32)}`
  return { id, data: { version: VERSION, tokens, items: items.map(({ item }) => item) }, units }
}

/** @throws InvalidInputError for what is no job of ours */
export function readJob(data: unknown): { chunks: Chunk[]; tokens: number } {
  const { version, tokens, items } = Object(data) as Partial<JobData>
  if (version !== VERSION || typeof tokens !== 'number' || !Array.isArray(items)) {
    throw new InvalidInputError('This is no job of this version of bge-m3-node.')
  }
  const chunks = items.map((item: unknown): Chunk => {
    const [id, text, metadata] = Array.isArray(item) ? item : []
    const isMetadata = metadata === undefined || (typeof metadata === 'object' && metadata !== null)
    if (typeof id !== 'string' || id === '' || typeof text !== 'string' || !isMetadata) {
      throw new InvalidInputError('An item of this job is none.')
    }
    return metadata === undefined
      ? { id, text }
      : { id, text, metadata: metadata as Record<string, unknown> }
  })
  return { chunks, tokens }
}
