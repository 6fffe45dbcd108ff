/**
 * Vercel AI SDK: `bge-m3-node/ai-sdk`. Models for `embed`, `embedMany` and `rerank` of `ai` 6 and 7, which both
 * take the specification v3. Needs nothing of the SDK at run time.
 */

import type { AbortSignalLike } from '../../common/abort.js'
import { InvalidInputError } from '../../common/errors.js'
import { checkList, checkObject, shown } from '../../common/given.js'
import type { Embedder } from '../../embedder/embedder.js'
import { checkRanker, type DocumentRanker, type RerankAdapterOptions, rankTexts } from './rerank.js'
import { type AdapterOptions, checkAdapter, denseVectors } from './vectors.js'

export type { DocumentRanker, RerankAdapterOptions } from './rerank.js'
export type { AdapterOptions } from './vectors.js'

/**
 * Values of one call: `embedMany` cuts longer lists, and a call's results are in memory until it is
 * done.
 */
const MAX_PER_CALL = 1024

/** Options of `embeddingModel`. */
export interface ModelOptions extends AdapterOptions {
  /**
   * Which side of retrieval its texts are on, for models with a prompt for each; the SDK does not tell them
   * apart. Default: the model's own default.
   */
  side?: 'query' | 'passage'
}

/** What the SDK calls `EmbeddingModelV3`. Spelled out, since each version of the SDK has types of its own. */
export interface BgeM3EmbeddingModel {
  readonly specificationVersion: 'v3'
  readonly provider: string
  readonly modelId: string
  readonly maxEmbeddingsPerCall: number
  readonly supportsParallelCalls: boolean
  /** @throws BatchError naming each value that could not be embedded */
  doEmbed(call: {
    values: string[]
    abortSignal?: AbortSignalLike | undefined
    /** What `ai` 7 asks for. */
    dimensions?: number | undefined
  }): Promise<{
    embeddings: number[][]
    /** `<s>` and `</s>` included. */
    usage: { tokens: number }
    warnings: []
  }>
}

/**
 * A model for `embed` and `embedMany` of the AI SDK: dense vectors of length 1.
 *
 * @param embedder stays the caller's: dispose it yourself
 */
export function embeddingModel(
  embedder: Embedder,
  options: ModelOptions = {},
): BgeM3EmbeddingModel {
  const { side, ...rest } = { ...options }
  checkAdapter(embedder, rest, 'embeddingModel')
  if (side !== undefined && side !== 'query' && side !== 'passage') {
    throw new InvalidInputError(`The option \`side\` must be query or passage, not ${shown(side)}.`)
  }
  return {
    specificationVersion: 'v3',
    provider: 'bge-m3-node',
    modelId: embedder.info.name,
    maxEmbeddingsPerCall: MAX_PER_CALL,
    // calls share batches
    supportsParallelCalls: true,
    async doEmbed(call) {
      checkObject(call, 'A call')
      const { values, abortSignal, dimensions } = call
      const asked = dimensions === undefined ? rest : { ...rest, dimensions }
      const { vectors, tokens } = await denseVectors(embedder, values, asked, {
        side,
        signal: abortSignal,
      })
      return { embeddings: vectors, usage: { tokens }, warnings: [] }
    },
  }
}

/** What the SDK calls `RerankingModelV3`. */
export interface BgeM3RerankingModel {
  readonly specificationVersion: 'v3'
  readonly provider: string
  readonly modelId: string
  /** @throws BatchError naming each document that could not be scored */
  doRerank(call: {
    documents:
      | { type: 'text'; values: string[] }
      // biome-ignore lint/suspicious/noExplicitAny: the SDK's own type of JSON, which is not ours to name
      | { type: 'object'; values: any[] }
    query: string
    topN?: number | undefined
    abortSignal?: AbortSignalLike | undefined
  }): Promise<{
    /** Best first; `relevanceScore` is a re-ranker's relevance, 0 to 1, or the score of an embedder's outputs. */
    ranking: { index: number; relevanceScore: number }[]
    warnings: []
  }>
}

/**
 * A model for `rerank` of the AI SDK. Documents that are objects are re-ranked as their JSON.
 *
 * @param ranker stays the caller's: dispose it yourself
 */
export function rerankingModel<Ranker extends DocumentRanker>(
  ranker: Ranker,
  options: RerankAdapterOptions<Ranker> = {} as RerankAdapterOptions<Ranker>,
): BgeM3RerankingModel {
  checkRanker(ranker, options, 'rerankingModel')
  return {
    specificationVersion: 'v3',
    provider: 'bge-m3-node',
    modelId: ranker.info.name,
    async doRerank(call) {
      checkObject(call, 'A call')
      const { documents, query, topN = options.topN, abortSignal } = call
      checkObject(documents, 'The documents')
      const { type, values } = documents
      checkList(values, 'The documents')
      const texts = type === 'object' ? values.map(jsonOf) : values
      const ranking = await rankTexts(ranker, query, texts, {
        ...options,
        topN,
        signal: abortSignal,
      })
      return {
        ranking: ranking.map(({ index, relevance }) => ({ index, relevanceScore: relevance })),
        warnings: [],
      }
    },
  }
}

/** @throws InvalidInputError for what is no JSON, such as an object that holds itself */
function jsonOf(value: unknown, index: number): string {
  try {
    return JSON.stringify(value)
  } catch (cause) {
    throw new InvalidInputError(`The document at index ${index} is no JSON.`, { cause, index })
  }
}
