/**
 * `POST /v1/embed_all`: all three outputs of texts, with the tokens they belong to. `/embed_all` is the same for a body
 * that has a member of this form beside `inputs` and `truncate`, or asks for NDJSON; else it is TEI's.
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Embedding, Outputs, TokenPiece } from '../../../common/types.js'
import type { ServerContext } from '../core/context.js'
import { HttpError } from '../core/errors.js'
import { checkInputs, type GivenInputs, inputsOf, truncation } from '../core/inputs.js'
import { workOf } from '../core/request-work.js'
import type { WireToken } from '../core/wire.js'
import { floatsToBase64, floatsToJson, listOf, rowsToJson, sendJson, weightsOf } from './json.js'
import { modelName } from './model-name.js'
import { acceptsNdjson, sendNdjson } from './ndjson.js'
import * as schemas from './schemas.js'
import { sendTokenStates, type TokenStatesBody } from './token-states.js'
import { describeTokens } from './tokens.js'

interface EmbedAllBody {
  inputs: GivenInputs
  /** Default: all that the model has. */
  outputs?: Outputs
  truncate?: boolean | null
  normalize?: boolean
  dimensions?: number
  /** Of dense and ColBERT vectors. Default: float. */
  encoding?: 'float' | 'base64'
  /** Default: false. */
  tokens?: boolean
}

/** Members that TEI's form does not have. */
const own = {
  outputs: schemas.outputs,
  normalize: { type: 'boolean', description: 'true or false' },
  dimensions: { type: 'integer', minimum: 1 },
  encoding: { type: 'string', enum: ['float', 'base64'] },
  tokens: { type: 'boolean', description: 'true or false' },
}

const schema = {
  summary: 'Dense, sparse and ColBERT embeddings from one pass',
  description:
    'With `Accept: application/x-ndjson` a line per text, as they are done: the members of `embeddings`, or `{"index", "error"}`.',
  tags: ['bge-m3'],
  body: schemas.body(
    ['inputs'],
    {
      inputs: schemas.textOrTexts,
      truncate: schemas.truncate,
      ...own,
    },
    { closed: true },
  ),
  response: schemas.responses({
    type: 'object',
    properties: {
      model: { type: 'string' },
      dimensions: { type: 'integer' },
      embeddings: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            index: { type: 'integer' },
            dense: schemas.vector,
            sparse: { type: 'array', items: schemas.weight },
            colbert: {
              description: 'a row for every token but the first',
              anyOf: [
                { type: 'array', items: schemas.numbers },
                {
                  type: 'object',
                  description: 'with encoding base64',
                  properties: {
                    data: { type: 'string' },
                    rows: { type: 'integer' },
                    cols: { type: 'integer' },
                  },
                },
              ],
            },
            tokens: { type: 'array', items: schemas.token },
            tokenCount: { type: 'integer' },
            truncated: { type: 'boolean' },
            cached: { type: 'boolean' },
          },
        },
      },
      usage: { type: 'object', properties: { tokens: { type: 'integer' } } },
    },
  }),
}

const eitherSchema = {
  summary: 'The last hidden states of all tokens (TEI’s form), or all outputs as /v1/embed_all',
  description: `TEI’s form, unless the body has one of ${Object.keys(own).join(', ')}, or NDJSON is asked for.`,
  tags: ['text-embeddings-inference'],
  body: schemas.body(
    ['inputs'],
    {
      inputs: schemas.inputs(0),
      truncate: schemas.flag,
      truncation_direction: schemas.truncationDirection,
      prompt_name: schemas.promptName,
      ...own,
    },
    { closed: true },
  ),
  response: schemas.responses({
    description: 'A list of states for each input, or what /v1/embed_all answers',
  }),
}

const isOwn = (body: unknown) =>
  typeof body === 'object' && body !== null && Object.keys(own).some((name) => name in body)

export function embedAllRoutes(app: FastifyInstance, context: ServerContext): void {
  app.post<{ Body: EmbedAllBody & TokenStatesBody }>(
    '/embed_all',
    {
      schema: eitherSchema,
      config: {
        work: true,
        param: 'inputs',
        errors: (body) => (isOwn(body) ? 'openai' : 'tei'),
      },
    },
    async (request, reply) => {
      const { body } = request
      if (isOwn(body) || acceptsNdjson(request)) return sendAll(context, request, reply)
      return sendTokenStates(context, request, reply)
    },
  )

  app.post<{ Body: EmbedAllBody }>(
    '/v1/embed_all',
    { schema, config: { work: true, param: 'inputs' } },
    (request, reply) => sendAll(context, request, reply),
  )
}

