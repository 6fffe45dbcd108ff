/** Late interaction, token by token: which passage token answers a query token. */

import type { ColbertEmbedding } from '../../../common/types.js'
import { matmulTransposed } from '../../../scoring/simd.js'
import type { WireMatch } from '../core/wire.js'

/** Entries of the score tile. */
const TILE_ENTRIES = 1 << 16

/**
 * The best passage row of every query row, as token indices (row `i` is token `i + 1`). The mean of the
 * similarities is the ColBERT score.
 */
export function alignTokens(query: ColbertEmbedding, passage: ColbertEmbedding): WireMatch[] {
  const { cols } = query
  const matches: WireMatch[] = []
  const step = Math.max(1, Math.min(query.rows, Math.floor(TILE_ENTRIES / passage.rows)))
  const tile = new Float32Array(step * passage.rows)
  for (let from = 0; from < query.rows; from += step) {
    const count = Math.min(step, query.rows - from)
    const rows = query.data.subarray(from * cols, (from + count) * cols)
    matmulTransposed(rows, passage.data, tile, count, passage.rows, cols)
    for (let r = 0; r < count; r++) {
      let best = 0
      for (let j = 1; j < passage.rows; j++) {
        if ((tile[r * passage.rows + j] as number) > (tile[r * passage.rows + best] as number))
          best = j
      }
      const similarity = tile[r * passage.rows + best] as number
      matches.push({ query: from + r + 1, passage: best + 1, similarity })
    }
  }
  return matches
}
