import type { ModelShape } from './shapes.js'

/**
 * How rare a token is, as the stand-ins' embeddings hold it. Ids of both vocabularies are
 * roughly in order of frequency, so the id tells.
 */

/** Rank of XLM-R's last token. */
const XLM_R_LAST = 250_001
/** BERT's special tokens, unused ones, punctuation and letters come first; "the" is 1996. */
const WORDPIECE_FIRST = 1995
const WORDPIECE_LAST = 30_521 - WORDPIECE_FIRST

/** log2 by the leading bit and a straight line between powers of two: same bits everywhere. */
function log2(n: number): number {
  const power = 31 - Math.clz32(n)
  return power + n / 2 ** power - 1
}

/** 0 for the commonest tokens, 1 for the rarest. */
export function rarity(id: number, tokenizer: ModelShape['tokenizer']): number {
  return tokenizer === 'xlm-r'
    ? log2(id + 1) / log2(XLM_R_LAST + 1)
    : log2(Math.max(0, id - WORDPIECE_FIRST) + 1) / log2(WORDPIECE_LAST + 1)
}

interface PlantedDim {
  index: number
  /** Alternating, so that planted values do not shift a state's mean. */
  sign: 1 | -1
}

/** The dimensions that hold rarity: one in 64, at least four, evenly spread. */
export function rarityDims(dim: number): PlantedDim[] {
  const count = Math.max(4, Math.floor(dim / 64))
  return Array.from({ length: count }, (_, i) => ({
    index: Math.floor(((i + 0.5) * dim) / count),
    sign: i % 2 === 0 ? 1 : -1,
  }))
}
