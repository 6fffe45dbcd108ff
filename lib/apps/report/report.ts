/** A report, from what it is to show to its HTML. */

import { type AbortSignalLike, throwIfAborted } from '../../common/abort.js'
import { InvalidInputError } from '../../common/errors.js'
import {
  checkFunction,
  checkNumeric,
  checkSignal,
  checkText,
  namesOf,
  refuseUnknown,
} from '../../common/given.js'
import { isMap, isTyped } from '../../common/realms.js'
import { turn } from '../../common/timers.js'
import { loadAddon } from '../../native/load.js'
import { compareEmbeddings } from '../../quality/compare.js'
import { qualityReport } from '../../quality/report.js'
import type {
  ComparisonReport,
  EvaluationReport,
  QualityReport,
  Vectors,
} from '../../quality/types.js'
import { useSimd } from '../../scoring/simd.js'
import { document, pageScript } from './html/document.js'
import { html, type Markup } from './html/markup.js'
import { mapData } from './map-data.js'
import { comparisonSection } from './sections/comparison.js'
import { evaluationSection } from './sections/evaluation.js'
import { mapSection } from './sections/map.js'
import { qualitySection } from './sections/quality.js'
import { runSection } from './sections/run.js'
import { runsSection } from './sections/runs.js'
import type { Section } from './sections/section.js'
import { number } from './shared/format.js'
import type { NamedRun, RunReading } from './shared/run.js'
import type { VectorTable } from './vectors/table.js'

/** What a report shows. */
export interface ReportOptions {
  /** Default: the name of the vectors. */
  title?: string | undefined
  /**
   * The vectors to report on: of `readVectors`, or of `tableOf`. They are brought to unit length in
   * place. May be left out where there are `runs`.
   */
  vectors?: VectorTable | undefined
  /** What the vectors are called, such as their file. */
  name?: string | undefined
  /** The run that made the vectors. */
  run?: RunReading | undefined
  /** The model that made the vectors. Default: that of `run`. */
  model?: RunReading['model'] | undefined
  /** Runs to show side by side, two or more. */
  runs?: readonly NamedRun[] | undefined
  /** Another set, of the same ids, to compare with. */
  compare?: { vectors: VectorTable; name: string } | undefined
  evaluation?: EvaluationReport | undefined
  /** A quality report that is there already. Default: one is made. */
  quality?: QualityReport | undefined
  /** `pca`: without UMAP, which takes most of the time. `none`: no map. Default `umap`. */
  map?: 'umap' | 'pca' | 'none' | undefined
  /** The same seed and input give the same report, byte by byte. Default 1. */
  seed?: number | undefined
  signal?: AbortSignalLike | undefined
  /** Called as each part begins. */
  onStage?: ((stage: ReportStage) => void) | undefined
}

const NAMES = namesOf<ReportOptions>({
  title: 1,
  vectors: 1,
  name: 1,
  run: 1,
  model: 1,
  runs: 1,
  compare: 1,
  evaluation: 1,
  quality: 1,
  map: 1,
  seed: 1,
  signal: 1,
  onStage: 1,
})

/** The parts of making a report, in order. */
export type ReportStage = 'quality' | 'comparison' | 'map' | 'page'

/**
 * A report as one HTML file that needs no network. 10,000 vectors of 1,024 dimensions take some ten
 * seconds.
 *
 * @throws InvalidInputError when two sets have no id in common, or `umap-js` is not installed
 */
export async function createReport(options: ReportOptions): Promise<string> {
  refuseUnknown(options, NAMES, 'createReport')
  checkSignal(options.signal)
  checkFunction('onStage', options.onStage)
  const { vectors, run, model, runs = [], compare, evaluation, signal, seed = 1 } = options
  const { name = vectors ? 'embeddings' : 'runs', map = 'umap', onStage } = options
  const { title = `Report on ${name}` } = options
  for (const [what, text] of Object.entries({ title, name })) checkText(text, `\`${what}\``)
  checkNumeric({ seed })
  checkRuns(runs)
  if (vectors !== undefined || runs.length === 0) checkTable(vectors, '`vectors`')
  if (compare !== undefined) {
    if (!vectors) throw new InvalidInputError('`compare` needs `vectors` to compare with.')
    checkTable(compare.vectors, '`compare`')
  }
  fasterIfPossible()
  const script = await pageScript()
  const begin = async (stage: ReportStage) => {
    onStage?.(stage)
    // whoever waits for a signal or shows progress gets a turn between the parts
    await turn()
    throwIfAborted(signal)
  }
  const ofRuns = [
    ...(run ? [runSection(run)] : []),
    ...(runs.length > 0 ? [runsSection(runs)] : []),
  ]
  const { sections: ofVectors, data } = vectors
    ? await vectorSections(vectors, { ...options, name, map, seed }, begin)
    : { sections: [], data: null }
  const [first = [], ...others] = ofVectors
  const sections: Section[] = [...first, ...ofRuns, ...others.flat()]
  if (evaluation) sections.push(evaluationSection(evaluation))
  await begin('page')
  return document({
    title,
    subtitle: vectors
      ? `${name}: ${number(vectors.rows)} vectors of ${vectors.cols} dimensions`
      : `${runs.length} runs`,
    about: modelOf(model ?? run?.model),
    sections,
    data: { charts: sections.flatMap(({ charts }) => charts), map: data },
    script,
  })
}

