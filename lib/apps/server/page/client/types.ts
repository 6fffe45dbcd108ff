/** What the page shows, whatever the server's answers look like (comparison.ts translates). */

export const MODES = ['colbert+sparse+dense', 'sparse+dense', 'dense', 'sparse', 'colbert'] as const
export type Mode = (typeof MODES)[number]

export interface Token {
  /** As it stands in the text: a leading space for a piece that begins a word. */
  text: string
  /** `<s>`, `</s>`; `[CLS]`, `[SEP]`, `[UNK]` of models of BERT's kind. */
  special: boolean
  id: number
  /** Sparse weight of its id in this text; undefined without heads and for special tokens. */
  weight: number | undefined
}

/** Which passage token answers a query token. */
export interface Answer {
  /** Position among the passage's tokens. */
  token: number
  similarity: number
}

export interface PassageResult {
  /** From 1, as the form numbers them. */
  number: number
  tokens: Token[]
  /** Whether the text had more tokens than the model takes, and `tokens` is its beginning. */
  truncated: boolean
  scores: Partial<Record<Mode, number>>
  /** One per query token; undefined for the first, which has no row, and without a ColBERT head. */
  answers: (Answer | undefined)[] | undefined
}

export interface Comparison {
  query: Token[]
  queryTruncated: boolean
  passages: PassageResult[]
  /** Cosines of the dense vectors: the query, then the passages. */
  similarities: number[][]
  milliseconds: number
}
