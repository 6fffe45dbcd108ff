/** The endpoints of Hugging Face's text-embeddings-inference. */

import type { FastifyInstance } from 'fastify'
import { throwIfAborted } from '../../../common/abort.js'
import type { Embedding } from '../../../common/types.js'
import { colbertScore } from '../../../scoring/colbert.js'
import { dot } from '../../../scoring/dense.js'
import { hybridScore } from '../../../scoring/hybrid.js'
import { lexicalScore } from '../../../scoring/sparse.js'
import type { ServerContext } from '../core/context.js'
import { HttpError, ofQueryOr } from '../core/errors.js'
import { checkInputs } from '../core/inputs.js'
import { workOf } from '../core/request-work.js'
import { packageVersion } from '../core/version.js'
import { truncation } from './embed-all.js'
import { floatsToJson, listOf, sendJson } from './json.js'
import { modelName } from './model-name.js'
import { acceptsNdjson, sendNdjson } from './ndjson.js'
import * as schemas from './schemas.js'
import { describeTokens } from './tokens.js'

interface EmbedBody {
  inputs: string | string[]
  truncate?: boolean | null
  normalize?: boolean | null
  dimensions?: number | null
}

interface RerankBody {
  query: string
  texts: string[]
  raw_scores?: boolean | null
  return_text?: boolean | null
  truncate?: boolean | null
}

interface TokenizeBody {
  inputs: string | string[]
  add_special_tokens?: boolean | null
}

const tags = ['text-embeddings-inference']
const config = { work: true, errors: 'tei' } as const
const flag = { type: 'boolean', nullable: true, description: 'true or false' }
const inputs = {
  description: 'a text, or an array of texts',
  anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
}
const responses = (ok: object) => schemas.responses(ok, schemas.teiError)
const listOfLists = (items: object) => ({ type: 'array', items: { type: 'array', items } })

const embedSchema = {
  summary: 'Dense embeddings',
  description: 'With `Accept: application/x-ndjson` a line per text, as they are done.',
  tags,
  body: schemas.body(['inputs'], {
    inputs,
    truncate: flag,
    normalize: flag,
    dimensions: { type: 'integer', minimum: 1, nullable: true },
  }),
  response: responses(listOfLists({ type: 'number' })),
}

const sparseSchema = {
  summary: 'Lexical weights',
  tags,
  body: schemas.body(['inputs'], { inputs, truncate: flag }),
  response: responses(
    listOfLists({
      type: 'object',
      properties: { index: { type: 'integer' }, value: { type: 'number' } },
    }),
  ),
}

const rerankSchema = {
  summary: 'Texts in the order of their relevance to a query',
  description:
    'Scored by ColBERT or as the server is configured (--rerank). Scores are 0 to 1 (a sigmoid) unless `raw_scores`.',
  tags,
  body: schemas.body(['query', 'texts'], {
    query: { type: 'string', description: 'a text' },
    texts: {
      type: 'array',
      description: 'an array of texts',
      items: { type: 'string', description: 'a text' },
    },
    raw_scores: flag,
    return_text: flag,
    truncate: flag,
  }),
  response: responses({
    type: 'array',
    items: {
      type: 'object',
      properties: {
        index: { type: 'integer' },
        text: { type: 'string' },
        score: { type: 'number' },
      },
    },
  }),
}

const tokenizeSchema = {
  summary: 'Token ids and their texts',
  tags,
  body: schemas.body(['inputs'], { inputs, add_special_tokens: flag }),
  response: responses(
    listOfLists({
      type: 'object',
      properties: {
        id: { type: 'integer' },
        text: { type: 'string' },
        special: { type: 'boolean' },
        start: { type: 'integer', nullable: true, description: 'in characters (code points)' },
        stop: { type: 'integer', nullable: true },
      },
    }),
  ),
}

const infoSchema = {
  summary: 'The loaded model and the limits',
  tags,
  response: responses({ type: 'object', additionalProperties: true }),
}

