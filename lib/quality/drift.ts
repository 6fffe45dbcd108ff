import { distribution } from './stats.js'
import type { OutputComparison } from './types.js'

const WORST = 20

/**
 * How far items moved, and which ones farthest; `null` when there are none.
 *
 * @param index position of each item in the whole set
 */
export function driftOf(
  drifts: ArrayLike<number>,
  index: (item: number) => number,
  ids: readonly string[] | undefined,
): OutputComparison['drift'] {
  const shape = distribution(drifts)
  if (shape === null) return null
  const order = Uint32Array.from({ length: drifts.length }, (_, i) => i)
  order.sort((a, b) => (drifts[b] as number) - (drifts[a] as number))
  const worst = Array.from(order.subarray(0, WORST), (item) => {
    const at = index(item)
    const id = ids?.[at]
    return { index: at, ...(id === undefined ? {} : { id }), drift: drifts[item] as number }
  })
  return { ...shape, worst }
}
