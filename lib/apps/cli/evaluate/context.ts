/** What the parts of `bge-m3 evaluate` share. */

import type { EmbedOptions, Outputs } from '../../../common/types.js'
import type { Embedder } from '../../../embedder/embedder.js'
import type { Reranker } from '../../../embedder/reranker.js'
import type { OptionValues } from '../../../options/table.js'
import type { ScoreWeights } from '../../../scoring/hybrid.js'
import { type CliIo, say } from '../shared/io.js'
import { present } from '../shared/present.js'

export interface EvaluateFlags {
  corpus?: string
  queries?: string
  qrels?: string
  sts?: string
  golden?: string
  input?: string
  save?: boolean
  colbert?: boolean
  tolerance?: string
  weights?: string
  /** File or name of a re-ranker. */
  rerank?: string
  candidates: number
  ignoreUnknown?: boolean
  excludeSelf?: boolean
  seed: number
  json?: boolean
}

/** What each part of an evaluation gets. */
export interface EvaluateContext {
  io: CliIo
  embedder: Embedder
  reranker: Reranker | undefined
  flags: EvaluateFlags
  outputs: Required<Outputs>
  weights: ScoreWeights
  /** For `embed`; the outputs are each part's own. */
  options: Pick<EmbedOptions, 'maxTokens' | 'truncate' | 'cache' | 'signal'>
}

/** Resamples of an interval. */
export const SAMPLES = 1000

export function contextOf(
  io: CliIo,
  { embedder, reranker }: Pick<EvaluateContext, 'embedder' | 'reranker'>,
  flags: EvaluateFlags,
  weights: ScoreWeights,
  { maxTokens, truncate }: OptionValues,
): EvaluateContext {
  const { outputs } = embedder.info
  if (!(outputs.sparse && outputs.colbert)) {
    say(io, 'note: this model has no heads, so it is evaluated dense only.')
  }
  return {
    io,
    embedder,
    reranker,
    flags,
    outputs: { ...outputs, colbert: outputs.colbert && flags.colbert !== false },
    weights,
    // a corpus passes by once: it would only push others out of the cache
    options: { ...present({ maxTokens, truncate }), cache: false, signal: io.signal },
  }
}
