/** The best k of many. */

import { InvalidInputError } from '../common/errors.js'
import { checkNumbers, refuseUnknown, shown } from '../common/given.js'
import { isDistance } from './dense.js'
import { similarities } from './matrix.js'
import type { DenseInput } from './outputs-of.js'
import type { Metric, VectorSet } from './types.js'

/** One of the best. */
export interface Hit {
  /** Position in the set that was searched. */
  index: number
  /** By the metric that was asked for. */
  score: number
}

/**
 * The `k` nearest of `vectors` to `query`, nearest first; equal scores by position. Fewer than `k`
 * when there are fewer. A vector whose score is NaN is never a hit.
 *
 * @throws InvalidInputError when lengths differ, or `k` is not a whole number from 0.
 * @example
 * const [query, ...passages] = await m3.embed(['a query', 'one text', 'another'])
 * const [best] = topK(query, passages, 1) // { index, score }
 */
export function topK(
  query: DenseInput,
  vectors: VectorSet,
  k: number,
  options: { metric?: Metric } = {},
): Hit[] {
  refuseUnknown(options, ['metric'], 'topK')
  const metric = options.metric ?? 'cosine'
  return topKScores(similarities(query, vectors, { metric }), k, { lowest: isDistance(metric) })
}

/** The same, of scores that are there already: the `k` highest, or with `lowest` the lowest. */
export function topKScores(
  scores: ArrayLike<number>,
  k: number,
  options: { lowest?: boolean } = {},
): Hit[] {
  refuseUnknown(options, ['lowest'], 'topKScores')
  checkNumbers(scores, 'Scores')
  if (!Number.isInteger(k) || k < 0) {
    throw new InvalidInputError(`k must be a whole number from 0, not ${shown(k)}.`)
  }
  const sign = options.lowest ? -1 : 1
  if (k === 0) return []
  // A heap with the worst hit on top: a candidate that does not beat it costs one comparison. At an
  // equal score it does not, having come later.
  const heap: Hit[] = []
  const worse: Order = (a, b) =>
    a.score === b.score ? a.index > b.index : sign * a.score < sign * b.score
  for (let index = 0; index < scores.length; index++) {
    const score = scores[index] as number
    if (Number.isNaN(score)) continue
    if (heap.length < k) siftUp(heap, { index, score }, worse)
    else if (sign * score > sign * (heap[0] as Hit).score) siftDown(heap, { index, score }, worse)
  }
  return heap.sort((a, b) => (worse(a, b) ? 1 : -1))
}

type Order = (a: Hit, b: Hit) => boolean

function siftUp(heap: Hit[], hit: Hit, before: Order): void {
  let at = heap.length
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!before(hit, heap[parent] as Hit)) break
    heap[at] = heap[parent] as Hit
    at = parent
  }
  heap[at] = hit
}

/** Puts `hit` in the place of the top. */
function siftDown(heap: Hit[], hit: Hit, before: Order): void {
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && before(heap[child + 1] as Hit, heap[child] as Hit)) child++
    if (!before(heap[child] as Hit, hit)) break
    heap[at] = heap[child] as Hit
    at = child
  }
  heap[at] = hit
}
