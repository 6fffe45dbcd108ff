/** Tokens of texts as pages and programs want to see them: ids, pieces, places. */

import { locatePieces, type TokenPieces } from '../../../model/pieces.js'
import type { WireToken } from '../core/wire.js'

/** The tokens of `text`, whose ids are `ids`. */
export function describeTokens(
  pieces: TokenPieces,
  text: string,
  ids: ArrayLike<number>,
): WireToken[] {
  const tokens = Array.from(ids, (id) => ({
    id,
    piece: pieces.piece(id),
    text: pieces.text(id),
    special: pieces.special(id),
  }))
  const places = locatePieces(
    text,
    tokens.map((token) => token.text),
  )
  return tokens.map((token, i) => ({ ...token, ...places[i] }))
}
