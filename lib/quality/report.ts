/** A set of vectors: each one checked, and how they lie to each other. */

import { InvalidInputError } from '../errors.js'
import { components } from '../scoring/components.js'
import { cosine } from '../scoring/dense.js'
import type { Vector } from '../scoring/types.js'
import { exactDuplicates, nearDuplicates, type SameText } from './duplicates.js'
import { findOutliers } from './outliers.js'
import { type Rows, rowsOf, unitRows } from './rows.js'
import { sampleIndices } from './sample.js'
import { setStatistics } from './set-statistics.js'
import { distribution, mean, median, quantile } from './stats.js'
import {
  ISSUE_KINDS,
  type Issue,
  type IssueKind,
  type ItemIssue,
  type QualityOptions,
  type QualityReport,
  type Vectors,
} from './types.js'
import { checkReference, vectorQuality } from './vector.js'

const WORST = 20
/** Mean cosine from which a set counts as collapsing. */
const COLLAPSING = 0.9
/** Robust standard deviations of the logarithm of lengths that are no longer like the others'. */
const NORM_DEVIATIONS = 8
const LEAST_FOR_NORMS = 20

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

/** The issues and scores of the rows, as they are found. */
class SetCheck {
  readonly norms: number[] = []
  readonly #rows: Rows
  readonly #options: QualityOptions
  readonly #scores: Float64Array
  readonly #counts = Object.fromEntries(ISSUE_KINDS.map((kind) => [kind, 0])) as Record<
    IssueKind,
    number
  >
  readonly #issues: ItemIssue[] = []
  readonly #flagged: Uint8Array
  /** Length, components and spread are right, so the row can be compared with others. */
  readonly #good: Uint8Array

  constructor(rows: Rows, options: QualityOptions) {
    this.#rows = rows
    this.#options = options
    this.#scores = new Float64Array(rows.count)
    this.#flagged = new Uint8Array(rows.count)
    this.#good = new Uint8Array(rows.count)
  }

  eachVector(expectedDim: number | undefined): void {
    const { reference, normalized } = this.#options
    const norms = new Float64Array(this.#rows.count)
    for (let i = 0; i < this.#rows.count; i++) {
      // Without the reference: all rows at once are quicker. Its lengths are held against below.
      const { score, parts, norm, issues } = vectorQuality(this.#rows.vector(i), {
        expectedDim,
        normalized,
      })
      this.#scores[i] = score
      for (const issue of issues) this.#add(i, issue)
      if (parts.dimension === 1 && parts.finite === 1 && norm !== null && norm > 0) {
        this.norms.push(norm)
        norms[i] = norm
        this.#good[i] = parts.spread === 1 ? 1 : 0
      }
    }
    if (normalized === false) this.#lengths(norms, reference?.norm)
  }

