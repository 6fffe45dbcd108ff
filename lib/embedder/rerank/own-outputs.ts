/** Re-ranking without a re-ranker: by an embedder's own three outputs. */

import { EmbedderError, InferenceError, InvalidInputError } from '../../common/errors.js'
import { checkFunction, namesOf, shown } from '../../common/given.js'
import type { Embedding, Outputs } from '../../common/types.js'
import { checkOptions } from '../../options/table.js'
import {
  checkWeights,
  DEFAULT_WEIGHTS,
  hybridScore,
  type ScoreWeights,
} from '../../scoring/hybrid.js'
import { resolveCall } from '../call/call-options.js'
import type { EmbedCore } from '../call/embed-core.js'
import { embedStream } from '../documents/stream.js'
import { asQuery, checkDocuments, checkPairs, checkTopN, ranked, throwFailures } from './given.js'
import type { OutputsRerankOptions, RankedDocument, RerankBy } from './types.js'

const NAMES = namesOf<OutputsRerankOptions>({
  topN: 1,
  by: 1,
  weights: 1,
  maxTokens: 1,
  truncate: 1,
  signal: 1,
  onProgress: 1,
})

/** A single output's score is the mean in which it alone has a weight. */
const ALONE: Readonly<Record<Exclude<RerankBy, 'hybrid'>, ScoreWeights>> = {
  dense: [1, 0, 0],
  sparse: [0, 1, 0],
  colbert: [0, 0, 1],
}

/**
 * Documents go through in a stream, so that the multi-vectors of a long list are never there together.
 *
 * @throws InvalidInputError, InputTooLongError of the query; BatchError of documents
 */
export async function rerankByOutputs(
  core: EmbedCore,
  query: string,
  documents: readonly string[],
  options: OutputsRerankOptions,
): Promise<RankedDocument[]> {
  checkOptions(options, { names: NAMES, of: 'rerank' })
  const { topN, by = 'hybrid', weights, ...rest } = options
  const mix = weightsOf(by, weights)
  checkTopN(topN)
  const comparable = { outputs: outputsOf(mix), normalize: true, precision: 'float32' } as const
  const own = { priority: 'interactive', onError: 'collect' } as const
  const given = { ...rest, ...own, ...comparable }
  const { call } = resolveCall(given, core.defaults, own, 'rerank')
  checkFunction('onProgress', rest.onProgress)
  checkPairs(query, documents)
  await checkDocuments(documents, call.signal)

  // the stream has the documents' own prompt
  const asQuestion = { ...call, prompt: 'query' } as const
  const [asked] = await core.embedSettled([query], asQuestion, { single: true })
  if (asked instanceof EmbedderError) throw asQuery(asked)
  const results: (number | EmbedderError)[] = []
  for await (const item of embedStream(core, documents, given)) {
    results.push(
      'error' in item
        ? item.error
        : scoreOf(asked as Embedding, item.embedding, mix, results.length),
    )
  }
  throwFailures(results)
  return ranked(results as number[], topN)
}

/** @throws InvalidInputError */
function weightsOf(by: RerankBy, weights: ScoreWeights | undefined): ScoreWeights {
  if (by === 'hybrid') {
    if (weights !== undefined) checkWeights(weights)
    return weights ?? DEFAULT_WEIGHTS
  }
  if (typeof by !== 'string' || !Object.hasOwn(ALONE, by)) {
    throw new InvalidInputError(
      `The option \`by\` must be dense, sparse, colbert or hybrid, not ${shown(by)}.`,
    )
  }
  if (weights !== undefined) {
    throw new InvalidInputError("The option `weights` goes with by: 'hybrid' alone.")
  }
  return ALONE[by]
}

function outputsOf([dense, sparse, colbert]: ScoreWeights): Required<Outputs> {
  return { dense: dense > 0, sparse: sparse > 0, colbert: colbert > 0 }
}

/** Vectors of two models do not compare: one of both may be the fallback's. */
function scoreOf(
  query: Embedding,
  document: Embedding,
  mix: ScoreWeights,
  index: number,
): number | EmbedderError {
  if (query.fallback === document.fallback) return hybridScore(query, document, mix)
  return new InferenceError(
    'The query and the document were embedded by two models, one of them the fallback.',
    { index },
  )
}
