/** Texts that are too long for one vector, cut: an item a chunk, with its place in the text. */

import { chunkText } from '../../chunking/chunk-text.js'
import { chunkId, partsOf } from '../../chunking/parts.js'
import type { ChunkTextOptions } from '../../chunking/types.js'
import { EmbedderError } from '../../common/errors.js'
import { type InputItem, isText } from './items.js'

/**
 * The chunks of each text, as `ID#0`, `ID#1` and so on, with `document` (its id), `part`, `start` and `end` (UTF-16
 * units) among their fields. What cannot be cut is an item with its error; the empty text is one chunk.
 *
 * @throws InvalidInputError for wrong options
 */
export async function* chunkItems(
  groups: AsyncIterable<InputItem[]>,
  options: ChunkTextOptions,
): AsyncGenerator<InputItem[]> {
  // wrong options are the call's error, not one of every text
  await chunkText('', options)
  for await (const group of groups) {
    for (const item of group) yield isText(item) ? await chunksOf(item, options) : [item]
  }
}

type TextItem = Extract<InputItem, { text: string }>

async function chunksOf(item: TextItem, options: ChunkTextOptions): Promise<InputItem[]> {
  const { id, index, end: behind, text, fields } = item
  try {
    const parts = await partsOf(text, options)
    return parts.map(({ text: part, start, end, tokenCount }, i) => ({
      id: chunkId(id, i),
      index,
      end: behind,
      text: part,
      tokenCount,
      fields: { ...fields, document: id, part: i, start, end },
    }))
  } catch (error) {
    if (!(error instanceof EmbedderError)) throw error
    return [{ id, index, end: behind, error }]
  }
}
