/** `POST /similarity`: a query against passages in FlagEmbedding's five scores. */

import type { FastifyInstance } from 'fastify'
import type { Embedding } from '../../../common/types.js'
import {
  combineScores,
  computeScore,
  DEFAULT_WEIGHTS,
  type Scores,
  type ScoreWeights,
} from '../../../scoring/hybrid.js'
import { similarityMatrix } from '../../../scoring/matrix.js'
import type { ServerContext } from '../core/context.js'
import { ofQueryOr } from '../core/errors.js'
import { checkInputs } from '../core/inputs.js'
import { workOf } from '../core/request-work.js'
import type { WireSimilarity, WireSimilarityResponse } from '../core/wire.js'
import { alignTokens } from './alignment.js'
import { tokensOf, truncation } from './embed-all.js'
import { sendJson, weightsOf } from './json.js'
import { modelName } from './model-name.js'
import * as schemas from './schemas.js'

interface SimilarityBody {
  query: string
  passages: string[]
  weights?: [number, number, number]
  truncate?: boolean
  tokens?: boolean
  alignment?: boolean
  matrix?: boolean
}

const flag = { type: 'boolean', description: 'true or false' }

const schema = {
  summary: 'A query against passages: dense, sparse, ColBERT and their means',
  description:
    'With `tokens` the tokens and lexical weights of all texts; with `alignment` the passage token that answers each query token best; with `matrix` the cosines of all texts with each other.',
  tags: ['bge-m3'],
  body: schemas.body(
    ['query', 'passages'],
    {
      query: { type: 'string', description: 'a text' },
      passages: {
        type: 'array',
        description: 'an array of texts',
        minItems: 1,
        items: { type: 'string', description: 'a text' },
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
    },
    { closed: true },
  ),
  response: schemas.responses({
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
  }),
}

export function similarityRoutes(app: FastifyInstance, context: ServerContext): void {
  app.post<{ Body: SimilarityBody }>(
    '/similarity',
    { schema, config: { work: true } },
    async (request, reply) => {
      const { query, passages, weights = DEFAULT_WEIGHTS, truncate, matrix = false } = request.body
      // wrong weights are said before anything is computed
      combineScores({}, weights)
      const texts = [query, ...passages]
      await checkInputs(context, { texts }, 'passages')
      context.metrics.items(texts.length)
      const { info } = context
      const embeddings = await workOf(request)
        .embed(
          { texts },
          {
            outputs: info.outputs,
            priority: 'interactive',
            truncate: truncate === undefined ? undefined : truncation(truncate),
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
        model: modelName(info),
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

type Described = Omit<WireSimilarity, 'scores' | 'alignment'>

/** Index (of the passage), counts, and the tokens and weights if asked for. */
async function describe(
  context: ServerContext,
  texts: readonly string[],
  embeddings: readonly Embedding[],
  { tokens: wantsTokens = false, alignment = false }: SimilarityBody,
): Promise<Described[]> {
  const pieces = wantsTokens || alignment ? await context.pieces() : undefined
  const described: Described[] = []
  for (const [i, embedding] of embeddings.entries()) {
    const { tokenCount, truncated, sparse } = embedding
    const tokens = await tokensOf(context, pieces, texts[i] as string, embedding)
    described.push({
      index: i - 1,
      tokenCount,
      truncated,
      ...(tokens && { tokens }),
      ...(wantsTokens &&
        pieces &&
        sparse && { sparse: weightsOf(sparse, (id) => pieces.piece(id)) }),
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
