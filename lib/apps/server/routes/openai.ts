/** OpenAI's `POST /v1/embeddings` and `GET /v1/models`. */

import type {} from '@fastify/swagger' // `hide` of a schema
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Embedding } from '../../../common/types.js'
import type { LoadedReranker, ServerContext } from '../core/context.js'
import { HttpError } from '../core/errors.js'
import { checkInputs, type GivenInputs, inputsOf, truncation } from '../core/inputs.js'
import { workOf } from '../core/request-work.js'
import { floatsToBase64, floatsToJson, sendJson } from './json.js'
import { modelName, rerankerName } from './model-name.js'
import * as schemas from './schemas.js'

interface EmbeddingsBody {
  input: GivenInputs
  model?: string | null
  encoding_format?: 'float' | 'base64' | null
  dimensions?: number | null
  user?: string | null
  /** Ours: true cuts the end off a text that is too long. */
  truncate?: boolean | null
  /** Ours: which prompt of the model goes in front of texts. */
  prompt_name?: string | null
}

const embeddings = {
  summary: 'Dense embeddings, as OpenAI’s',
  description:
    'Any model name is accepted; the answer names the loaded one. Arrays of token ids are ids of this model, as /tokenize gives them, not of OpenAI’s tokenizers. A text that is too long is refused, unless `truncate` is true. Fields that this server does not know are ignored; `warnings` in the answer names those that would have changed the result elsewhere.',
  tags: ['OpenAI'],
  body: schemas.body(['input'], {
    input: schemas.inputs(1),
    model: { type: 'string', nullable: true, description: 'a model name' },
    encoding_format: { type: 'string', enum: ['float', 'base64', null], nullable: true },
    dimensions: { type: 'integer', minimum: 1, nullable: true },
    user: { type: 'string', nullable: true, description: 'a text' },
    truncate: { ...schemas.truncate, nullable: true },
    prompt_name: schemas.promptName,
  }),
  response: schemas.responses({
    type: 'object',
    properties: {
      object: { type: 'string' },
      data: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            object: { type: 'string' },
            index: { type: 'integer' },
            embedding: schemas.vector,
          },
        },
      },
      model: { type: 'string' },
      usage: {
        type: 'object',
        properties: { prompt_tokens: { type: 'integer' }, total_tokens: { type: 'integer' } },
      },
    },
  }),
}

const models = {
  summary: 'The loaded model',
  tags: ['OpenAI'],
  response: schemas.responses({ type: 'object', additionalProperties: true }),
}

const model = {
  ...models,
  params: { type: 'object', properties: { model: { type: 'string', description: 'any name' } } },
}

export function openaiRoutes(app: FastifyInstance, context: ServerContext): void {
  const embed = async (request: FastifyRequest<{ Body: EmbeddingsBody }>, reply: FastifyReply) => {
    const { input, dimensions, encoding_format, truncate } = request.body
    const inputs = inputsOf(input)
    const { info } = context
    if (dimensions && dimensions > info.dimensions) {
      throw new HttpError(
        400,
        'invalid_value',
        `'dimensions' must be at most ${info.dimensions} for this model.`,
        { param: 'dimensions' },
      )
    }
    await checkInputs(context, inputs, 'input')
    const work = workOf(request)
    const results = await work.embed(inputs, {
      outputs: { dense: true, sparse: false, colbert: false },
      dimensions: dimensions ?? undefined,
      truncate: truncation(truncate),
      prompt: request.body.prompt_name ?? undefined,
    })
    context.metrics.items(results.length)
    const text = answer(results, {
      model: modelName(context),
      isBase64: encoding_format === 'base64',
      warnings: request.warnings,
    })
    return sendJson(reply, text, () => work.renewDeadline())
  }

  // without /v1 for base URLs that lack it, as TEI and others have it
  for (const path of ['/v1/embeddings', '/embeddings']) {
    app.post<{ Body: EmbeddingsBody }>(
      path,
      {
        schema: { ...embeddings, hide: path !== '/v1/embeddings' },
        config: { work: true, param: 'input' },
      },
      embed,
    )
  }
  const list = () => {
    const { reranker } = context
    const data = [modelObject(context), ...(reranker ? [rerankerObject(context, reranker)] : [])]
    return { object: 'list', data }
  }
  app.get('/v1/models', { schema: models }, list)
  app.get('/models', { schema: { ...models, hide: true } }, list)
  // any name is the loaded model's, as in `POST /v1/embeddings`; some have a slash
  app.get('/v1/models/:model', { schema: model }, () => modelObject(context))
  for (const path of ['/v1/models/*', '/models/*']) {
    app.get(path, { schema: { ...models, hide: true } }, () => modelObject(context))
  }
}

function* answer(
  results: readonly Embedding[],
  { model, isBase64, warnings }: { model: string; isBase64: boolean; warnings: readonly string[] },
): Generator<string> {
  yield '{"object":"list","data":['
  for (const [index, { dense = new Float32Array() }] of results.entries()) {
    const embedding = isBase64 ? JSON.stringify(floatsToBase64(dense)) : floatsToJson(dense)
    yield `${index === 0 ? '' : ','}{"object":"embedding","index":${index},"embedding":${embedding}}`
  }
  const tokens = results.reduce((sum, { tokenCount }) => sum + tokenCount, 0)
  const usage = { prompt_tokens: tokens, total_tokens: tokens }
  const rest = { model, usage, ...(warnings.length > 0 && { warnings }) }
  yield `],${JSON.stringify(rest).slice(1)}`
}

function rerankerObject({ startedAt }: ServerContext, reranker: LoadedReranker): object {
  return {
    id: rerankerName(reranker),
    object: 'model',
    created: Math.floor(startedAt / 1000),
    owned_by: 'bge-m3-node',
    max_tokens: reranker.info.maxTokens,
  }
}

function modelObject(context: ServerContext): object {
  const { info, startedAt } = context
  return {
    id: modelName(context),
    object: 'model',
    created: Math.floor(startedAt / 1000),
    owned_by: 'bge-m3-node',
    dimensions: info.dimensions,
    max_tokens: info.maxTokens,
  }
}
