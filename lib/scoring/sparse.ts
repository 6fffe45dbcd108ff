/** Lexical weights. */

import { InvalidInputError } from '../common/errors.js'
import { checkList, checkNumbers, checkNumeric, checkObject } from '../common/given.js'
import { isMap } from '../common/realms.js'
import { type SparseInput, sparseOf } from './outputs-of.js'
import { MAX_ENTRIES, type Matrix, type SparseVector } from './types.js'

/**
 * Lexical score: the sum, over the token ids both texts have, of the product of their weights
 * (FlagEmbedding's `compute_lexical_matching_score`). 0 when they share none.
 *
 * @throws InvalidInputError when indices and values differ in number, or indices do not ascend.
 */
export function lexicalScore(first: SparseInput, second: SparseInput): number {
  const a = checkedSparse(first)
  const b = checkedSparse(second)
  let sum = 0
  let i = 0
  let j = 0
  while (i < a.indices.length && j < b.indices.length) {
    const x = a.indices[i] as number
    const y = b.indices[j] as number
    if (x === y) sum += (a.values[i++] as number) * (b.values[j++] as number)
    else if (x < y) i++
    else j++
  }
  return sum
}

/**
 * Lexical scores between two lists: entry `[i * cols + j]` is `lexicalScore(a[i], b[j])`, as float32.
 *
 * @throws InvalidInputError as {@link lexicalScore}, and for more scores than a matrix may have.
 */
export function lexicalMatrix(a: readonly SparseInput[], b: readonly SparseInput[] = a): Matrix {
  checkList(a, 'What is scored')
  checkList(b, 'What is scored')
  if (a.length * b.length > MAX_ENTRIES) {
    throw new InvalidInputError(
      `A matrix of ${a.length} x ${b.length} scores is too large: compare in parts.`,
    )
  }
  const postings = new Map<number, { column: number; weight: number }[]>()
  b.forEach((given, column) => {
    const vector = checkedSparse(given)
    vector.values.forEach((weight, i) => {
      const id = vector.indices[i] as number
      const list = postings.get(id)
      if (list) list.push({ column, weight })
      else postings.set(id, [{ column, weight }])
    })
  })
  const out = { data: new Float32Array(a.length * b.length), rows: a.length, cols: b.length }
  a.forEach((given, row) => {
    const vector = checkedSparse(given)
    // by ascending id, as one pair is summed
    const sums = new Float64Array(b.length)
    vector.values.forEach((weight, i) => {
      for (const other of postings.get(vector.indices[i] as number) ?? []) {
        sums[other.column] = (sums[other.column] as number) + weight * other.weight
      }
    })
    out.data.set(sums, row * b.length)
  })
  return out
}

/**
 * A sparse vector from FlagEmbedding's `lexical_weights`: a record or map from token id to weight.
 *
 * @throws InvalidInputError when a key is not a token id.
 */
export function sparseFromWeights(
  weights: Readonly<Record<string, number>> | ReadonlyMap<number, number>,
): { indices: Uint32Array; values: Float32Array } {
  checkObject(weights, 'Lexical weights')
  const entries: [number, number][] = isMap(weights)
    ? [...weights]
    : Object.entries(weights).map(([id, weight]) => [id.trim() === '' ? -1 : Number(id), weight])
  for (const [id, weight] of entries) {
    checkNumeric({ weight })
    if (!Number.isInteger(id) || id < 0 || id > 0xffffffff) {
      throw new InvalidInputError(
        'The keys of lexical weights are token ids: whole numbers from 0.',
      )
    }
  }
  entries.sort(([a], [b]) => a - b)
  const vector = {
    indices: Uint32Array.from(entries, ([id]) => id),
    values: Float32Array.from(entries, ([, weight]) => weight),
  }
  checkSparse(vector) // "1" and "01" are one id
  return vector
}

/** The lexical weights of what is given. @throws InvalidInputError */
export function checkedSparse(given: SparseInput): SparseVector {
  const vector = sparseOf(given)
  checkSparse(vector)
  return vector
}

/** @throws InvalidInputError for what is no sparse vector */
export function checkSparse(vector: SparseVector): void {
  checkObject(vector, 'A sparse vector')
  const { indices, values } = vector
  checkNumbers(indices, 'Sparse `indices`')
  checkNumbers(values, 'Sparse `values`')
  if (indices.length !== values.length) {
    throw new InvalidInputError(
      `A sparse vector has as many values as indices, not ${values.length} and ${indices.length}.`,
    )
  }
  for (let i = 1; i < indices.length; i++) {
    if (!((indices[i - 1] as number) < (indices[i] as number))) {
      throw new InvalidInputError(`Sparse indices must ascend without repeats, unlike at ${i}.`)
    }
  }
}
