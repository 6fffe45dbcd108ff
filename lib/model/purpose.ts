/** What a model is loaded for: an embedder's model and a re-ranker's are of two kinds. */

import { ModelLoadError } from '../common/errors.js'

/** Vectors of texts, or scores of pairs. */
export type Purpose = 'embed' | 'rerank'

export const PURPOSES: readonly Purpose[] = ['embed', 'rerank']

/**
 * @param what what names the model, for a message
 * @throws ModelLoadError when the model is of the other kind, that names what takes it
 */
export function checkKind(what: string, isRanker: boolean, purpose: Purpose): void {
  if (isRanker === (purpose === 'rerank')) return
  throw new ModelLoadError(
    purpose === 'embed'
      ? `${what} is a re-ranker, which gives scores and not embeddings: Reranker.load takes it.`
      : `${what} is no re-ranker: it has no classification head. Embedder.load takes it.`,
  )
}
