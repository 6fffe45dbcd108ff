/** Who orders texts by their relevance to a query: the re-ranker, or else the embedder's own outputs. */

import type { FastifyRequest } from 'fastify'
import type { Embedding } from '../../../common/types.js'
import type { ClassifierInput } from '../../../embedder/rerank/types.js'
import { colbertScore } from '../../../scoring/colbert.js'
import { dot } from '../../../scoring/dense.js'
import { hybridScore } from '../../../scoring/hybrid.js'
import { lexicalScore } from '../../../scoring/sparse.js'
import { type Hit, topKScores } from '../../../scoring/topk.js'
import type { LoadedReranker, ServerContext } from '../core/context.js'
import { ofPair, ofQueryOr } from '../core/errors.js'
import {
  checkCount,
  checkInputs,
  checkTokens,
  truncation,
  WRITTEN_OUT,
  withPrompts,
} from '../core/inputs.js'
import { type RequestWork, workOf } from '../core/request-work.js'

interface Question {
  query: string
  contents: readonly string[]
  truncate: boolean | null | undefined
  /** The member of the body that holds the contents. */
  param: string
}

/** All texts, the best first; of equal ones the earlier. */
export interface Ranking {
  ranks: Hit[]
  tokens: number
}

/** By the logits of query and text together. */
export async function rankByModel(
  context: ServerContext,
  request: FastifyRequest,
  reranker: LoadedReranker,
  { query, contents, truncate, param }: Question,
): Promise<Ranking> {
  const pairs = contents.map((text): ClassifierInput => [query, text])
  const tokens = await countChecked(context, reranker, pairs, param)
  const ranks = await workOf(request)
    .score(tokens, (signal) =>
      reranker.model.rerank(query, contents, { truncate: cut(context, truncate), signal }),
    )
    .catch((error: unknown) => {
      throw ofPair(param, error)
    })
  return { ranks, tokens: sum(tokens) }
}

/**
 * Tokens of each, as many as the model reads.
 *
 * @throws HttpError 400 for more than a request may have
 */
export async function countChecked(
  context: ServerContext,
  { model, info }: LoadedReranker,
  inputs: readonly ClassifierInput[],
  param: string,
): Promise<number[]> {
  checkCount(context, inputs.length, param)
  const { maxTokens } = info
  const counts = await model.countTokens(inputs, { atMost: maxTokens }).catch((error: unknown) => {
    throw ofPair(param, error)
  })
  const tokens = counts.map((count) => Math.min(count, maxTokens))
  checkTokens(context, sum(tokens), param)
  context.metrics.items(inputs.length)
  return tokens
}

/** What becomes of a pair that is too long: TEI's rule. */
export function cut(
  { defaults }: ServerContext,
  truncate: boolean | null | undefined,
): 'longest' | 'error' {
  return (truncation(truncate) ?? defaults.truncate) === 'end' ? 'longest' : 'error'
}

/** By the outputs of each text by itself. */
export async function rankByOutputs(
  context: ServerContext,
  request: FastifyRequest,
  { query, contents, truncate, param }: Question,
): Promise<Ranking> {
  const texts = withPrompts(context, query, contents)
  await checkInputs(context, { texts }, param)
  context.metrics.items(texts.length)
  const { outputs, score } = scorer(context)
  const [asked, ...passages] = await embedded(workOf(request), texts, {
    outputs,
    truncate: truncation(truncate),
    param,
  })
  const scores = passages.map((passage) => score(asked, passage))
  const tokens = sum([asked, ...passages].map(({ tokenCount }) => tokenCount))
  return { ranks: topKScores(scores, scores.length), tokens }
}

async function embedded(
  work: RequestWork,
  texts: readonly string[],
  {
    param,
    ...options
  }: Pick<Scorer, 'outputs'> & { truncate: 'end' | 'error' | undefined; param: string },
): Promise<[Embedding, ...Embedding[]]> {
  try {
    const asked = { ...options, prompt: WRITTEN_OUT, priority: 'interactive' as const }
    return (await work.embed({ texts }, asked)) as [Embedding, ...Embedding[]]
  } catch (error) {
    throw ofQueryOr('text', param, error)
  }
}

interface Scorer {
  outputs: { dense: boolean; sparse: boolean; colbert: boolean }
  score(query: Embedding, passage: Embedding): number
}

/** As configured; dense for a model without heads. */
function scorer({ config, info }: ServerContext): Scorer {
  const none = { dense: false, sparse: false, colbert: false }
  const { outputs } = info
  const by = outputs.colbert && outputs.sparse ? config.rerank : 'dense'
  const vector = (embedding: Embedding) => embedding.dense as Float32Array
  const weights = ({ sparse }: Embedding) => sparse as NonNullable<typeof sparse>
  const rows = ({ colbert }: Embedding) => colbert as NonNullable<typeof colbert>
  switch (by) {
    case 'hybrid':
      return { outputs, score: (query, passage) => hybridScore(query, passage) }
    case 'sparse':
      return {
        outputs: { ...none, sparse: true },
        score: (q, p) => lexicalScore(weights(q), weights(p)),
      }
    case 'dense':
      return { outputs: { ...none, dense: true }, score: (q, p) => dot(vector(q), vector(p)) }
    default:
      return {
        outputs: { ...none, colbert: true },
        score: (q, p) => colbertScore(rows(q), rows(p)),
      }
  }
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}