  goodRows(): Uint32Array {
    const good: number[] = []
    this.#good.forEach((isGood, i) => {
      if (isGood) good.push(i)
    })
    return Uint32Array.from(good)
  }

  duplicates(found: readonly { index: number; of: number }[]): void {
    const { texts, hashes } = this.#options
    const known = texts !== undefined || hashes !== undefined
    for (const { index, of } of found) {
      this.#add(
        index,
        {
          kind: 'duplicate',
          severity: known ? 'error' : 'warning',
          message: known
            ? `It equals vector ${of}, which is of a different text.`
            : `It equals vector ${of}.`,
        },
        of,
      )
    }
  }

  mismatches(): void {
    const { expected, expectedCosine = 0.99 } = this.#options
    if (expected === undefined) return
    for (let i = 0; i < this.#rows.count; i++) {
      const before = expected[i]
      if (before === undefined || !this.#good[i]) continue
      const row = this.#rows.vector(i)
      const same = sizeOf(before) === sizeOf(row)
      const agreement = same ? cosine(before, row) : Number.NaN
      if (agreement >= expectedCosine) continue
      const issue: Issue = {
        kind: 'mismatch',
        severity: 'error',
        message: Number.isFinite(agreement)
          ? `Its cosine with the expected vector is ${agreement.toFixed(4)}, below ${expectedCosine}.`
          : 'The expected vector does not compare with it.',
        limit: expectedCosine,
      }
      if (Number.isFinite(agreement)) issue.value = agreement
      this.#add(i, issue)
      this.#scale(i, Number.isFinite(agreement) ? Math.max(0, agreement) : 0)
    }
  }

  outlier(index: number, issue: Issue, typical: number): void {
    this.#add(index, issue)
    this.#scale(index, typical)
  }

  finish() {
    const { ids, maxIssues = 1000 } = this.#options
    const listed = this.#issues.sort((a, b) => a.index - b.index).slice(0, maxIssues)
    const below = Array.from(this.#scores, (score, index) => ({ index, score }))
      .filter(({ score }) => score < 1)
      .sort((a, b) => a.score - b.score || a.index - b.index)
    return {
      scores: this.#scores,
      flagged: this.#flagged.reduce((sum, flag) => sum + flag, 0),
      counts: this.#counts,
      issues: listed,
      issuesLeftOut: this.#issues.length - listed.length,
      worst: below.slice(0, WORST).map(({ index, score }) => {
        return { index, ...named('id', ids?.[index]), score }
      }),
    }
  }

  /** Lengths that are not 1, against the reference's or, robustly, each other. */
  #lengths(
    norms: Float64Array,
    reference: { median: number; low: number; high: number } | undefined,
  ) {
    const range = reference ?? rangeOfNorms(this.norms)
    if (range === undefined) return
    norms.forEach((norm, i) => {
      if (norm === 0 || (norm >= range.low && norm <= range.high)) return
      const limit = norm < range.low ? range.low : range.high
      const whose = reference ? "the reference's" : "the set's"
      this.#add(i, {
        kind: 'norm',
        severity: reference ? 'error' : 'warning',
        message: `Its length is ${norm.toPrecision(4)}, outside ${whose} ${range.low.toPrecision(4)} to ${range.high.toPrecision(4)}.`,
        value: norm,
        limit,
      })
      if (reference) this.#scale(i, Math.min(norm / range.median, range.median / norm))
    })
  }

  #scale(index: number, factor: number): void {
    this.#scores[index] = (this.#scores[index] as number) * factor
  }

  #add(index: number, issue: Issue, other?: number): void {
    const { ids } = this.#options
    this.#counts[issue.kind]++
    if (issue.severity === 'error') this.#flagged[index] = 1
    const item: ItemIssue = { index, ...named('id', ids?.[index]), ...issue }
    if (other !== undefined) item.other = { index: other, ...named('id', ids?.[other]) }
    this.#issues.push(item)
  }
}

function rangeOfNorms(norms: readonly number[]) {
  if (norms.length < LEAST_FOR_NORMS) return undefined
  const logs = Float64Array.from(norms, Math.log).sort()
  const middle = quantile(logs, 0.5)
  const deviation = 1.4826 * median(logs.map((log) => Math.abs(log - middle)))
  const reach = NORM_DEVIATIONS * Math.max(deviation, 1e-3)
  return { median: Math.exp(middle), low: Math.exp(middle - reach), high: Math.exp(middle + reach) }
}

/** 1 up to a mean cosine of 0.9, 0 at 1. */
function diversity(anisotropy: number | null): number {
  if (anisotropy === null) return 1
  return Math.max(0, Math.min(1, (1 - anisotropy) / (1 - COLLAPSING)))
}

function named<K extends string>(key: K, id: string | undefined): { [key in K]?: string } {
  return (id === undefined ? {} : { [key]: id }) as { [key in K]?: string }
}

function sizeOf(vector: Vector): number {
  return vector instanceof Uint8Array ? vector.length * 8 : components(vector).length
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
    if (list !== undefined && list.length !== count) {
      throw new InvalidInputError(`There are ${count} vectors, but ${list.length} ${name}.`)
    }
  }
}
