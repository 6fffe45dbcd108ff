/** What Hugging Face's text-embeddings-inference 1.8 answers for a model that embeds. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Embedding } from '../../../common/types.js'
import type { LoadedReranker, ServerContext } from '../core/context.js'
import { type GivenInputs, teiInputs, truncation } from '../core/inputs.js'
import { workOf } from '../core/request-work.js'
import { packageVersion } from '../core/version.js'
import { acceptedBinary, sendRows } from './binary.js'
import { floatsToJson, listOf, sendJson } from './json.js'
import { modelName, rerankerName } from './model-name.js'
import { acceptsNdjson, sendNdjson } from './ndjson.js'
import { LABEL } from './predict.js'
import * as schemas from './schemas.js'

interface EmbedBody {
  inputs: GivenInputs
  truncate?: boolean | null
  /** Only TEI's default: the end is what is cut off. */
  truncation_direction?: string | null
  normalize?: boolean | null
  dimensions?: number | null
  prompt_name?: string | null
}

const tags = ['text-embeddings-inference']
const config = { work: true, errors: 'tei' } as const
const { flag } = schemas
const responses = (ok: object) => schemas.responses(ok, schemas.teiError)
const listOfLists = (items: object) => ({ type: 'array', items: { type: 'array', items } })

const embedSchema = {
  summary: 'Dense embeddings',
  description:
    'With `Accept: application/x-ndjson` a line per text, as they are done; with `application/octet-stream` float32, or `application/octet-stream; precision=float16`, row after row.',
  tags,
  body: schemas.body(['inputs'], {
    inputs: schemas.inputs(0),
    truncate: flag,
    truncation_direction: schemas.truncationDirection,
    normalize: flag,
    dimensions: { type: 'integer', minimum: 1, nullable: true },
    prompt_name: schemas.promptName,
  }),
  response: responses(listOfLists({ type: 'number' })),
}

const sparseSchema = {
  summary: 'Lexical weights',
  tags,
  body: schemas.body(['inputs'], {
    inputs: schemas.inputs(0),
    truncate: flag,
    truncation_direction: schemas.truncationDirection,
    prompt_name: schemas.promptName,
  }),
  response: responses(
    listOfLists({
      type: 'object',
      properties: { index: { type: 'integer' }, value: { type: 'number' } },
    }),
  ),
}

const infoSchema = {
  summary: 'The loaded model and the limits',
  tags,
  response: responses({ type: 'object', additionalProperties: true }),
}

export function teiRoutes(app: FastifyInstance, context: ServerContext): void {
  const embed = async (request: FastifyRequest<{ Body: EmbedBody }>, reply: FastifyReply) => {
    const { normalize, truncate, dimensions, prompt_name } = request.body
    const inputs = await teiInputs(context, request.body.inputs)
    const options = {
      outputs: { dense: true, sparse: false, colbert: false },
      truncate: truncation(truncate),
      normalize: normalize ?? true,
      dimensions: dimensions ?? undefined,
      prompt: prompt_name ?? undefined,
    }
    const work = workOf(request)
    const write = (_text: string, { dense = new Float32Array() }: Embedding) => [
      floatsToJson(dense),
    ]
    if (acceptsNdjson(request) && 'texts' in inputs) {
      return sendNdjson(reply, { work, texts: inputs.texts, options, write })
    }
    const embeddings = await work.embed(inputs, options)
    reply.headers(work.teiHeaders())
    const binary = acceptedBinary(request)
    if (binary) {
      return sendRows(
        reply,
        embeddings.map(({ dense = new Float32Array() }) => dense),
        binary,
      )
    }
    const text = listOf(map(embeddings, (embedding) => write('', embedding)))
    return sendJson(reply, text, () => work.renewDeadline())
  }
  // where TEI's clients for SageMaker and for a bare base URL look for it
  for (const path of ['/embed', '/', '/invocations']) {
    app.post<{ Body: EmbedBody }>(
      path,
      { schema: { ...embedSchema, hide: path !== '/embed' }, config },
      embed,
    )
  }

  app.post<{ Body: EmbedBody }>(
    '/embed_sparse',
    { schema: sparseSchema, config },
    async (request, reply) => {
      const inputs = await teiInputs(context, request.body.inputs)
      const work = workOf(request)
      const embeddings = await work.embed(inputs, {
        outputs: { dense: false, sparse: true, colbert: false },
        truncate: truncation(request.body.truncate),
        prompt: request.body.prompt_name ?? undefined,
      })
      reply.headers(work.teiHeaders())
      return sendJson(reply, listOf(map(embeddings, (embedding) => [sparseToJson(embedding)])))
    },
  )

  app.get('/info', { schema: infoSchema, config: { errors: 'tei' } }, () => {
    const { info } = context
    const { config: limits } = context
    return {
      model_id: modelName(context),
      served_model_name: modelName(context),
      model_sha: info.fingerprint,
      model_dtype: info.quantization,
      model_type: { embedding: { pooling: info.pooling } },
      max_concurrent_requests: limits.concurrency + limits.queue,
      max_input_length: info.maxTokens,
      max_batch_tokens: limits.maxRequestTokens,
      max_batch_requests: null,
      max_client_batch_size: limits.maxItems,
      auto_truncate: context.defaults.truncate === 'end',
      tokenization_workers: info.threads,
      version: packageVersion(),
      dimensions: info.dimensions,
      outputs: info.outputs,
      ...(context.reranker && { reranker: rerankerInfo(context.reranker) }),
    }
  })
}

/** What TEI says of a model of this kind. */
function rerankerInfo(reranker: LoadedReranker): object {
  const { fingerprint, quantization, maxTokens } = reranker.info
  return {
    model_id: rerankerName(reranker),
    served_model_name: rerankerName(reranker),
    model_sha: fingerprint,
    model_dtype: quantization,
    model_type: { reranker: { id2label: { 0: LABEL }, label2id: { [LABEL]: 0 } } },
    max_input_length: maxTokens,
  }
}

function sparseToJson({ sparse }: Embedding): string {
  const { indices = new Uint32Array(), values = new Float32Array() } = sparse ?? {}
  const numbers = JSON.parse(floatsToJson(values)) as number[]
  return JSON.stringify(numbers.map((value, i) => ({ index: indices[i], value })))
}

function* map<T, R>(items: readonly T[], turn: (item: T) => R): Generator<R> {
  for (const item of items) yield turn(item)
}
