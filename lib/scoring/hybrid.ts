/** FlagEmbedding's `compute_score`: the three scores and their weighted means. */

import { InvalidInputError } from '../common/errors.js'
import { checkList, checkNumeric, checkObject, refuseUnknown } from '../common/given.js'
import { isTyped } from '../common/realms.js'
import { colbertScore } from './colbert.js'
import { cosine, dot } from './dense.js'
import { lexicalScore } from './sparse.js'
import type { MultiVector, ScoredOutputs, SparseVector, Vector } from './types.js'

/** Weights of the dense, sparse and ColBERT scores, in FlagEmbedding's order. */
export type ScoreWeights = readonly [dense: number, sparse: number, colbert: number]

/** FlagEmbedding's default. The model card's example uses `[0.4, 0.2, 0.4]`. */
export const DEFAULT_WEIGHTS: ScoreWeights = [1, 1, 1]

/** FlagEmbedding's five modes under its own names. */
export interface Scores<T = number> {
  /** Mean, over the query's rows, of the best match in the passage. */
  colbert: T
  /** Sum over shared tokens of the product of their weights. */
  sparse: T
  /** Inner product. */
  dense: T
  /** (w0 * dense + w1 * sparse) / (w0 + w1) */
  'sparse+dense': T
  /** (w0 * dense + w1 * sparse + w2 * colbert) / (w0 + w1 + w2) */
  'colbert+sparse+dense': T
}

/** The names of the five modes. */
export const SCORE_MODES = [
  'colbert',
  'sparse',
  'dense',
  'sparse+dense',
  'colbert+sparse+dense',
] as const satisfies readonly (keyof Scores)[]

/** The outputs of a text with all three there. */
export interface AllOutputs extends ScoredOutputs {
  readonly dense: Vector
  readonly sparse: SparseVector
  readonly colbert: MultiVector
}

/** Options of `computeScore`. */
export interface ScoreOptions {
  /** Default: `[1, 1, 1]`. */
  weights?: ScoreWeights
}

/** A query's and a passage's outputs. */
export type ScorePair<T extends ScoredOutputs = ScoredOutputs> = readonly [query: T, passage: T]

/**
 * Scores a query against a passage in FlagEmbedding's five modes, or a list of such pairs, whose
 * scores come as a list per mode.
 *
 * Where an output is missing on either side, the modes that need it are left out: a model without
 * heads scores `dense` only. Over a list a mode is there when every pair has it.
 *
 * The dense score is the inner product, as in FlagEmbedding; of int8 and packed bits, which carry no
 * scale, the cosine.
 *
 * @throws InvalidInputError for weights that are not three finite numbers from 0, or add up to 0; when
 * dimensions differ; or where the two have no output in common.
 * @example
 * const [query, passage] = await m3.embed(['a query', 'one text'], { outputs: 'all' })
 * const { dense, 'sparse+dense': both } = computeScore(query, passage)
 */
export function computeScore(query: AllOutputs, passage: AllOutputs, options?: ScoreOptions): Scores
export function computeScore(
  query: ScoredOutputs,
  passage: ScoredOutputs,
  options?: ScoreOptions,
): Partial<Scores>
export function computeScore(
  pairs: readonly ScorePair<AllOutputs>[],
  options?: ScoreOptions,
): Scores<number[]>
export function computeScore(
  pairs: readonly ScorePair[],
  options?: ScoreOptions,
): Partial<Scores<number[]>>
export function computeScore(
  first: ScoredOutputs | readonly ScorePair[],
  second?: ScoredOutputs | ScoreOptions,
  third?: ScoreOptions,
): Partial<Scores> | Partial<Scores<number[]>> {
  checkObject(first, 'What is scored')
  const options = isPairs(first) ? second : third
  if (options !== undefined) refuseUnknown(options, ['weights'], 'computeScore')
  if (!isPairs(first)) {
    if (second === undefined) throw new InvalidInputError('computeScore needs a passage.')
    return pairScores(first, second as ScoredOutputs, third?.weights)
  }
  const weights = (second as ScoreOptions | undefined)?.weights
  const each = first.map((pair) => {
    checkList(pair, 'A pair')
    return pairScores(pair[0], pair[1], weights)
  })
  const lists: Partial<Scores<number[]>> = {}
  for (const mode of SCORE_MODES) {
    const scores = each.map((scores) => scores[mode]).filter((score) => score !== undefined)
    if (scores.length === each.length) lists[mode] = scores
  }
  return lists
}

/**
 * The weighted mean of the scores whose weight is above zero: with all three weights, FlagEmbedding's
 * `colbert+sparse+dense`.
 *
 * @throws InvalidInputError when an output with a weight is missing, and as {@link computeScore}.
 */
