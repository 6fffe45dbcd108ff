/**
 * `POST /rerank` in the forms of TEI (`texts`), and of Jina, Cohere and llama-server (`documents`); under
 * `/v1` and `/v2` too, where their clients look for it.
 */

import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Embedding } from '../../../common/types.js'
import { colbertScore } from '../../../scoring/colbert.js'
import { dot } from '../../../scoring/dense.js'
import { hybridScore } from '../../../scoring/hybrid.js'
import { lexicalScore } from '../../../scoring/sparse.js'
import { type Hit, topKScores } from '../../../scoring/topk.js'
import type { ServerContext } from '../core/context.js'
import { HttpError, ofQueryOr } from '../core/errors.js'
import { checkInputs, WRITTEN_OUT, withPrompts } from '../core/inputs.js'
import { workOf } from '../core/request-work.js'
import { truncation } from './embed-all.js'
import { modelName } from './model-name.js'
import * as schemas from './schemas.js'

type Document = string | { text: string }

interface RerankBody {
  query: string
  /** TEI's. */
  texts?: string[]
  raw_scores?: boolean | null
  return_text?: boolean | null
  /** Jina's, Cohere's and llama-server's. */
  documents?: Document[]
  model?: string | null
  top_n?: number | null
  return_documents?: boolean | null
  truncate?: boolean | null
}

const { text } = schemas
const schema = {
  summary: 'Texts in the order of their relevance to a query',
  description:
    'Scored by ColBERT or as the server is configured (--rerank). With `texts` the answer is TEI’s, a list whose scores are 0 to 1 (a sigmoid) unless `raw_scores`; with `documents` it is that of Jina, Cohere and llama-server, and `relevance_score` is the score itself.',
  tags: ['Rerank'],
  body: schemas.body(['query'], {
    query: text,
    texts: schemas.texts,
    raw_scores: schemas.flag,
    return_text: schemas.flag,
    documents: {
      type: 'array',
      description: 'an array of texts, or of objects with a text',
      items: {
        description: 'a text, or an object with one',
        anyOf: [text, { type: 'object', required: ['text'], properties: { text } }],
      },
    },
    model: { type: 'string', nullable: true, description: 'a model name' },
    top_n: { type: 'integer', minimum: 1, nullable: true },
    return_documents: schemas.flag,
    truncate: schemas.flag,
  }),
  response: schemas.responses({
    description:
      'TEI’s list of {index, score, text}, or {model, results: [{index, relevance_score, document}], usage}',
  }),
}

export function rerankRoutes(app: FastifyInstance, context: ServerContext): void {
  for (const path of ['/rerank', '/reranking', '/v1/rerank', '/v1/reranking', '/v2/rerank']) {
    const errors = path === '/rerank' ? 'tei' : 'openai'
    app.post<{ Body: RerankBody }>(
      path,
      { schema: { ...schema, hide: path.includes('ranking') }, config: { work: true, errors } },
      (request) => rerank(context, request),
    )
  }
}

async function rerank(
  context: ServerContext,
  request: FastifyRequest<{ Body: RerankBody }>,
): Promise<object> {
  const { texts, documents, raw_scores, return_text, top_n, return_documents } = request.body
  if (texts) {
    const { ranks } = await ranked(context, request, 'texts', texts)
    return ranks.map(({ index, score }) => ({
      index,
      ...(return_text && { text: texts[index] }),
      score: raw_scores ? score : 1 / (1 + Math.exp(-score)),
    }))
  }
  if (!documents) throw new HttpError(400, 'missing_field', "'texts' is required, or 'documents'.")
  const contents = documents.map((one) => (typeof one === 'string' ? one : one.text))
  const { ranks, tokens } = await ranked(context, request, 'documents', contents)
  const isCohere = request.routeOptions.url === '/v2/rerank'
  return {
    id: randomUUID(),
    object: 'list',
    model: modelName(context),
    results: ranks.slice(0, top_n ?? ranks.length).map(({ index, score }) => ({
      index,
      relevance_score: score,
      ...(return_documents && { document: { text: contents[index] } }),
    })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
    ...(isCohere && {
      meta: { api_version: { version: '2' }, billed_units: { search_units: 1 } },
    }),
    ...(request.warnings.length > 0 && { warnings: request.warnings }),
  }
}

/** All texts, the best first; of equal ones the earlier. */
async function ranked(
  context: ServerContext,
  request: FastifyRequest<{ Body: RerankBody }>,
  param: string,
  contents: readonly string[],
): Promise<{ ranks: Hit[]; tokens: number }> {
  const { query, truncate } = request.body
  if (contents.length === 0)
    throw new HttpError(400, 'empty', `'${param}' must not be empty.`, { param })
  const texts = withPrompts(context, query, contents)
  await checkInputs(context, { texts }, param)
  context.metrics.items(texts.length)
  const { outputs, score } = scorer(context)
  const [asked, ...passages] = (await workOf(request)
    .embed(
      { texts },
      { outputs, truncate: truncation(truncate), prompt: WRITTEN_OUT, priority: 'interactive' },
    )
    .catch((error: unknown) => {
      throw ofQueryOr('text', param, error)
    })) as [Embedding, ...Embedding[]]
  const scores = passages.map((passage) => score(asked, passage))
  const tokens = passages.reduce((sum, { tokenCount }) => sum + tokenCount, asked.tokenCount)
  return { ranks: topKScores(scores, scores.length), tokens }
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
