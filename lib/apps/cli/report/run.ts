/** `bge-m3 report`: files in, one HTML file out. */

import { rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { performance } from '../../../common/timers.js'
import { formatSize } from '../../../common/units.js'
import type { EvaluationReport } from '../../../quality/types.js'
import { createReport, type ReportOptions, type ReportStage } from '../../report/report.js'
import { readEvaluation, readRun } from '../../report/shared/run.js'
import { readVectors } from '../../report/vectors/read.js'
import { joinTexts } from '../../report/vectors/texts.js'
import { readHeader } from '../embed/header.js'
import { EXIT, UsageError } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import type { Flags } from '../shared/options.js'
import { checkTarget, refuseSameFile, Sink } from '../shared/sink.js'

interface ReportFlags {
  input?: string
  output: string
  run?: string
  compare?: string
  evaluation?: string
  texts?: string
  title?: string
  map: 'umap' | 'pca' | 'none'
  seed: string
  json?: boolean
}

const STAGES: Readonly<Record<ReportStage, string>> = {
  quality: 'checking the vectors',
  comparison: 'comparing the sets',
  map: 'laying out the map',
  page: 'writing the page',
}

/** @param records of runs, to show side by side */
export async function runReport(
  io: CliIo,
  records: readonly string[],
  flags: Flags,
): Promise<number> {
  const given = flags as unknown as ReportFlags
  const { input, output, json = false } = given
  if (!/^\d{1,9}$/.test(given.seed)) throw new UsageError('--seed must be a whole number from 0.')
  checkGiven(given, records)
  for (const file of [input, given.run, given.compare, given.evaluation, given.texts, ...records]) {
    await refuseSameFile(output, file)
  }
  await checkTarget(output)
  const started = performance.now()
  const options = await readAll(io, given, records)
  const report = await createReport({
    ...options,
    onStage: (stage) => progress(io, STAGES[stage]),
  })
  await writeWhole(output, report)
  const seconds = (performance.now() - started) / 1000
  const { rows, cols, failures } = options.vectors ?? { rows: 0, cols: 0, failures: new Map() }
  const failed = [...failures.values()].reduce((sum, count) => sum + count, 0)
  const bytes = Buffer.byteLength(report)
  if (json) {
    const made = {
      output,
      bytes,
      vectors: rows,
      dimensions: cols,
      failed,
      ...(records.length > 0 && { runs: records.length }),
      seconds,
    }
    await Sink.stdout(io).write(`${JSON.stringify(made)}\n`)
  } else {
    const of =
      input === undefined ? `${records.length} runs` : `${rows} vectors of ${cols} dimensions`
    say(io, `wrote ${output} (${formatSize(bytes)}): ${of}, in ${seconds.toFixed(1)} s.`)
  }
  return EXIT.done
}

/** @throws UsageError for what makes no report */
function checkGiven(given: ReportFlags, records: readonly string[]): void {
  if (records.length === 1) {
    throw new UsageError(
      'One record is that of the vectors: name it by --run, or give two or more.',
    )
  }
  if (given.input !== undefined) return
  if (records.length === 0) {
    throw new UsageError('There is nothing to report on: name --input, or records of runs.')
  }
  const wrong = (['run', 'compare', 'texts'] as const).find((name) => given[name] !== undefined)
  if (wrong) throw new UsageError(`--${wrong} is about the vectors of --input.`)
}

async function readAll(
  io: CliIo,
  given: ReportFlags,
  records: readonly string[],
): Promise<ReportOptions> {
  const { signal } = io
  // the small files first: what is wrong with them is known at once
  const run = given.run === undefined ? undefined : await readRun(given.run)
  const runs = await Promise.all(
    records.map(async (file) => ({ name: nameAmong(file, records), run: await readRun(file) })),
  )
  const evaluation: EvaluationReport | undefined =
    given.evaluation === undefined ? undefined : await readEvaluation(given.evaluation)
  const shared = { title: given.title, evaluation, runs, signal }
  if (given.input === undefined) return shared
  progress(io, 'reading the vectors')
  const vectors = await readVectors(given.input, signal)
  if (given.texts !== undefined && (await joinTexts(vectors, given.texts, signal)) === 0) {
    say(io, 'note: none of the ids is in the --texts file.')
  }
  return {
    ...shared,
    vectors,
    name: path.basename(given.input),
    run,
    model: run?.model ?? (await readHeader(given.input))?.model,
    compare:
      given.compare === undefined
        ? undefined
        : {
            vectors: await readVectors(given.compare, signal),
            name: nameBeside(given.compare, given.input),
          },
    map: given.map,
    seed: Number(given.seed),
  }
}

/** Two files of one name are told apart by their folders. */
function nameBeside(file: string, other: string): string {
  const name = path.basename(file)
  return name === path.basename(other) ? path.join(path.basename(path.dirname(file)), name) : name
}

/** As short as tells it from the others. */
function nameAmong(file: string, all: readonly string[]): string {
  const name = path.basename(file)
  return all.filter((other) => path.basename(other) === name).length > 1 ? file : name
}

/** On a terminal only: a report takes seconds. */
function progress(io: CliIo, what: string): void {
  if (io.stderr.isTTY) say(io, `${what} ...`)
}

/** Whoever has the report open, or an interrupt, never leaves half a file. @throws UsageError */
async function writeWhole(file: string, text: string): Promise<void> {
  const part = `${file}.${process.pid}.part`
  try {
    await writeFile(part, text)
    await rename(part, file)
  } catch (error) {
    await rm(part, { force: true })
    throw new UsageError(`Cannot write ${file} (${(error as NodeJS.ErrnoException).code}).`)
  }
}
