/**
 * Measures of a ranking against graded judgements, as trec_eval (and so BEIR) defines them. A grade
 * above zero is relevant; zero and below is not, and gains nothing. A document that comes again, as one
 * does that several of its chunks were found for, counts at its first place alone. Without relevant
 * documents every measure is 0.
 */

import { InvalidInputError } from '../common/errors.js'
import { checkList, checkNumeric, shown } from '../common/given.js'
import { isMap } from '../common/realms.js'

/** Grades by document. */
export type Grades<T = string> = ReadonlyMap<T, number>

/** Share of the relevant documents that are among the first `k`. */
export function recallAt<T>(ranking: readonly T[], grades: Grades<T>, k: number): number {
  return share(found(ranking, grades, k).length, relevantIn(grades))
}

/** Share of the first `k` that is relevant; a ranking that is shorter lacks the rest. */
export function precisionAt<T>(ranking: readonly T[], grades: Grades<T>, k: number): number {
  return found(ranking, grades, k).length / k
}

/** 1 when a relevant document is among the first `k`, else 0 (trec_eval's `success`). */
export function accuracyAt<T>(ranking: readonly T[], grades: Grades<T>, k: number): number {
  return found(ranking, grades, k).length > 0 ? 1 : 0
}

/**
 * Average precision over the first `k` (trec_eval's `map_cut`): the precision at the place of each
 * relevant document, over the number of relevant ones. Its mean over queries is MAP.
 */
export function averagePrecisionAt<T>(ranking: readonly T[], grades: Grades<T>, k: number): number {
  const places = found(ranking, grades, k)
  const sum = places.reduce((sum, place, i) => sum + (i + 1) / (place + 1), 0)
  return share(sum, relevantIn(grades))
}

/**
 * Normalised discounted cumulative gain: the sum of grade / log2(rank + 1) over the first `k`, over the
 * same of the best possible order (trec_eval's `ndcg_cut`; Järvelin and Kekäläinen, 2002, with linear
 * gains).
 */
export function ndcgAt<T>(ranking: readonly T[], grades: Grades<T>, k: number): number {
  const gains = firstOf(ranking, grades, k).map((doc) => Math.max(0, grades.get(doc) ?? 0))
  const ideal = [...grades.values()].filter((grade) => grade > 0).sort((a, b) => b - a)
  return share(discounted(gains), discounted(ideal.slice(0, k)))
}

/** 1 over the rank of the first relevant document among the first `k`, else 0. */
export function reciprocalRankAt<T>(ranking: readonly T[], grades: Grades<T>, k: number): number {
  const [place] = found(ranking, grades, k)
  return place === undefined ? 0 : 1 / (place + 1)
}

/** The first `k` different documents. */
function firstOf<T>(ranking: readonly T[], grades: Grades<T>, k: number): T[] {
  checkList(ranking, 'A ranking')
  if (!isMap(grades)) throw new InvalidInputError('Grades are a Map of numbers by document.')
  for (const grade of grades.values()) checkNumeric({ grade })
  if (!Number.isInteger(k) || k < 1) {
    throw new InvalidInputError(`k must be a whole number from 1, not ${shown(k)}.`)
  }
  return [...new Set(ranking)].slice(0, k)
}

/** The places, from 0, of the relevant ones among the first `k`. */
function found<T>(ranking: readonly T[], grades: Grades<T>, k: number): number[] {
  return firstOf(ranking, grades, k).flatMap((doc, place) =>
    (grades.get(doc) ?? 0) > 0 ? [place] : [],
  )
}

function relevantIn(grades: Grades<unknown>): number {
  let relevant = 0
  for (const grade of grades.values()) if (grade > 0) relevant++
  return relevant
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}

function discounted(gains: readonly number[]): number {
  return gains.reduce((sum, gain, i) => sum + gain / Math.log2(i + 2), 0)
}
