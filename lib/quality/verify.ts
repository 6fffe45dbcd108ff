/** Do the vectors belong to their texts? Only embedding the texts again can tell. */

import { InvalidInputError } from '../common/errors.js'
import { checkFunction, checkList, checkNumeric, refuseUnknown } from '../common/given.js'
import { cosine } from '../scoring/dense.js'
import type { Vector } from '../scoring/types.js'
import { rowsOf } from './rows.js'
import { sampleIndices } from './sample.js'
import type { Vectors } from './types.js'

/** Options of `verifyRows`. */
export interface VerifyOptions {
  ids?: readonly string[]
  /** Rows that are embedded again; of more a seeded sample. Default 100; `Infinity` for all. */
  sample?: number
  /** A row is wrong below this cosine. Default 0.99. */
  cosine?: number
  /** Texts handed to `embed` at a time. Default 64. */
  batch?: number
  seed?: number
}

/** What `verifyRows` found. */
export interface Verification {
  kind: 'verification'
  vectors: number
  checked: number
  mismatches: { index: number; id?: string; cosine: number | null }[]
  /**
   * The share of wrong rows that, at 95 % confidence, is not exceeded: 0 when all were checked and
   * right, 0.03 when a sample of 100 was (the "rule of three"). `null` when mismatches were found.
   */
  wrongAtMost: number | null
}

/**
 * Embeds a sample of the texts again and compares. It finds swapped rows and vectors of other texts,
 * which look as good as any, as far as they are in the sample: of a share `p` of wrong rows a sample of
 * `s` misses all with a chance of about (1 - p)^s.
 *
 * @param embed `(texts) => vectors`, such as
 *   `async (texts) => (await m3.embed(texts)).map((e) => e.dense)`
 * @throws InvalidInputError when texts and vectors differ in number
 */
export async function verifyRows(
  vectors: Vectors,
  texts: readonly string[],
  embed: (texts: string[]) => Promise<readonly Vector[]>,
  options: VerifyOptions = {},
): Promise<Verification> {
  refuseUnknown(options, ['ids', 'sample', 'cosine', 'batch', 'seed'], 'verifyRows')
  const { sample = 100, cosine: least = 0.99, batch = 64, seed = 0, ids } = options
  checkNumeric({ sample, cosine: least, batch, seed })
  if (!(batch >= 1)) throw new InvalidInputError('`batch` must be at least 1.')
  checkList(texts, 'Texts')
  checkFunction('embed', embed ?? null)
  const rows = rowsOf(vectors)
  if (rows.count !== texts.length) {
    throw new InvalidInputError(`There are ${rows.count} vectors, but ${texts.length} texts.`)
  }
  const picks = sampleIndices(rows.count, sample, seed)
  const mismatches: Verification['mismatches'] = []
  for (let at = 0; at < picks.length; at += batch) {
    const part = Array.from(picks.subarray(at, at + batch))
    const again = await embed(part.map((index) => texts[index] as string))
    part.forEach((index, i) => {
      const agreement = agreementOf(rows.vector(index), again[i])
      if (agreement !== null && agreement >= least) return
      const id = ids?.[index]
      mismatches.push({ index, ...(id === undefined ? {} : { id }), cosine: agreement })
    })
  }
  return {
    kind: 'verification',
    vectors: rows.count,
    checked: picks.length,
    mismatches,
    wrongAtMost: bound(rows.count, picks.length, mismatches.length),
  }
}

/** `null` where the two do not compare. */
function agreementOf(vector: Vector, again: Vector | undefined): number | null {
  if (again === undefined) return null
  try {
    const value = cosine(vector, again)
    return Number.isFinite(value) ? value : null
  } catch (error) {
    if (error instanceof InvalidInputError) return null
    throw error
  }
}

function bound(count: number, checked: number, mismatches: number): number | null {
  if (mismatches > 0) return null
  if (checked === count) return 0
  return checked === 0 ? 1 : 1 - 0.05 ** (1 / checked)
}