/** Soundness first, what follows it after the run's own section. */
async function vectorSections(
  vectors: VectorTable,
  options: ReportOptions & { name: string; map: 'umap' | 'pca' | 'none'; seed: number },
  begin: (stage: ReportStage) => Promise<void>,
): Promise<{ sections: Section[][]; data: Awaited<ReturnType<typeof mapData>> }> {
  const { run, compare, name, map, seed, signal } = options
  await begin('quality')
  const quality = options.quality ?? checked(vectors, run)
  const later: Section[] = []
  const rows = compare && matchedRows(vectors, compare.vectors)
  if (compare && rows) {
    await begin('comparison')
    const { report, onlyA, onlyB } = comparison(vectors, compare.vectors, rows)
    later.push(comparisonSection(report, { a: name, b: compare.name, onlyA, onlyB }))
  }
  const sections = [[qualitySection(quality, vectors.failures)], later]
  if (map === 'none') return { sections, data: null }
  await begin('map')
  const data = await mapData(vectors, {
    name,
    umap: map === 'umap',
    quality,
    seed,
    signal,
    other: compare && rows && { table: compare.vectors, name: compare.name, rows },
  })
  if (data) later.unshift(mapSection(data))
  return { sections, data }
}

/** @throws InvalidInputError for what are no runs with names */
function checkRuns(runs: unknown): void {
  const isRun = (entry: unknown) => {
    const { name, run } = Object(entry) as Partial<NamedRun>
    return typeof name === 'string' && typeof run?.seconds === 'number'
  }
  if (Array.isArray(runs) && runs.length !== 1 && runs.every(isRun)) return
  throw new InvalidInputError(
    '`runs` must be two or more of { name, run }; a run is what readRun gives.',
  )
}

/** @throws InvalidInputError for what `readVectors` or `tableOf` did not give */
function checkTable(table: unknown, what: string): void {
  const { data, rows, cols, ids, texts, metadata, odd, failures } = Object(table) as VectorTable
  const isWhole =
    isTyped(data, 'Float32Array') &&
    Number.isInteger(rows) &&
    Number.isInteger(cols) &&
    data.length === rows * cols &&
    [ids, texts, metadata].every((list) => Array.isArray(list) && list.length === rows) &&
    [odd, failures].every((map) => isMap(map))
  const isNamed = isWhole && ids.every((id) => typeof id === 'string')
  if (isNamed && [...failures.values()].every((count) => typeof count === 'number')) return
  throw new InvalidInputError(`${what} must be what readVectors or tableOf gives.`)
}

/** Heavy products run on the addon's kernels where it is there; without it they take longer. */
function fasterIfPossible(): void {
  try {
    const { matmulTransposed } = loadAddon()
    useSimd({ matmulTransposed })
  } catch {
    // a report of files can be made on a machine that cannot embed
  }
}

function checked(table: VectorTable, run: RunReading | undefined): QualityReport {
  const isPlain = run?.options?.normalize === false || isInteger(table)
  return qualityReport(vectorsOf(table), {
    ids: table.ids,
    ...(isPlain && { normalized: false }),
  })
}

/** int8 vectors, whose scale nobody knows. */
function isInteger({ data, cols, rows }: VectorTable): boolean {
  const some = data.subarray(0, Math.min(rows, 16) * cols)
  return some.every(Number.isInteger) && some.some((value) => Math.abs(value) > 1)
}

function vectorsOf({ data, rows, cols, odd }: VectorTable): Vectors {
  if (odd.size === 0) return { data, rows, cols }
  return Array.from(
    { length: rows },
    (_, i) => odd.get(i) ?? data.subarray(i * cols, (i + 1) * cols),
  )
}

/** Of each row of `a`, the row of `b` with its id, -1 for none. */
function matchedRows(a: VectorTable, b: VectorTable): Int32Array {
  const rowOf = new Map<string, number>()
  b.ids.forEach((id, row) => {
    if (!rowOf.has(id)) rowOf.set(id, row)
  })
  return Int32Array.from(a.ids, (id) => rowOf.get(id) ?? -1)
}

function comparison(
  a: VectorTable,
  b: VectorTable,
  rows: Int32Array,
): { report: ComparisonReport; onlyA: number; onlyB: number } {
  const both = Array.from(rows.keys()).filter((item) => {
    const row = rows[item] as number
    return row >= 0 && isUsable(a, item) && isUsable(b, row)
  })
  if (both.length === 0) {
    throw new InvalidInputError('The two sets have no id in common: there is nothing to compare.')
  }
  const rowOf = ({ data, cols }: VectorTable, row: number) =>
    data.subarray(row * cols, (row + 1) * cols)
  const report = compareEmbeddings(
    both.map((item) => rowOf(a, item)),
    both.map((item) => rowOf(b, rows[item] as number)),
    { ids: both.map((item) => a.ids[item] as string) },
  )
  const matched = rows.filter((row) => row >= 0)
  return {
    report,
    onlyA: a.rows - matched.length,
    onlyB: b.rows - new Set(matched).size,
  }
}

function isUsable({ data, cols }: VectorTable, row: number): boolean {
  const values = data.subarray(row * cols, (row + 1) * cols)
  return values.every(Number.isFinite) && values.some((value) => value !== 0)
}

/** What the vectors were made with, as far as that is known. */
function modelOf(model: RunReading['model']): Markup | null {
  const { name, fingerprint, standin } = model ?? {}
  if (typeof name !== 'string') return null
  return html`<p>Embedded by ${name}${typeof fingerprint === 'string' && html`, fingerprint <code>${fingerprint}</code>`}</p>
${standin === true && html`<p class="warning">The model is a stand-in with random weights: its embeddings mean nothing, however sound they are.</p>`}`
}
