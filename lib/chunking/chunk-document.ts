/** A document's text to chunks with ids, ready to be embedded. */
import { InvalidInputError } from '../common/errors.js'
import type { Chunk } from '../common/types.js'
import { chunkText } from './chunk-text.js'
import { chunkId } from './parts.js'
import type { ChunkTextOptions } from './types.js'

/** Where a chunk comes from: in its `metadata`. */
export interface ChunkOrigin extends Record<string, unknown> {
  /** Id of the document. */
  document: string
  /** Position among the document's chunks. */
  part: number
  /** UTF-16 offsets in the document's text. */
  start: number
  end: number
}

/**
 * `chunkText`, each chunk with the id `document#part` and its origin as metadata.
 *
 * @throws InvalidInputError as `chunkText` does, and for an id that is no string or empty
 */
export async function chunkDocument(
  document: string,
  text: string,
  options: ChunkTextOptions,
): Promise<(Chunk & { metadata: ChunkOrigin })[]> {
  if (typeof document !== 'string' || document === '') {
    throw new InvalidInputError('A document’s id must be a string that is not empty.')
  }
  const chunks = await chunkText(text, options)
  return chunks.map(({ text: part, start, end }, i) => ({
    id: chunkId(document, i),
    text: part,
    metadata: { document, part: i, start, end },
  }))
}
