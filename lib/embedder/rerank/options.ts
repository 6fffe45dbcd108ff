/** One call's options of a re-ranker. */

import { InvalidInputError } from '../../common/errors.js'
import { checkFunction, checkSignal, namesOf, refuseUnknown, shown } from '../../common/given.js'
import { checkOptions } from '../../options/table.js'
import { checkTopN } from './given.js'
import type { PairTruncation, RerankOptions } from './types.js'

const NAMES = namesOf<RerankOptions>({
  topN: 1,
  maxTokens: 1,
  truncate: 1,
  signal: 1,
  onProgress: 1,
})

const TRUNCATIONS: readonly PairTruncation[] = ['error', 'document', 'longest']

/**
 * @param of the call that takes them
 * @throws InvalidInputError for options that are wrong
 */
export function checkPairOptions(
  options: RerankOptions,
  of: 'rerank' | 'predict' = 'rerank',
): RerankOptions & { truncate: PairTruncation } {
  refuseUnknown(options, of === 'rerank' ? NAMES : NAMES.filter((name) => name !== 'topN'), of)
  const { topN, truncate = 'error', signal, onProgress } = options
  const { maxTokens } = checkOptions({ maxTokens: options.maxTokens })
  checkTopN(topN)
  checkSignal(signal)
  checkFunction('onProgress', onProgress)
  if (!TRUNCATIONS.includes(truncate)) {
    throw new InvalidInputError(
      `The option \`truncate\` must be ${TRUNCATIONS.join(', ')}, not ${shown(truncate)}.`,
    )
  }
  return { topN, maxTokens, truncate, signal, onProgress }
}
