/** What re-ranking takes and gives. */
import type { AbortSignalLike, EmbedOptions } from '../../common/types.js'
import type { ScoreWeights } from '../../scoring/hybrid.js'

/** A document in its place: results come best first, equal scores in the order of the documents. */
export interface RankedDocument {
  /** Position among the documents that were passed in. */
  index: number
  /** Higher is more relevant. */
  score: number
}

/** A document in its place by a re-ranker. */
export interface RerankResult extends RankedDocument {
  /** The model's logit, as it is: any number. */
  score: number
  /** The logit's sigmoid, 1 / (1 + exp(-score)): 0 to 1. */
  relevance: number
}

/**
 * What becomes of a pair over the limit:
 *
 * - `error`: an `InputTooLongError`.
 * - `document`: FlagEmbedding's rule. The query keeps at most 3/4 of the limit's tokens, the document what
 *   then is left.
 * - `longest`: transformers' `longest_first`, the rule of sentence-transformers' `CrossEncoder`. The
 *   longer of the two is cut, and both to a half where both are long.
 */
export type PairTruncation = 'error' | 'document' | 'longest'

/** What a classifier scores: a text alone, or a pair of texts such as a query and a document. */
export type ClassifierInput = string | readonly [first: string, second: string]

/** Options of `Reranker.predict`. */
export type PredictOptions = Omit<RerankOptions, 'topN'>

/** Options of `Reranker.rerank`. */
export interface RerankOptions {
  /** The best so many alone. Default: all. */
  topN?: number | undefined
  /** The most tokens of a pair, special tokens included. Default: what the re-ranker was loaded with. */
  maxTokens?: number | undefined
  /** A pair over the limit is an error (default), or is cut. */
  truncate?: PairTruncation | undefined
  /** Cancels: the call rejects with its reason. */
  signal?: AbortSignalLike | undefined
  /** Called as documents are done. What it throws is logged and does not stop the work. */
  onProgress?: EmbedOptions['onProgress']
}

/** Which of an embedder's outputs re-rank. */
export type RerankBy = 'dense' | 'sparse' | 'colbert' | 'hybrid'

/** Options of `Embedder.rerank`. */
export interface OutputsRerankOptions extends Omit<RerankOptions, 'truncate' | 'maxTokens'> {
  /** The score: one output's, or `hybrid`, the weighted mean of them. Default: `hybrid`. */
  by?: RerankBy | undefined
  /** Weights of dense, sparse and ColBERT in the mean. Default: `[1, 1, 1]`. */
  weights?: ScoreWeights | undefined
  /** The most tokens of a text, `<s>` and `</s>` included. Default: what the embedder was loaded with. */
  maxTokens?: number | undefined
  /** A text over the limit is an error, or loses its end. Default: error. */
  truncate?: 'error' | 'end' | undefined
}
