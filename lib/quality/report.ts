/** A set of vectors: each one checked, and how they lie to each other. */

import { InvalidInputError } from '../common/errors.js'
import { checkList, checkNumeric, namesOf, refuseUnknown } from '../common/given.js'
import { isTyped } from '../common/realms.js'
import { exactDuplicates, nearDuplicates, type SameText } from './duplicates.js'
import { findOutliers } from './outliers.js'
import { type Rows, rowsOf, unitRows } from './rows.js'
import { sampleIndices } from './sample.js'
import { named, SetCheck, sizeOf } from './set-check.js'
import { setStatistics } from './set-statistics.js'
import { distribution, mean } from './stats.js'
import type { QualityOptions, QualityReport, Vectors } from './types.js'
import { checkReference } from './vector.js'

/** Mean cosine from which a set counts as collapsing. */
const COLLAPSING = 0.9
/** Mean cosine of bits from which a search by them misleads: test/real has the measurements. */
const LEANING = 0.4

const NAMES = namesOf<QualityOptions>({
  expectedDim: 1,
  reference: 1,
  normalized: 1,
  ids: 1,
  texts: 1,
  hashes: 1,
  expected: 1,
  expectedCosine: 1,
  nearDuplicate: 1,
  maxRows: 1,
  maxPairs: 1,
  maxIssues: 1,
  seed: 1,
})

/**
 * Checks a set of vectors. The report is plain JSON without any text.
 *
 * Every vector is checked by itself, for exact duplicates, and against the reference or the rest of the
 * set; near-duplicates are searched, and similarities measured, on a seeded sample where a set is
 * large (`maxRows`, `maxPairs`), which the report says. 10,000 vectors of 1,024 dimensions take a few
 * seconds, synchronously.
 *
 * @throws InvalidInputError when a list of `ids`, `texts`, `hashes` or `expected` has another length
 */
export function qualityReport(vectors: Vectors, options: QualityOptions = {}): QualityReport {
  refuseUnknown(options, NAMES, 'qualityReport')
  const { expectedDim, expectedCosine, maxIssues } = options
  checkNumeric({ expectedDim, expectedCosine, maxIssues })
  const rows = rowsOf(vectors)
  checkLists(rows.count, options)
  checkReference(options.reference, options.expectedDim)
  const dimensions =
    options.expectedDim ?? options.reference?.dimensions ?? commonLength(rows) ?? null
  const check = new SetCheck(rows, options)
  check.eachVector(dimensions ?? undefined)
  const good = check.goodRows()
  const cols = dimensions ?? 0
  const { maxRows = 20_000, maxPairs = 100_000, nearDuplicate = 0.98, seed = 0 } = options
  checkNumeric({ maxRows, maxPairs, nearDuplicate, seed })
  const sameText = sameTextOf(options)
  const exact = exactDuplicates(rows, good, cols, sameText)
  check.duplicates(exact.duplicates)
  check.mismatches()

  const picks = sampleIndices(good.length, maxRows, seed)
  const sample = picks.map((pick) => good[pick] as number)
  const unit = unitRows(rows, sample, cols)
  const outliers = findOutliers({ rows, good, sample, unit, reference: options.reference, seed })
  for (const { index, issue, typical } of outliers.found) check.outlier(index, issue, typical)
  const near = nearDuplicates(
    unit,
    outliers.space,
    nearDuplicate,
    (a, b) => sameText(sample[a] as number, sample[b] as number) !== true,
  )
  const statistics = setStatistics(unit, maxPairs, seed)
  const sampled = sample.length < good.length
  const notes: string[] = []
  if (sampled) {
    notes.push(
      `Similarities and near-duplicates are of a sample of ${sample.length} vectors (seed ${seed}).`,
    )
  }
  if (!near.complete) {
    notes.push('So many vectors are alike that not all near-duplicates were counted.')
  }
  if (options.texts === undefined && options.hashes === undefined && exact.duplicates.length > 0) {
    notes.push('Texts are not known: equal vectors may be of equal texts.')
  }
  if (isLeaning(rows, statistics.anisotropy)) {
    notes.push(
      `The bits all lean one way (mean cosine ${statistics.anisotropy?.toFixed(2)}), so they tell little: ` +
        "calibrate() takes them around the vectors' mean instead of 0.",
    )
  }
  const { scores, ...checked } = check.finish()
  const parts = {
    vectors: rows.count === 0 ? 1 : mean(scores),
    unique: rows.count === 0 ? 1 : 1 - exact.duplicates.length / rows.count,
    diversity: diversity(statistics.anisotropy),
  }
  return {
    kind: 'quality',
    vectors: rows.count,
    dimensions,
    score: parts.vectors * parts.unique * parts.diversity,
    parts,
    ...checked,
    scores: distribution(scores, [0, 1]),
    norms: distribution(check.norms),
    ...statistics,
    variance: outliers.variance,
    duplicates: {
      exact: exact.duplicates.length,
      sameText: exact.sameText,
      near: near.count,
      threshold: nearDuplicate,
      pairs: near.pairs.map(({ a, b, cosine }) => {
        const [first, second] = [sample[a] as number, sample[b] as number]
        return {
          a: first,
          b: second,
          ...named('idA', options.ids?.[first]),
          ...named('idB', options.ids?.[second]),
          cosine,
        }
      }),
      rows: sample.length,
      sampled: sampled || !near.complete,
    },
    outliers: {
      method: outliers.method,
      rows: outliers.rows,
      count: outliers.found.length,
      description: outliers.description,
    },
    notes,
  }
}

/** Of packed bits: whether most say the same of every text. */
function isLeaning(rows: Rows, anisotropy: number | null): boolean {
  return rows.count > 0 && isTyped(rows.vector(0), 'Uint8Array') && (anisotropy ?? 0) > LEANING
}

/** 1 up to a mean cosine of 0.9, 0 at 1. */
function diversity(anisotropy: number | null): number {
  if (anisotropy === null) return 1
  return Math.max(0, Math.min(1, (1 - anisotropy) / (1 - COLLAPSING)))
}

/** The length that most vectors have. */
function commonLength(rows: Rows): number | undefined {
  const counts = new Map<number, number>()
  for (let i = 0; i < rows.count; i++) {
    const size = sizeOf(rows.vector(i))
    counts.set(size, (counts.get(size) ?? 0) + 1)
  }
  let common: number | undefined
  for (const [size, count] of counts) {
    if (common === undefined || count > (counts.get(common) as number)) common = size
  }
  return common
}

function sameTextOf({ texts, hashes }: QualityOptions): SameText {
  if (hashes !== undefined) return (a, b) => hashes[a] === hashes[b]
  if (texts === undefined) return () => undefined
  return (a, b) => texts[a] === texts[b] || plain(texts[a]) === plain(texts[b])
}

/** Tokenizers see no difference between texts that differ only in this. */
function plain(text: string | undefined): string {
  return (text ?? '').normalize('NFKC').replace(/\s+/gu, ' ').trim()
}

function checkLists(count: number, options: QualityOptions): void {
  for (const name of ['ids', 'texts', 'hashes', 'expected'] as const) {
    const list = options[name]
    if (list === undefined) continue
    checkList(list, `The option \`${name}\``)
    if (list.length !== count) {
      throw new InvalidInputError(`There are ${count} vectors, but ${list.length} ${name}.`)
    }
  }
}
