/** Tokens of texts as pages and programs want to see them: ids, pieces, places. */

import type { PlacedToken } from '../../../common/types.js'
import type { ServedEmbedder } from '../core/served.js'
import type { WireToken } from '../core/wire.js'

/** The tokens of `text`; special ones have no place, as in TEI. */
export async function describeTokens(
  embedder: ServedEmbedder,
  text: string,
  limit: { maxTokens?: number; truncate?: 'end' } = {},
): Promise<WireToken[]> {
  const { pieces } = await embedder.tokenize(text, { ...limit, pieces: true })
  return pieces.map(wireToken)
}

/** A token as it travels. */
export function wireToken({ start, end, ...token }: PlacedToken): WireToken {
  return token.special ? token : { ...token, start, end }
}
