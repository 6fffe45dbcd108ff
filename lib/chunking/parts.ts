/** What everybody who cuts documents into vectors does alike. */

import { chunkText, DEFAULT_MAX_TOKENS } from './chunk-text.js'
import type { ChunkTextOptions, TextChunk } from './types.js'

/** The id of a document's chunk. @param part from 0 */
export const chunkId = (document: string | number | bigint, part: number) => `${document}#${part}`

/** Tokens of a chunk where nobody says how many. @param most tokens that the model takes */
export const chunkSize = (most: number) => Math.min(DEFAULT_MAX_TOKENS, most)

/** `chunkText`, but the empty text is one part: it has a vector as well. */
export async function partsOf(text: string, options: ChunkTextOptions): Promise<TextChunk[]> {
  if (text !== '') return chunkText(text, options)
  // for the check of the options
  await chunkText(text, options)
  const [tokenCount = 0] = await options.tokenizer.countTokens([text])
  return [{ text, start: 0, end: 0, tokenCount }]
}