export function teiRoutes(app: FastifyInstance, context: ServerContext): void {
  app.post<{ Body: EmbedBody }>(
    '/embed',
    { schema: embedSchema, config },
    async (request, reply) => {
      const texts = await textsOf(context, request.body.inputs)
      const options = {
        outputs: { dense: true, sparse: false, colbert: false },
        truncate: truncation(request.body.truncate ?? false),
        normalize: request.body.normalize ?? true,
        dimensions: request.body.dimensions ?? undefined,
      }
      const work = workOf(request)
      const write = (_text: string, { dense = new Float32Array() }: Embedding) => [
        floatsToJson(dense),
      ]
      if (acceptsNdjson(request)) return sendNdjson(reply, { work, texts, options, write })
      const embeddings = await work.embed({ texts }, options)
      const text = listOf(map(embeddings, (embedding) => write('', embedding)))
      return sendJson(reply, text, () => work.renewDeadline())
    },
  )

  app.post<{ Body: EmbedBody }>(
    '/embed_sparse',
    { schema: sparseSchema, config },
    async (request, reply) => {
      const texts = await textsOf(context, request.body.inputs)
      const embeddings = await workOf(request).embed(
        { texts },
        {
          outputs: { dense: false, sparse: true, colbert: false },
          truncate: truncation(request.body.truncate ?? false),
        },
      )
      return sendJson(reply, listOf(map(embeddings, (embedding) => [sparseToJson(embedding)])))
    },
  )

  app.post<{ Body: RerankBody }>('/rerank', { schema: rerankSchema, config }, async (request) => {
    const { query, texts, raw_scores, return_text, truncate } = request.body
    if (texts.length === 0) throw empty('texts')
    await checkInputs(context, { texts: [query, ...texts] }, 'texts')
    context.metrics.items(texts.length + 1)
    const { outputs, score } = scorer(context)
    const [asked, ...passages] = (await workOf(request)
      .embed(
        { texts: [query, ...texts] },
        { outputs, truncate: truncation(truncate ?? false), priority: 'interactive' },
      )
      .catch((error: unknown) => {
        throw ofQueryOr('text', 'texts', error)
      })) as [Embedding, ...Embedding[]]
    return passages
      .map((passage, index) => {
        const raw = score(asked, passage)
        return {
          index,
          ...(return_text && { text: texts[index] as string }),
          score: raw_scores ? raw : 1 / (1 + Math.exp(-raw)),
        }
      })
      .sort((a, b) => b.score - a.score || a.index - b.index)
  })

  app.post<{ Body: TokenizeBody }>(
    '/tokenize',
    { schema: tokenizeSchema, config },
    async (request) => {
      const texts = await textsOf(context, request.body.inputs)
      const addsSpecial = request.body.add_special_tokens ?? true
      const pieces = await context.pieces()
      const results: object[][] = []
      for (const text of texts) {
        const { ids } = await context.embedder.tokenize(text)
        throwIfAborted(workOf(request).signal)
        const offset = characterOffsets(text)
        const tokens = describeTokens(pieces, text, ids).map(
          ({ id, piece, special, start, end }) => ({
            id,
            text: piece,
            special,
            start: offset(start),
            stop: offset(end),
          }),
        )
        results.push(addsSpecial ? tokens : tokens.slice(1, -1))
      }
      return results
    },
  )

  app.get('/info', { schema: infoSchema, config: { errors: 'tei' } }, () => {
    const { info } = context
    const { config: limits } = context
    return {
      model_id: modelName(info),
      model_sha: info.fingerprint,
      model_dtype: info.quantization,
      model_type: { embedding: { pooling: 'cls' } },
      max_concurrent_requests: limits.concurrency + limits.queue,
      max_input_length: info.maxTokens,
      max_batch_tokens: limits.maxRequestTokens,
      max_batch_requests: null,
      max_client_batch_size: limits.maxItems,
      auto_truncate: false,
      tokenization_workers: info.threads,
      version: packageVersion(),
      dimensions: info.dimensions,
      outputs: info.outputs,
    }
  })
}

async function textsOf(context: ServerContext, given: string | string[]): Promise<string[]> {
  const texts = typeof given === 'string' ? [given] : given
  if (texts.length === 0) throw empty('inputs')
  await checkInputs(context, { texts }, 'inputs')
  context.metrics.items(texts.length)
  return texts
}

function empty(param: string): HttpError {
  return new HttpError(400, 'empty', `'${param}' must not be empty.`, { param })
}

function sparseToJson({ sparse }: Embedding): string {
  const { indices = new Uint32Array(), values = new Float32Array() } = sparse ?? {}
  const numbers = JSON.parse(floatsToJson(values)) as number[]
  return JSON.stringify(numbers.map((value, i) => ({ index: indices[i], value })))
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

/** UTF-16 positions, which only grow, as counts of code points; null for none. */
function characterOffsets(text: string): (position: number | undefined) => number | null {
  let at = 0
  let count = 0
  return (position) => {
    if (position === undefined) return null
    for (; at < position; count++) at += (text.codePointAt(at) as number) > 0xffff ? 2 : 1
    return count
  }
}

function* map<T, R>(items: readonly T[], turn: (item: T) => R): Generator<R> {
  for (const item of items) yield turn(item)
}
