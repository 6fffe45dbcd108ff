/** Two sets of embeddings of the same texts: does the second say what the first says? */

import { InvalidInputError } from '../common/errors.js'
import { checkList, checkNumeric, checkObject, namesOf, refuseUnknown } from '../common/given.js'
import { compareDense } from './compare-dense.js'
import { compareColbert, compareSparse } from './compare-matrix.js'
import { rowsOf } from './rows.js'
import type { ComparedOutputs, CompareOptions, ComparisonReport, Vectors } from './types.js'

/**
 * Compares two sets of dense vectors of the same texts, row by row: A is the reference (float32, say),
 * B what replaces it (int8, another model, another run). Dimensions and precisions may differ between
 * the sets. Pairs that have a vector without a direction in either set are left out, and the notes say
 * so.
 *
 * @throws InvalidInputError when the sets differ in number, or a set's vectors in length
 */
export function compareEmbeddings(
  a: Vectors,
  b: Vectors,
  options: CompareOptions = {},
): ComparisonReport {
  const [left, right] = [rowsOf(a), rowsOf(b)]
  checkCounts(left.count, right.count, options)
  const notes: string[] = []
  const dense = compareDense(left, right, options, notes)
  return {
    kind: 'comparison',
    items: left.count,
    outputs: dense === undefined ? {} : { dense },
    notes,
  }
}

/**
 * The same for all outputs that every text has in both sets. Sparse similarities are lexical scores,
 * and ColBERT's its own score, the earlier text taken as the query; both are compared on a seeded
 * sample of texts where there are many (`maxItems`; fewer of long multi-vectors).
 *
 * @throws InvalidInputError as {@link compareEmbeddings}
 */
export function compareOutputs(
  a: readonly ComparedOutputs[],
  b: readonly ComparedOutputs[],
  options: CompareOptions = {},
): ComparisonReport {
  for (const set of [a, b]) {
    checkList(set, 'A set of embeddings')
    for (const item of set) checkObject(item, 'An embedding')
  }
  checkCounts(a.length, b.length, options)
  const notes: string[] = []
  const outputs: ComparisonReport['outputs'] = {}
  const [denseA, denseB] = [each(a, 'dense'), each(b, 'dense')]
  if (denseA && denseB) {
    const dense = compareDense(rowsOf(denseA), rowsOf(denseB), options, notes)
    if (dense) outputs.dense = dense
  }
  const [sparseA, sparseB] = [each(a, 'sparse'), each(b, 'sparse')]
  if (sparseA && sparseB) {
    const sparse = compareSparse(sparseA, sparseB, options, notes)
    if (sparse) outputs.sparse = sparse
  }
  const [colbertA, colbertB] = [each(a, 'colbert'), each(b, 'colbert')]
  if (colbertA && colbertB) {
    const colbert = compareColbert(colbertA, colbertB, options, notes)
    if (colbert) outputs.colbert = colbert
  }
  return { kind: 'comparison', items: a.length, outputs, notes }
}

/** That output of every text, or nothing when one lacks it. */
function each<K extends keyof ComparedOutputs>(
  set: readonly ComparedOutputs[],
  output: K,
): NonNullable<ComparedOutputs[K]>[] | undefined {
  const found = set.map((item) => item[output])
  return found.includes(undefined) ? undefined : (found as NonNullable<ComparedOutputs[K]>[])
}

const NAMES = namesOf<CompareOptions>({
  ids: 1,
  k: 1,
  maxPairs: 1,
  maxQueries: 1,
  maxItems: 1,
  clusters: 1,
  seed: 1,
})

function checkCounts(a: number, b: number, options: CompareOptions): void {
  refuseUnknown(options, NAMES, 'A comparison')
  const { ids, ...numbers } = options
  checkNumeric(numbers)
  if (ids !== undefined) checkList(ids, '`ids`')
  if (a !== b) throw new InvalidInputError(`Sets of ${a} and ${b} embeddings do not compare.`)
  if (ids !== undefined && ids.length !== a) {
    throw new InvalidInputError(`There are ${a} embeddings, but ${ids.length} ids.`)
  }
}
