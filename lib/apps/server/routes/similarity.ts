/** `POST /similarity`: a query against passages in FlagEmbedding's five scores. */

import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Embedding } from '../../../common/types.js'
import { dot } from '../../../scoring/dense.js'
import {
  combineScores,
  computeScore,
  DEFAULT_WEIGHTS,
  type Scores,
  type ScoreWeights,
} from '../../../scoring/hybrid.js'
import { similarityMatrix } from '../../../scoring/matrix.js'
import type { ServerContext } from '../core/context.js'
import { HttpError, ofQueryOr } from '../core/errors.js'
import { checkInputs, truncation, WRITTEN_OUT, withPrompts } from '../core/inputs.js'
import { workOf } from '../core/request-work.js'
import type { WireSimilarity, WireSimilarityResponse } from '../core/wire.js'
import { alignTokens } from './alignment.js'
import { tokensOf } from './embed-all.js'
import { sendJson, weightsOf } from './json.js'
import { modelName } from './model-name.js'
import * as schemas from './schemas.js'

interface SimilarityBody {
  query?: string
  passages?: string[]
  weights?: [number, number, number]
  truncate?: boolean
  tokens?: boolean
  alignment?: boolean
  matrix?: boolean
  /** TEI's form: the answer is a list of cosines. */
  inputs?: { source_sentence: string; sentences: string[] }
  parameters?: { truncate?: boolean | null } | null
}

const flag = { type: 'boolean', description: 'true or false' }

const schema = {
  summary: 'A query against passages: dense, sparse, ColBERT and their means',
  description:
    'With `tokens` the tokens and lexical weights of all texts; with `alignment` the passage token that answers each query token best; with `matrix` the cosines of all texts with each other.',
  tags: ['bge-m3'],
  body: schemas.body(
    [],
    {
      query: schemas.text,
      passages: {
        ...schemas.texts,
        minItems: 1,
      },
      weights: {
        type: 'array',
        description: 'three numbers from 0 for dense, sparse and colbert, not all zero',
        minItems: 3,
        maxItems: 3,
        items: { type: 'number', minimum: 0 },
      },
      truncate: schemas.truncate,
      tokens: flag,
      alignment: flag,
      matrix: flag,
      inputs: {
        type: 'object',
        description: 'TEI’s form: source_sentence and sentences',
        required: ['source_sentence', 'sentences'],
        properties: {
          source_sentence: schemas.text,
          sentences: {
            ...schemas.texts,
            minItems: 1,
          },
        },
      },
      parameters: {
        type: 'object',
        nullable: true,
        description: 'with inputs: truncate',
        additionalProperties: false,
        properties: { truncate: schemas.flag },
      },
    },
    { closed: true },
  ),
  response: schemas.responses({
    anyOf: [
      { ...schemas.numbers, description: 'TEI’s answer, where the body has `inputs`' },
      {
        type: 'object',
        properties: {
          model: { type: 'string' },
          weights: schemas.numbers,
          query: { type: 'object', additionalProperties: true },
          passages: {
            type: 'array',
            items: {
              type: 'object',
              properties: {
                index: { type: 'integer' },
                scores: {
                  type: 'object',
                  description: 'dense, sparse, colbert, sparse+dense, colbert+sparse+dense',
                  additionalProperties: { type: 'number' },
                },
                tokenCount: { type: 'integer' },
                truncated: { type: 'boolean' },
                tokens: { type: 'array', items: schemas.token },
                sparse: { type: 'array', items: schemas.weight },
                alignment: {
                  type: 'array',
                  items: {
                    type: 'object',
                    properties: {
                      query: { type: 'integer' },
                      passage: { type: 'integer' },
                      similarity: { type: 'number' },
                    },
                  },
                },
              },
            },
          },
          matrix: { type: 'array', items: schemas.numbers },
        },
      },
    ],
  }),
}

