/** What every adapter of a re-ranker does: texts in, places and scores out. */

import type { AbortSignalLike } from '../../common/abort.js'
import { InvalidInputError } from '../../common/errors.js'
import { checkList, namesOf, refuseUnknown, shown } from '../../common/given.js'
import type { Embedder } from '../../embedder/embedder.js'
import type { OutputsRerankOptions, RerankOptions } from '../../embedder/rerank/types.js'
import type { Reranker } from '../../embedder/reranker.js'

/** What puts documents in order: a cross-encoder, or an embedder by its own outputs. */
export type DocumentRanker = Reranker | Embedder

/** How an adapter re-ranks: options of the `rerank` of what it was given. */
export type RerankAdapterOptions<Ranker extends DocumentRanker = DocumentRanker> = Omit<
  Ranker extends Embedder ? OutputsRerankOptions : RerankOptions,
  'signal' | 'onProgress'
>

const NAMES = namesOf<RerankAdapterOptions<Reranker> & RerankAdapterOptions<Embedder>>({
  topN: 1,
  maxTokens: 1,
  truncate: 1,
  by: 1,
  weights: 1,
})

/** @throws InvalidInputError for what cannot re-rank, and for an option that neither kind has */
export function checkRanker(ranker: unknown, options: object, of: string): void {
  if (typeof (Object(ranker) as Partial<Reranker>).rerank !== 'function') {
    throw new InvalidInputError(
      `${of} takes what Reranker.load or Embedder.load gave, not ${shown(ranker)}.`,
    )
  }
  refuseUnknown(options, NAMES, of)
}

/** A text in its place. */
export interface RankedText {
  index: number
  /** A re-ranker's relevance, 0 to 1; the score of an embedder's outputs. Higher is better. */
  relevance: number
}

/** The best first. Of no texts, none: a retriever may have found nothing. */
export async function rankTexts<Ranker extends DocumentRanker>(
  ranker: Ranker,
  query: string,
  texts: readonly string[],
  options: RerankAdapterOptions<Ranker> & { signal?: AbortSignalLike | undefined },
): Promise<RankedText[]> {
  checkList(texts, 'The documents')
  if (texts.length === 0) return []
  // the two kinds differ in their options, which each checks for itself
  const found = await (ranker as Reranker).rerank(query, [...texts], options as RerankOptions)
  return found.map(({ index, score, relevance = score }) => ({ index, relevance }))
}
