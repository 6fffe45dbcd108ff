/** Options of counting tokens. */

import { checkRange, refuseUnknown } from '../common/given.js'
import type { CountOptions } from '../common/types.js'

const MOST = 2 ** 31

/** @throws InvalidInputError */
export function checkAtMost(options: CountOptions): number | undefined {
  refuseUnknown(options, ['atMost'], 'countTokens')
  checkRange('atMost', options.atMost, 2, MOST)
  return options.atMost
}
