/**
 * `POST /rerank` in the forms of TEI (`texts`), and of Jina, Cohere and llama-server (`documents`); under
 * `/v1` and `/v2` too, where their clients look for it.
 */

import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { sigmoid } from '../../../scoring/sigmoid.js'
import type { ServerContext } from '../core/context.js'
import { HttpError } from '../core/errors.js'
import { modelName, rerankerName } from './model-name.js'
import { rankByModel, rankByOutputs } from './rankers.js'
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
    'Scored by the re-ranker (--rerank-model), else by ColBERT or as the server is configured (--rerank). With `texts` the answer is TEI’s, a list whose scores are 0 to 1 (a sigmoid) unless `raw_scores`; with `documents` it is that of Jina and Cohere (a re-ranker’s relevance is its sigmoid, unless `raw_scores`), and of llama-server under /reranking (its logit). Scores of bge-m3’s own outputs are as they are.',
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

/** Paths that llama-server alone has. */
const LLAMA_SERVERS = ['/reranking', '/v1/reranking']

export function rerankRoutes(app: FastifyInstance, context: ServerContext): void {
  for (const path of ['/rerank', '/v1/rerank', '/v2/rerank', ...LLAMA_SERVERS]) {
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
  const { query, truncate, texts, documents } = request.body
  const { raw_scores, return_text, top_n, return_documents } = request.body
  const param = texts ? 'texts' : 'documents'
  const contents = texts ?? documents?.map((one) => (typeof one === 'string' ? one : one.text))
  if (!contents) throw new HttpError(400, 'missing_field', "'texts' is required, or 'documents'.")
  if (contents.length === 0) {
    throw new HttpError(400, 'empty', `'${param}' must not be empty.`, { param })
  }
  const question = { query, contents, truncate, param }
  const { reranker } = context
  const { ranks, tokens } = await (reranker
    ? rankByModel(context, request, reranker, question)
    : rankByOutputs(context, request, question))
  if (texts) {
    return ranks.map(({ index, score }) => ({
      index,
      ...(return_text && { text: texts[index] }),
      score: raw_scores ? score : sigmoid(score),
    }))
  }
  const { url = '' } = request.routeOptions
  // Jina's and Cohere's relevance is 0 to 1, as bge-m3's own scores are; llama-server's is the logit
  const isRaw = !reranker || raw_scores || LLAMA_SERVERS.includes(url)
  return {
    id: randomUUID(),
    object: 'list',
    model: reranker ? rerankerName(reranker) : modelName(context),
    results: ranks.slice(0, top_n ?? ranks.length).map(({ index, score }) => ({
      index,
      relevance_score: isRaw ? score : sigmoid(score),
      ...(return_documents && { document: { text: contents[index] } }),
    })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
    ...(url === '/v2/rerank' && {
      meta: { api_version: { version: '2' }, billed_units: { search_units: 1 } },
    }),
    ...(request.warnings.length > 0 && { warnings: request.warnings }),
  }
}
