/** What both ways of re-ranking look at before they begin, and what they end with. */

import {
  BatchError,
  type EmbedderError,
  InputTooLongError,
  InvalidInputError,
} from '../../common/errors.js'
import { shown } from '../../common/given.js'
import { failuresOf, withoutErrors } from '../../common/item-errors.js'
import type { AbortSignalLike } from '../../common/types.js'
import { checkTexts, invalidText } from '../../engine/tokenize.js'
import { topKScores } from '../../scoring/topk.js'
import type { RankedDocument } from './types.js'

/** @throws InvalidInputError for a query that is no text, and for documents that are no array */
export function checkPairs(query: unknown, documents: unknown): void {
  const invalid = invalidText(query, undefined, 'The query')
  if (invalid) throw invalid
  if (Array.isArray(documents)) return
  throw new InvalidInputError(`The documents must be an array of texts, not ${shown(documents)}.`)
}

/** @throws BatchError with the error of every document that is no text */
export async function checkDocuments(
  documents: readonly unknown[],
  signal: AbortSignalLike | undefined,
): Promise<void> {
  const found: unknown[] = new Array(documents.length)
  await checkTexts(documents, found, { single: false, signal })
  throwFailures(found)
}

/** @throws InvalidInputError */
export function checkTopN(topN: unknown): void {
  if (topN === undefined || (Number.isInteger(topN) && (topN as number) >= 1)) return
  throw new InvalidInputError(
    `The option \`topN\` must be a whole number from 1, not ${shown(topN)}.`,
  )
}

/** @throws BatchError when a document failed */
export function throwFailures(results: readonly unknown[]): void {
  const failures = failuresOf(results)
  if (failures.length > 0) throw new BatchError(failures, Array.from(results, withoutErrors))
}

/** The best of them, best first; equal scores in the documents' order. */
export function ranked(scores: readonly number[], topN: number | undefined): RankedDocument[] {
  return topKScores(scores, topN ?? scores.length)
}

/** A text's error as the query's. */
export function asQuery(error: EmbedderError): EmbedderError {
  const message = error.message.replace(/^The text/, 'The query')
  if (error instanceof InputTooLongError) {
    const { tokenCount, maxTokens } = error
    return new InputTooLongError(message, { tokenCount, maxTokens })
  }
  const Class = error.constructor as new (message: string, details: object) => EmbedderError
  return new Class(message, { cause: error.cause })
}
