/**
 * Vercel AI SDK: `bge-m3-node/ai-sdk`. A model for `embed` and `embedMany` of `ai` 7 (specification v4) and
 * of `ai` 6 (v3). Needs nothing of the SDK at run time.
 */

import type { AbortSignalLike } from '../../common/abort.js'
import { InvalidInputError } from '../../common/errors.js'
import { checkObject, shown } from '../../common/given.js'
import type { Embedder } from '../../embedder/embedder.js'
import { type AdapterOptions, checkAdapter, denseVectors } from './vectors.js'

export type { AdapterOptions } from './vectors.js'

/**
 * Values of one call: `embedMany` cuts longer lists, and a call's results are in memory until it is
 * done.
 */
const MAX_PER_CALL = 1024

/** Options of `embeddingModel`. */
export interface ModelOptions<Version extends 'v3' | 'v4' = 'v3' | 'v4'> extends AdapterOptions {
  /** Which of the SDK's interfaces it has. `v4` (default) is that of `ai` 7, `v3` that of `ai` 6. */
  specification?: Version
  /**
   * Which side of retrieval its texts are on, for models with a prompt for each; the SDK does not tell them
   * apart. Default: the model's own default.
   */
  side?: 'query' | 'passage'
}

/**
 * What the SDK calls `EmbeddingModelV3` and `EmbeddingModelV4`, as far as we have it. Spelled out, since each
 * version of the SDK has types of its own.
 */
export interface BgeM3EmbeddingModel<Version extends 'v3' | 'v4'> {
  readonly specificationVersion: Version
  readonly provider: string
  readonly modelId: string
  readonly maxEmbeddingsPerCall: number
  readonly supportsParallelCalls: boolean
  /** @throws BatchError naming each value that could not be embedded */
  doEmbed(call: {
    values: string[]
    abortSignal?: AbortSignalLike | undefined
    /** What v4 of the SDK asks for. */
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
export function embeddingModel<Version extends 'v3' | 'v4' = 'v4'>(
  embedder: Embedder,
  options: ModelOptions<Version> = {},
): BgeM3EmbeddingModel<Version> {
  const { specification = 'v4' as Version, side, ...rest } = { ...options }
  checkAdapter(embedder, rest, 'embeddingModel')
  if (specification !== 'v3' && specification !== 'v4') {
    throw new InvalidInputError(
      `The option \`specification\` must be v3 or v4, not ${shown(specification)}.`,
    )
  }
  if (side !== undefined && side !== 'query' && side !== 'passage') {
    throw new InvalidInputError(`The option \`side\` must be query or passage, not ${shown(side)}.`)
  }
  return {
    specificationVersion: specification,
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