async function sendAll(
  context: ServerContext,
  request: FastifyRequest<{ Body: EmbedAllBody }>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const work = workOf(request)
  const { body } = request
  const inputs = inputsOf(body.inputs)
  if (!('texts' in inputs) || inputs.texts.length === 0) {
    const must = schemas.textOrTexts.description
    throw new HttpError(400, 'invalid_value', `'inputs' must be: ${must}.`, { param: 'inputs' })
  }
  const { texts } = inputs
  await checkInputs(context, { texts }, 'inputs')
  const { info } = context
  const options = {
    outputs: outputsOf(body.outputs, info.outputs),
    normalize: body.normalize,
    truncate: truncation(body.truncate),
    dimensions: body.dimensions,
  }
  const write = async (text: string, embedding: Embedding, index: number) => {
    const tokens = body.tokens ? await tokensOf(context, text, embedding) : undefined
    const { sparse } = embedding
    const pieces = sparse && (await context.embedder.pieces(sparse.indices))
    return embeddingToJson({ embedding, index, tokens, pieces, encoding: body.encoding })
  }
  context.metrics.items(texts.length)
  if (acceptsNdjson(request)) return sendNdjson(reply, { work, texts, options, write })
  const embeddings = await work.embed({ texts }, options)
  const written: Iterable<string>[] = []
  for (const [i, embedding] of embeddings.entries()) {
    written.push(await write(texts[i] as string, embedding, i))
  }
  const tokens = embeddings.reduce((sum, { tokenCount }) => sum + tokenCount, 0)
  const head = {
    model: modelName(context),
    dimensions: body.dimensions ?? info.dimensions,
  }
  return sendJson(reply, envelope(head, written, tokens), () => work.renewDeadline())
}

function* envelope(
  head: object,
  embeddings: Iterable<Iterable<string>>,
  tokens: number,
): Generator<string> {
  yield `${JSON.stringify(head).slice(0, -1)},"embeddings":`
  yield* listOf(embeddings)
  yield `,"usage":{"tokens":${tokens}}}`
}

/** What was asked for; all that the model has if nothing was. */
function outputsOf(asked: Outputs | undefined, has: Required<Outputs>): Required<Outputs> {
  if (!asked) return { ...has }
  return {
    dense: asked.dense ?? false,
    sparse: asked.sparse ?? false,
    colbert: asked.colbert ?? false,
  }
}

/** The tokens that the embedding was made of. */
export async function tokensOf(
  { embedder }: ServerContext,
  text: string,
  embedding: Embedding,
): Promise<WireToken[]> {
  const maxTokens = Math.max(3, embedding.tokenCount)
  return describeTokens(embedder, text, { maxTokens, truncate: 'end' })
}

interface Written {
  embedding: Embedding
  index: number
  tokens: WireToken[] | undefined
  pieces: TokenPiece[] | undefined
  encoding: 'float' | 'base64' | undefined
}

function* embeddingToJson({
  embedding,
  index,
  tokens,
  pieces,
  encoding,
}: Written): Generator<string> {
  const { dense, sparse, colbert, tokenCount, truncated, cached } = embedding
  const isBase64 = encoding === 'base64'
  yield `{"index":${index}`
  if (dense)
    yield `,"dense":${isBase64 ? JSON.stringify(floatsToBase64(dense)) : floatsToJson(dense)}`
  if (sparse && pieces) {
    yield `,"sparse":${JSON.stringify(weightsOf(sparse, pieces))}`
  }
  if (colbert && isBase64) {
    const { data, rows, cols } = colbert
    yield `,"colbert":${JSON.stringify({ data: floatsToBase64(data), rows, cols })}`
  } else if (colbert) {
    yield ',"colbert":'
    yield* rowsToJson(colbert)
  }
  if (tokens) yield `,"tokens":${JSON.stringify(tokens)}`
  yield `,"tokenCount":${tokenCount},"truncated":${truncated},"cached":${cached}}`
}
