/** Tokens of texts as pages and programs want to see them: ids, pieces, places. */

import type { ServedEmbedder } from '../core/served.js'
import type { WireToken } from '../core/wire.js'

/** The tokens of `text`; special ones have no place, as in TEI. */
export async function describeTokens(
  embedder: ServedEmbedder,
  text: string,
  limit: { maxTokens?: number; truncate?: 'end' } = {},
): Promise<WireToken[]> {
  const { pieces } = await embedder.tokenize(text, { ...limit, pieces: true })
  return pieces.map(({ start, end, ...token }) =>
    token.special ? token : { ...token, start, end },
  )
}
