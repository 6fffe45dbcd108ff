/**
 * Measures of a ranking against graded judgements, as trec_eval (and so BEIR) defines them. A grade
 * above zero is relevant; zero and below is not, and gains nothing.
 */

import { InvalidInputError } from '../common/errors.js'
import { checkList, checkNumeric, shown } from '../common/given.js'

/** Grades by document. */
export type Grades<T = string> = ReadonlyMap<T, number>

/** Share of the relevant documents that are among the first `k`. NaN without relevant ones. */
export function recallAt<T>(ranking: readonly T[], grades: Grades<T>, k: number): number {
  checkRanking(ranking, grades)
  checkCutoff(k)
  let relevant = 0
  for (const grade of grades.values()) if (grade > 0) relevant++
  const found = ranking.slice(0, k).filter((doc) => (grades.get(doc) ?? 0) > 0).length
  return found / relevant
}

/**
 * Normalised discounted cumulative gain: the sum of grade / log2(rank + 1) over the first `k`, over the
 * same of the best possible order (trec_eval's `ndcg_cut`; Järvelin and Kekäläinen, 2002, with linear
 * gains). NaN without relevant documents.
 */
export function ndcgAt<T>(ranking: readonly T[], grades: Grades<T>, k: number): number {
  checkRanking(ranking, grades)
  checkCutoff(k)
  const ideal = [...grades.values()].filter((grade) => grade > 0).sort((a, b) => b - a)
  const gains = ranking.slice(0, k).map((doc) => Math.max(0, grades.get(doc) ?? 0))
  return discounted(gains) / discounted(ideal.slice(0, k))
}

function discounted(gains: readonly number[]): number {
  return gains.reduce((sum, gain, i) => sum + gain / Math.log2(i + 2), 0)
}

/** 1 over the rank of the first relevant document among the first `k`, else 0. NaN without any. */
export function reciprocalRankAt<T>(ranking: readonly T[], grades: Grades<T>, k: number): number {
  checkRanking(ranking, grades)
  checkCutoff(k)
  if (![...grades.values()].some((grade) => grade > 0)) return Number.NaN
  const at = ranking.slice(0, k).findIndex((doc) => (grades.get(doc) ?? 0) > 0)
  return at < 0 ? 0 : 1 / (at + 1)
}

function checkRanking(ranking: unknown, grades: unknown): void {
  checkList(ranking, 'A ranking')
  if (!(grades instanceof Map))
    throw new InvalidInputError('Grades are a Map of numbers by document.')
  for (const grade of grades.values()) checkNumeric({ grade })
}

function checkCutoff(k: number): void {
  if (!Number.isInteger(k) || k < 1) {
    throw new InvalidInputError(`k must be a whole number from 1, not ${shown(k)}.`)
  }
}
