/** Similarity of sentence pairs: only scores are kept. */

import { EmbedderError } from '../../../common/errors.js'
import { type StsPair, type StsScores, scorePair, stsMetrics } from '../../../quality/sts.js'
import type { EvaluationReport } from '../../../quality/types.js'
import { progressBar } from '../shared/progress-bar.js'
import { type EvaluateContext, SAMPLES } from './context.js'

const PAIRS = 32

/** @throws the first error when fewer than two pairs are left */
export async function evaluateSts(
  { io, embedder, outputs, options, weights, flags }: EvaluateContext,
  pairs: readonly StsPair[],
): Promise<EvaluationReport> {
  const scores: StsScores[] = []
  const gold: number[] = []
  let failure: EmbedderError | undefined
  const bar = progressBar(io, { label: 'pairs', total: pairs.length })
  try {
    for (let at = 0; at < pairs.length; at += PAIRS) {
      const block = pairs.slice(at, at + PAIRS)
      const results = await embedder.embed(
        block.flatMap(({ sentence1, sentence2 }) => [sentence1, sentence2]),
        { ...options, outputs, onError: 'collect' },
      )
      block.forEach(({ score }, i) => {
        const [first, second] = [results[2 * i], results[2 * i + 1]]
        const failed = [first, second].find((result) => result instanceof EmbedderError)
        if (failed instanceof EmbedderError) {
          failure ??= failed
          return
        }
        scores.push(scorePair(first as object, second as object, weights))
        gold.push(score)
      })
      bar.update(at + block.length)
    }
  } finally {
    bar.stop()
  }
  if (scores.length < 2 && failure) throw failure
  const failures = pairs.length - scores.length
  return {
    ...stsMetrics(scores, gold, { samples: SAMPLES, seed: flags.seed }),
    sts: { pairs: scores.length, failures },
    notes: failures > 0 ? [`${failures} pairs failed and are left out.`] : [],
  }
}
