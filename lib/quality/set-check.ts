/** The rows of a set one by one: their issues and scores, as they are found. */

import { isTyped } from '../common/realms.js'
import { components } from '../scoring/components.js'
import { cosine } from '../scoring/dense.js'
import type { Vector } from '../scoring/types.js'
import type { Rows } from './rows.js'
import { median, quantile } from './stats.js'
import {
  ISSUE_KINDS,
  type Issue,
  type IssueKind,
  type ItemIssue,
  type QualityOptions,
} from './types.js'
import { vectorQuality } from './vector.js'

const WORST = 20
/** Robust standard deviations of the logarithm of lengths that are no longer like the others'. */
const NORM_DEVIATIONS = 8
const LEAST_FOR_NORMS = 20

/** The issues and scores of the rows, as they are found. */
export class SetCheck {
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

export function named<K extends string>(key: K, id: string | undefined): { [key in K]?: string } {
  return (id === undefined ? {} : { [key]: id }) as { [key in K]?: string }
}

export function sizeOf(vector: Vector): number {
  return isTyped(vector, 'Uint8Array') ? vector.length * 8 : components(vector).length
}
