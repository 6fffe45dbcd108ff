/** A run's record as a report reads it: what `--stats` writes, or the statistics of a call. */

import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { InvalidInputError } from '../../../common/errors.js'
import { nameOf } from '../../../common/realms.js'
import type { RunStats } from '../../../common/types.js'
import type { EvaluationReport } from '../../../quality/types.js'
import { checkFile } from '../vectors/read.js'

/** A reading of a run that is under way. Older records lack what is optional. */
export interface RunSample {
  /** Since the start. */
  seconds: number
  texts: number
  tokens: number
  textsPerSecond: number
  tokensPerSecond: number
  rssBytes: number
  /** Texts that came from the cache, so far. */
  cached?: number
}

/** Everything but the sums is optional: any record that has them can be shown. */
export interface RunReading {
  /** Such as `load postgres`. */
  command?: string
  startedAt?: string
  seconds: number
  texts: number
  tokens: number
  failures: number
  failuresByCode?: Readonly<Record<string, number>>
  /** Texts that an earlier run had done. */
  skipped?: number
  retries?: number
  /** Milliseconds until the model was there; not in `seconds`. */
  loadMs?: number
  textsPerSecond: number
  tokensPerSecond: number
  peakRssBytes?: number
  cached?: number
  cacheHitRate?: number
  interrupted?: boolean
  stages?: RunStats['stages']
  /** Milliseconds by phase of batches, which run side by side. */
  phases?: Readonly<Record<string, number>>
  /** An embedder's `info` is one. */
  model?: { readonly name?: string; readonly fingerprint?: string; readonly standin?: boolean }
  options?: Readonly<Record<string, unknown>>
  timeline?: readonly RunSample[]
}

/** A run among others. */
export interface NamedRun {
  /** Such as the name of its record. */
  name: string
  run: RunReading
}

const NUMBERS = [
  'seconds',
  'texts',
  'tokens',
  'failures',
  'textsPerSecond',
  'tokensPerSecond',
] as const

/** @throws InvalidInputError when the file is not there or is no record of a run */
export async function readRun(file: string): Promise<RunReading> {
  const record = await readJson(file)
  const missing = NUMBERS.find((name) => typeof record[name] !== 'number')
  if (missing !== undefined) {
    throw new InvalidInputError(
      `${path.basename(file)} is no record of a run (it has no number "${missing}"): --stats writes one.`,
    )
  }
  return record as unknown as RunReading
}

/** What `bge-m3 evaluate --json` printed. @throws InvalidInputError when it is no such thing */
export async function readEvaluation(file: string): Promise<EvaluationReport> {
  const record = await readJson(file)
  const modes = ['dense', 'sparse', 'colbert', 'hybrid'].filter((mode) => isNumbers(record[mode]))
  if (modes.length === 0) {
    throw new InvalidInputError(
      `${path.basename(file)} is no evaluation: bge-m3 evaluate --json prints one.`,
    )
  }
  const kept = Object.fromEntries(modes.map((mode) => [mode, record[mode]]))
  const { dense: _d, sparse: _s, colbert: _c, hybrid: _h, ...about } = record
  return { ci: {}, notes: [], ...about, ...kept } as EvaluationReport
}

function isNumbers(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((member) => typeof member === 'number')
  )
}

/** A file of one JSON object. @throws InvalidInputError */
async function readJson(file: string): Promise<Record<string, unknown>> {
  await checkFile(file)
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>
    }
  } catch (error) {
    if (nameOf(error) !== 'SyntaxError') throw error
  }
  throw new InvalidInputError(`${path.basename(file)} is no JSON object.`)
}
