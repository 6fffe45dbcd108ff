/** What Ollama's clients ask of a server for embeddings; there is one model, and any name is its. */

import type { FastifyInstance } from 'fastify'
import type { Embedding } from '../../../common/types.js'
import type { ServerContext } from '../core/context.js'
import { checkInputs, truncation } from '../core/inputs.js'
import { type RequestWorkOptions, workOf } from '../core/request-work.js'
import { floatsToJson, listOf, sendJson } from './json.js'
import { modelName } from './model-name.js'
import * as schemas from './schemas.js'

interface EmbedBody {
  input: string | string[]
  truncate?: boolean | null
  dimensions?: number | null
}

const tags = ['Ollama']
const config = { work: true, errors: 'ollama' } as const
const name = { type: 'string', description: 'a model name' }
/** How long to keep a model, and how to run it: here that is the server's business. */
const theirs = { model: name, keep_alive: {}, options: {} }
const responses = (properties: Record<string, object>) =>
  schemas.responses({ type: 'object', properties }, schemas.ollamaError)
const vector = { type: 'array', items: { type: 'number' } }

const embedSchema = {
  summary:
    'Dense embeddings of length 1; texts that are too long are cut unless `truncate` is false',
  tags,
  body: schemas.body(['input'], {
    input: {
      description: 'a text, or an array of texts',
      anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
    },
    truncate: schemas.flag,
    dimensions: { type: 'integer', minimum: 1, nullable: true },
    ...theirs,
  }),
  response: responses({ model: name, embeddings: { type: 'array', items: vector } }),
}

const embeddingsSchema = {
  summary: 'The dense embedding of one text, as Ollama had it before /api/embed',
  tags,
  body: schemas.body(['prompt'], { prompt: schemas.text, ...theirs }),
  response: responses({ embedding: vector }),
}

const anyObject = schemas.responses(
  { type: 'object', additionalProperties: true },
  schemas.ollamaError,
)
const showSchema = {
  summary: 'The loaded model',
  tags,
  body: schemas.body([], { model: name, name, verbose: schemas.flag }),
  response: anyObject,
}

export function ollamaRoutes(app: FastifyInstance, context: ServerContext): void {
  const options = (truncate: boolean | null | undefined): RequestWorkOptions => ({
    outputs: { dense: true, sparse: false, colbert: false },
    normalize: true,
    truncate: truncation(truncate ?? true),
  })

  app.post<{ Body: EmbedBody }>(
    '/api/embed',
    { schema: embedSchema, config },
    async (request, reply) => {
      const began = process.hrtime.bigint()
      const { input, truncate, dimensions } = request.body
      const texts = typeof input === 'string' ? [input] : input
      await checkInputs(context, { texts }, 'input')
      context.metrics.items(texts.length)
      const work = workOf(request)
      const embeddings = await work.embed(
        { texts },
        { ...options(truncate), dimensions: dimensions ?? undefined },
      )
      const rest = {
        total_duration: Number(process.hrtime.bigint() - began),
        load_duration: 0,
        prompt_eval_count: work.tokens,
        ...(request.warnings.length > 0 && { warnings: request.warnings }),
      }
      return sendJson(reply, answer(modelName(context), embeddings, rest), () =>
        work.renewDeadline(),
      )
    },
  )

  app.post<{ Body: { prompt: string } }>(
    '/api/embeddings',
    { schema: embeddingsSchema, config },
    async (request, reply) => {
      const texts = [request.body.prompt]
      await checkInputs(context, { texts }, 'prompt')
      context.metrics.items(1)
      const [embedding] = await workOf(request).embed({ texts }, options(true))
      return sendJson(reply, [`{"embedding":${floatsToJson(embedding?.dense as Float32Array)}}`])
    },
  )

  const errors = { errors: 'ollama' } as const
  app.get(
    '/api/tags',
    { schema: { summary: 'The loaded model', tags, response: anyObject }, config: errors },
    () => ({
      models: [modelOf(context)],
    }),
  )
  app.post('/api/show', { schema: showSchema, config: errors }, () => {
    const { info } = context
    const { details, modified_at } = modelOf(context)
    return {
      modelfile: '',
      parameters: '',
      template: '',
      details,
      model_info: {
        'general.architecture': info.architecture,
        [`${info.architecture}.context_length`]: info.maxTokens,
        [`${info.architecture}.embedding_length`]: info.dimensions,
        [`${info.architecture}.block_count`]: info.layers,
      },
      capabilities: ['embedding'],
      modified_at,
    }
  })
  // the first that speaks of `dimensions` and of capabilities as here
  app.get(
    '/api/version',
    { schema: { summary: 'The version of Ollama that is followed', tags, response: anyObject } },
    () => ({
      version: '0.11.0',
    }),
  )
}

function* answer(model: string, embeddings: readonly Embedding[], rest: object): Generator<string> {
  yield `{"model":${JSON.stringify(model)},"embeddings":`
  yield* listOf(embeddings.map(({ dense = new Float32Array() }) => [floatsToJson(dense)]))
  yield `,${JSON.stringify(rest).slice(1)}`
}

function modelOf(context: ServerContext) {
  const { info, startedAt } = context
  const name = modelName(context)
  return {
    name,
    model: name,
    modified_at: new Date(startedAt).toISOString(),
    size: info.weightBytes,
    digest: info.fingerprint,
    details: {
      parent_model: '',
      format: 'gguf',
      family: info.architecture,
      families: [info.architecture],
      parameter_size: '',
      quantization_level: info.quantization,
    },
  }
}
