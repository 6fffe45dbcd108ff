/** Late interaction of multi-vectors. */

import { InvalidInputError } from '../common/errors.js'
import { fromFloat16 } from '../common/float16.js'
import { checkNumbers, checkNumeric, checkObject } from '../common/given.js'
import { isTyped } from '../common/realms.js'
import { fromBinary } from '../outputs/precision.js'
import { dotNumbers } from './dense.js'
import { type ColbertInput, colbertOf } from './outputs-of.js'
import { matmulTransposed } from './simd.js'
import type { Matrix } from './types.js'

// Entries of the score tile: small enough to stay in the second-level cache beside the rows.
const TILE_ENTRIES = 32768

/**
 * ColBERT score as FlagEmbedding defines it: the **mean** over the query's rows of the largest inner
 * product with any row of the passage, (1/|q|) * sum_i max_j q_i . p_j. Not symmetric.
 *
 * Rows are of unit length, as bge-m3's are. int8 rows, which carry no scale, and packed bits are
 * brought to unit length first; float16 is unpacked.
 *
 * @throws InvalidInputError when the row lengths differ, or either side has no rows.
 */
export function colbertScore(query: ColbertInput, passage: ColbertInput): number {
  const best = maxSimilarities(query, passage)
  let sum = 0
  for (const similarity of best) sum += similarity
  return sum / best.length
}

/**
 * For each query row the largest inner product with a passage row: the addends of the ColBERT score.
 * NaN where the query row, or any passage row, has a NaN.
 */
export function maxSimilarities(query: ColbertInput, passage: ColbertInput): Float32Array {
  const q = rowsOf(query, 'query')
  const p = rowsOf(passage, 'passage')
  if (q.cols !== p.cols) {
    throw new InvalidInputError(`Rows of ${q.cols} and ${p.cols} dimensions do not compare.`)
  }
  const best = new Float32Array(q.rows).fill(Number.NEGATIVE_INFINITY)
  const tileRows = Math.max(1, Math.min(q.rows, Math.floor(TILE_ENTRIES / p.rows)))
  const tile = new Float32Array(tileRows * p.rows)
  for (let i = 0; i < q.rows; i += tileRows) {
    const m = Math.min(tileRows, q.rows - i)
    const rows = q.data.subarray(i * q.cols, (i + m) * q.cols)
    matmulTransposed(rows, p.data, tile, m, p.rows, q.cols)
    for (let r = 0; r < m; r++) {
      let largest = Number.NEGATIVE_INFINITY
      for (let j = r * p.rows; j < (r + 1) * p.rows; j++) {
        largest = Math.max(largest, tile[j] as number) // keeps NaN
      }
      best[i + r] = largest
    }
  }
  return best
}

/** Float32 rows of a multi-vector in any precision. */
function rowsOf(input: ColbertInput, side: string): Matrix {
  const vectors = colbertOf(input)
  checkObject(vectors, `The ${side}`)
  const { data, rows, cols } = vectors
  checkNumbers(data, `The ${side}'s \`data\``)
  checkNumeric({ rows, cols })
  const packed = isTyped(data, 'Uint8Array')
  if (!(rows >= 1 && cols >= 1) || data.length * (packed ? 8 : 1) !== rows * cols) {
    throw new InvalidInputError(
      `The ${side}'s ${data.length} elements are not ${rows} rows of ${cols}, or it has no rows.`,
    )
  }
  if (isTyped(data, 'Float32Array')) return { data, rows, cols }
  if (isTyped(data, 'Uint16Array')) return { data: fromFloat16(data), rows, cols }
  const values = packed ? fromBinary(data) : Float32Array.from(data)
  if (packed || isTyped(data, 'Int8Array')) {
    for (let i = 0; i < rows; i++) {
      const row = values.subarray(i * cols, (i + 1) * cols)
      const norm = Math.sqrt(dotNumbers(row, row))
      if (norm > 0) for (let t = 0; t < cols; t++) row[t] = (row[t] as number) / norm
    }
  }
  return { data: values, rows, cols }
}