export function hybridScore(
  query: ScoredOutputs,
  passage: ScoredOutputs,
  weights: ScoreWeights = DEFAULT_WEIGHTS,
): number {
  checkWeights(weights)
  checkObject(query, 'A query')
  checkObject(passage, 'A passage')
  const needed = (output: 'dense' | 'sparse' | 'colbert', weight: number) => {
    if (weight > 0 && (query[output] === undefined || passage[output] === undefined)) {
      throw new InvalidInputError(`A hybrid score with a weight for ${output} needs that output.`)
    }
    return weight > 0
  }
  const only = (side: ScoredOutputs): ScoredOutputs => ({
    dense: needed('dense', weights[0]) ? side.dense : undefined,
    sparse: needed('sparse', weights[1]) ? side.sparse : undefined,
    colbert: needed('colbert', weights[2]) ? side.colbert : undefined,
  })
  const { dense = 0, sparse = 0, colbert = 0 } = partScores(only(query), only(passage))
  return weightedMean([dense, sparse, colbert], weights)
}

/**
 * The five modes from the three scores: FlagEmbedding's arithmetic alone. Modes whose parts are
 * missing are left out, and so is a mean whose weights add up to zero.
 */
export function combineScores(
  parts: { dense?: number; sparse?: number; colbert?: number },
  weights: ScoreWeights = DEFAULT_WEIGHTS,
): Partial<Scores> {
  checkWeights(weights)
  checkObject(parts, 'The scores')
  const { dense, sparse, colbert } = parts
  checkNumeric({ dense, sparse, colbert })
  const scores: Partial<Scores> = {}
  if (colbert !== undefined) scores.colbert = colbert
  if (sparse !== undefined) scores.sparse = sparse
  if (dense !== undefined) scores.dense = dense
  if (dense === undefined || sparse === undefined) return scores
  if (weights[0] + weights[1] > 0) {
    scores['sparse+dense'] = weightedMean([dense, sparse, 0], [weights[0], weights[1], 0])
  }
  if (colbert !== undefined) {
    scores['colbert+sparse+dense'] = weightedMean([dense, sparse, colbert], weights)
  }
  return scores
}

/** @throws InvalidInputError where nothing can be compared */
function pairScores(
  query: ScoredOutputs,
  passage: ScoredOutputs,
  weights: ScoreWeights | undefined,
): Partial<Scores> {
  const parts = partScores(query, passage)
  if (Object.keys(parts).length > 0) return combineScores(parts, weights)
  throw new InvalidInputError(
    'The two embeddings have no output in common: ask for the same ones with the option `outputs`.',
  )
}

function partScores(
  query: ScoredOutputs,
  passage: ScoredOutputs,
): { dense?: number; sparse?: number; colbert?: number } {
  checkObject(query, 'A query')
  checkObject(passage, 'A passage')
  const parts: { dense?: number; sparse?: number; colbert?: number } = {}
  if (query.dense !== undefined && passage.dense !== undefined) {
    parts.dense = denseScore(query.dense, passage.dense)
  }
  if (query.sparse !== undefined && passage.sparse !== undefined) {
    parts.sparse = lexicalScore(query.sparse, passage.sparse)
  }
  if (query.colbert !== undefined && passage.colbert !== undefined) {
    parts.colbert = colbertScore(query.colbert, passage.colbert)
  }
  return parts
}

function denseScore(a: Vector, b: Vector): number {
  const unscaled = (vector: Vector) => isTyped(vector, 'Int8Array') || isTyped(vector, 'Uint8Array')
  return unscaled(a) || unscaled(b) ? cosine(a, b) : dot(a, b)
}

function weightedMean(scores: ScoreWeights, weights: ScoreWeights): number {
  const total = weights[0] + weights[1] + weights[2]
  return (scores[0] * weights[0] + scores[1] * weights[1] + scores[2] * weights[2]) / total
}

/** @throws InvalidInputError for weights that are not three finite numbers from 0, or add up to 0 */
export function checkWeights(weights: ScoreWeights): void {
  const valid =
    Array.isArray(weights) &&
    weights.length === 3 &&
    weights.every((weight) => Number.isFinite(weight) && weight >= 0)
  if (!valid || weights[0] + weights[1] + weights[2] === 0) {
    throw new InvalidInputError(
      'weights are three numbers from 0 for dense, sparse and ColBERT, and not all zero.',
    )
  }
}

function isPairs(value: ScoredOutputs | readonly ScorePair[]): value is readonly ScorePair[] {
  return Array.isArray(value)
}