export function similarityRoutes(app: FastifyInstance, context: ServerContext): void {
  app.post<{ Body: SimilarityBody }>(
    '/similarity',
    {
      schema,
      config: { work: true, errors: (body) => (isTei(body) ? 'tei' : 'openai') },
    },
    async (request, reply) => {
      const { body } = request
      if (body.inputs) return cosinesOf(context, request, body.inputs)
      const { weights = DEFAULT_WEIGHTS, truncate, matrix = false } = body
      const query = required(body, 'query')
      const passages = required(body, 'passages')
      // wrong weights are said before anything is computed
      combineScores({}, weights)
      const texts = withPrompts(context, query, passages)
      await checkInputs(context, { texts }, 'passages')
      context.metrics.items(texts.length)
      const { info } = context
      const embeddings = await workOf(request)
        .embed(
          { texts },
          {
            outputs: info.outputs,
            prompt: WRITTEN_OUT,
            priority: 'interactive',
            truncate: truncation(truncate),
          },
        )
        .catch((error: unknown) => {
          throw ofQueryOr('passage', 'passages', error)
        })
      const described = await describe(context, texts, embeddings, request.body)
      const [first, ...rest] = described as [Described, ...Described[]]
      const [asked] = embeddings as [Embedding, ...Embedding[]]
      const { index: _, ...queryMembers } = first
      const answer: WireSimilarityResponse = {
        model: modelName(context),
        weights: [...weights],
        query: queryMembers,
        passages: rest.map((passage, i) => ({
          ...passage,
          ...scored(
            asked,
            embeddings[i + 1] as Embedding,
            weights,
            request.body.alignment ?? false,
          ),
        })),
        ...(matrix && { matrix: cosines(embeddings) }),
      }
      return sendJson(reply, [JSON.stringify(answer)])
    },
  )
}

const isTei = (body: unknown) => typeof body === 'object' && body !== null && 'inputs' in body

function required<K extends 'query' | 'passages'>(
  body: SimilarityBody,
  name: K,
): NonNullable<SimilarityBody[K]> {
  const value = body[name]
  if (value === undefined) {
    throw new HttpError(400, 'missing_field', `'${name}' is required.`, { param: name })
  }
  return value as NonNullable<SimilarityBody[K]>
}

/** TEI's answer: the cosine of each sentence with the source. */
async function cosinesOf(
  context: ServerContext,
  request: FastifyRequest<{ Body: SimilarityBody }>,
  { source_sentence, sentences }: NonNullable<SimilarityBody['inputs']>,
): Promise<number[]> {
  const texts = [source_sentence, ...sentences]
  if (texts.includes('')) {
    throw new HttpError(400, 'empty', "'inputs' must not be empty.", { param: 'inputs' })
  }
  await checkInputs(context, { texts }, 'inputs')
  context.metrics.items(texts.length)
  const [source, ...others] = await workOf(request).embed(
    { texts },
    {
      outputs: { dense: true, sparse: false, colbert: false },
      truncate: truncation(request.body.parameters?.truncate),
      normalize: true,
      priority: 'interactive',
    },
  )
  return others.map(({ dense }) => dot(source?.dense as Float32Array, dense as Float32Array))
}

type Described = Omit<WireSimilarity, 'scores' | 'alignment'>

/** Index (of the passage), counts, and the tokens and weights if asked for. */
async function describe(
  context: ServerContext,
  texts: readonly string[],
  embeddings: readonly Embedding[],
  { tokens: wantsTokens = false, alignment = false }: SimilarityBody,
): Promise<Described[]> {
  const described: Described[] = []
  for (const [i, embedding] of embeddings.entries()) {
    const { tokenCount, truncated, sparse } = embedding
    const tokens =
      wantsTokens || alignment ? await tokensOf(context, texts[i] as string, embedding) : undefined
    const pieces = wantsTokens && sparse ? await context.embedder.pieces(sparse.indices) : undefined
    described.push({
      index: i - 1,
      tokenCount,
      truncated,
      ...(tokens && { tokens }),
      ...(pieces && sparse && { sparse: weightsOf(sparse, pieces) }),
    })
  }
  return described
}

function scored(
  query: Embedding,
  passage: Embedding,
  weights: ScoreWeights,
  wantsAlignment: boolean,
): Pick<WireSimilarity, 'scores' | 'alignment'> {
  const scores: Partial<Scores> = computeScore(query, passage, { weights })
  if (!wantsAlignment || !query.colbert || !passage.colbert) return { scores }
  return { scores, alignment: alignTokens(query.colbert, passage.colbert) }
}

function cosines(embeddings: readonly Embedding[]): number[][] {
  const vectors = embeddings.map(({ dense }) => dense as Float32Array)
  const { data, rows, cols } = similarityMatrix(vectors)
  return Array.from({ length: rows }, (_, i) => Array.from(data.subarray(i * cols, (i + 1) * cols)))
}
