/**
 * LlamaIndex.TS: `bge-m3-node/llamaindex`. Its `BaseEmbedding` is a class that must be extended, so it is
 * imported when the embedding is made.
 */

import type { BaseEmbedding } from '@llamaindex/core/embeddings'
import type { MessageContent, MessageContentDetail } from '@llamaindex/core/llms'
import type { BaseNodePostprocessor } from '@llamaindex/core/postprocessor'
import type { MetadataMode, NodeWithScore } from '@llamaindex/core/schema'
import { InvalidInputError } from '../../common/errors.js'
import { checkList } from '../../common/given.js'
import { optional } from '../../common/optional.js'
import type { Embedder } from '../../embedder/embedder.js'
import { checkRanker, type DocumentRanker, type RerankAdapterOptions, rankTexts } from './rerank.js'
import { type AdapterOptions, checkAdapter, denseVector, denseVectors } from './vectors.js'

export type { DocumentRanker, RerankAdapterOptions } from './rerank.js'
export type { AdapterOptions } from './vectors.js'

/** Texts that LlamaIndex hands over at a time; its own default of 10 would leave batches half empty. */
const BATCH_SIZE = 256

/**
 * For `Settings.embedModel`, an index or an ingestion pipeline.
 *
 * @param embedder stays the caller's: dispose it yourself
 * @throws InvalidInputError when `@llamaindex/core` is not installed
 */
export async function llamaIndexEmbedding(
  embedder: Embedder,
  options: AdapterOptions = {},
): Promise<BaseEmbedding> {
  checkAdapter(embedder, options, 'llamaIndexEmbedding')
  const { BaseEmbedding: Base } = await optional(
    '@llamaindex/core',
    'bge-m3-node/llamaindex',
    () => import('@llamaindex/core/embeddings'),
  )

  class BgeM3Embedding extends Base {
    override embedBatchSize = BATCH_SIZE
    override embedInfo = {
      dimensions: options.dimensions ?? embedder.info.dimensions,
      maxTokens: options.maxTokens ?? embedder.info.maxTokens,
    }

    // biome-ignore lint/complexity/noUselessConstructor: the base's is protected
    constructor() {
      super()
    }

    getTextEmbedding(text: string): Promise<number[]> {
      return denseVector(embedder, text, options, 'passage')
    }

    /** With the model's prompt for queries; bge-m3 has none. */
    override async getQueryEmbedding(query: MessageContentDetail): Promise<number[] | null> {
      return query.type === 'text' ? denseVector(embedder, query.text, options, 'query') : null
    }

    // Base has a property here, not a method: one text after the other
    override getTextEmbeddings = async (texts: string[]): Promise<number[][]> =>
      (await denseVectors(embedder, texts, options, { side: 'passage' })).vectors

    // Base would cut texts by characters' tokens of another tokenizer; ours says what to do
    override truncateMaxTokens(input: string[]): string[] {
      return input
    }
  }
  return new BgeM3Embedding()
}

/**
 * A node postprocessor, for `nodePostprocessors` of a query engine: nodes in the order of a re-ranker, or of an
 * embedder's own outputs. What is scored of a node is what LlamaIndex embeds of it. A node's `score` is the
 * relevance, 0 to 1, or the outputs' score.
 *
 * @param ranker stays the caller's: dispose it yourself
 */
export function llamaIndexPostprocessor<Ranker extends DocumentRanker>(
  ranker: Ranker,
  options: RerankAdapterOptions<Ranker> = {} as RerankAdapterOptions<Ranker>,
): BaseNodePostprocessor {
  checkRanker(ranker, options, 'llamaIndexPostprocessor')
  return {
    async postprocessNodes(nodes: NodeWithScore[], query?: MessageContent) {
      checkList(nodes, 'The nodes')
      const texts = nodes.map(({ node }) => node.getContent('EMBED' as MetadataMode))
      const ranking = await rankTexts(ranker, queryText(query), texts, options)
      return ranking.map(({ index, relevance }) => ({
        ...(nodes[index] as NodeWithScore),
        score: relevance,
      }))
    },
  }
}

/** @throws InvalidInputError for a query without a text */
function queryText(query: MessageContent | undefined): string {
  const details = Array.isArray(query) ? (query as MessageContentDetail[]) : []
  const parts = typeof query === 'string' ? [query] : details.flatMap(textOf)
  if (parts.length === 0) throw new InvalidInputError('Re-ranking needs a query that is a text.')
  return parts.join('\n')
}

const textOf = (part: MessageContentDetail) => (part?.type === 'text' ? [part.text] : [])
