/** OpenAI's `POST /v1/embeddings` and `GET /v1/models`. */

import type {} from '@fastify/swagger' // `hide` of a schema
import type { FastifyInstance } from 'fastify'
import type { Embedding } from '../../../common/types.js'
import type { ServerContext } from '../core/context.js'
import { HttpError } from '../core/errors.js'
import { checkInputs, type Inputs } from '../core/inputs.js'
import { workOf } from '../core/request-work.js'
import { floatsToBase64, floatsToJson, sendJson } from './json.js'
import { modelName } from './model-name.js'
import * as schemas from './schemas.js'

interface EmbeddingsBody {
  input: string | string[] | number[] | number[][]
  model?: string | null
  encoding_format?: 'float' | 'base64' | null
  dimensions?: number | null
  user?: string | null
}

const ids = {
  type: 'array',
  minItems: 1,
  items: { type: 'integer', minimum: 0, maximum: 2 ** 31 - 1 },
}

const embeddings = {
  summary: 'Dense embeddings, as OpenAI’s',
  description:
    'Any model name is accepted; the answer names the loaded one. Arrays of token ids are ids of this model, as /tokenize gives them, not of OpenAI’s tokenizers. Fields that this server does not know are ignored.',
  tags: ['OpenAI'],
  body: schemas.body(['input'], {
    input: {
      description:
        'a text, an array of texts, an array of token ids, or an array of such arrays; none of them empty',
      anyOf: [
        { type: 'string', minLength: 1 },
        { type: 'array', minItems: 1, items: { type: 'string', minLength: 1 } },
        ids,
        { type: 'array', minItems: 1, items: ids },
      ],
    },
    model: { type: 'string', nullable: true, description: 'a model name' },
    encoding_format: { type: 'string', enum: ['float', 'base64', null], nullable: true },
    dimensions: { type: 'integer', minimum: 1, nullable: true },
    user: { type: 'string', nullable: true, description: 'a text' },
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
  app.post<{ Body: EmbeddingsBody }>(
    '/v1/embeddings',
    { schema: embeddings, config: { work: true, param: 'input' } },
    async (request, reply) => {
      const { input, dimensions, encoding_format } = request.body
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
      })
      context.metrics.items(results.length)
      const text = answer(results, modelName(info), encoding_format === 'base64')
      return sendJson(reply, text, () => work.renewDeadline())
    },
  )

  app.get('/v1/models', { schema: models }, () => ({
    object: 'list',
    data: [modelObject(context)],
  }))
  // any name is the loaded model's, as in `POST /v1/embeddings`; some have a slash
  app.get('/v1/models/:model', { schema: model }, () => modelObject(context))
  app.get('/v1/models/*', { schema: { ...models, hide: true } }, () => modelObject(context))
}

function inputsOf(input: EmbeddingsBody['input']): Inputs {
  if (typeof input === 'string') return { texts: [input] }
  if (typeof input[0] === 'string') return { texts: input as string[] }
  if (typeof input[0] === 'number') return { ids: [input as number[]] }
  return { ids: input as number[][] }
}

function* answer(
  results: readonly Embedding[],
  model: string,
  isBase64: boolean,
): Generator<string> {
  yield '{"object":"list","data":['
  for (const [index, { dense = new Float32Array() }] of results.entries()) {
    const embedding = isBase64 ? JSON.stringify(floatsToBase64(dense)) : floatsToJson(dense)
    yield `${index === 0 ? '' : ','}{"object":"embedding","index":${index},"embedding":${embedding}}`
  }
  const tokens = results.reduce((sum, { tokenCount }) => sum + tokenCount, 0)
  const usage = { prompt_tokens: tokens, total_tokens: tokens }
  yield `],"model":${JSON.stringify(model)},"usage":${JSON.stringify(usage)}}`
}

function modelObject({ info, startedAt }: ServerContext): object {
  return {
    id: modelName(info),
    object: 'model',
    created: Math.floor(startedAt / 1000),
    owned_by: 'bge-m3-node',
    dimensions: info.dimensions,
    max_tokens: info.maxTokens,
  }
}
