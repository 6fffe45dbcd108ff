/** `bge-m3 evaluate`: which evaluation it is, and what comes out of it. */

import { performance } from '../../../common/timers.js'
import type { Embedder } from '../../../embedder/embedder.js'
import type { Reranker } from '../../../embedder/reranker.js'
import { EVALUATION_MODES } from '../../../quality/evaluation-names.js'
import type { EvaluationMode, EvaluationReport } from '../../../quality/types.js'
import { DEFAULT_WEIGHTS } from '../../../scoring/hybrid.js'
import { EXIT, UsageError } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import { openReranker } from '../shared/load.js'
import { type Flags, optionValues } from '../shared/options.js'
import { present } from '../shared/present.js'
import { Sink } from '../shared/sink.js'
import { withEmbedder } from '../shared/watch.js'
import { parseWeights } from '../shared/weights.js'
import { contextOf, type EvaluateFlags, SAMPLES } from './context.js'
import { evaluationTable } from './output.js'

export async function runEvaluate(io: CliIo, rawFlags: Flags): Promise<number> {
  const flags = rawFlags as unknown as EvaluateFlags
  const values = optionValues(rawFlags, io.env)
  if (flags.golden !== undefined) {
    refuse(flags, ['corpus', 'queries', 'qrels', 'sts', 'rerank'], '--golden')
    const { runGolden } = await import('./golden.js')
    return runGolden(io, flags, values)
  }
  refuse(flags, ['input', 'save', 'tolerance'], 'an evaluation without --golden')
  const { readRetrieval, evaluateRetrieval } = await import('./retrieval.js')
  const { readSts } = await import('./data.js')
  const { evaluateSts } = await import('./sts.js')
  const weights = flags.weights === undefined ? DEFAULT_WEIGHTS : parseWeights(flags.weights)
  const files = retrievalFiles(flags)
  if (files === undefined && flags.sts === undefined) {
    throw new UsageError(
      'There is nothing to evaluate: name --corpus, --queries and --qrels, or --sts, or --golden.',
    )
  }
  if (files === undefined) refuse(flags, ['rerank'], 'an evaluation without --corpus')
  const retrieval = files && (await readRetrieval(io, files, flags))
  const pairs = flags.sts === undefined ? undefined : await readSts(io, flags.sts)

  const watching = { command: 'evaluate', flags: rawFlags, values }
  return withEmbedder(io, watching, async (embedder) => {
    let reranker: Reranker | undefined
    try {
      if (flags.rerank !== undefined) {
        reranker = await openReranker(io, { ...values, model: flags.rerank })
      }
      const started = performance.now()
      const context = contextOf(io, { embedder, reranker }, flags, weights, values)
      const parts: EvaluationReport[] = []
      if (retrieval) parts.push(await evaluateRetrieval(context, retrieval))
      if (pairs) parts.push(await evaluateSts(context, pairs))
      const report = merged(parts, {
        ...about(embedder),
        weights: [...weights] as [number, number, number],
        bootstrap: { samples: SAMPLES, seed: flags.seed, confidence: 0.95 },
        seconds: Math.round(performance.now() - started) / 1000,
      })
      for (const note of report.notes) say(io, `note: ${note}`)
      await Sink.stdout(io).write(
        flags.json ? `${JSON.stringify(report)}\n` : evaluationTable(report),
      )
      return failuresOf(report) > 0 ? EXIT.failed : EXIT.done
    } finally {
      await reranker?.dispose()
    }
  })
}

function about({ info }: Embedder): Partial<EvaluationReport> {
  const { model, fingerprint } = info
  return { model, fingerprint }
}

function retrievalFiles({ corpus, queries, qrels }: EvaluateFlags) {
  if (corpus === undefined && queries === undefined && qrels === undefined) return undefined
  if (corpus === undefined || queries === undefined || qrels === undefined) {
    throw new UsageError('--corpus, --queries and --qrels go together: name all three.')
  }
  return { corpus, queries, qrels }
}

function refuse(flags: EvaluateFlags, names: (keyof EvaluateFlags)[], where: string): void {
  const wrong = names.find((name) => flags[name] !== undefined)
  if (wrong) throw new UsageError(`--${wrong} does not go with ${where}.`)
}

/** The parts side by side: a mode has the measures of all of them. */
function merged(
  parts: readonly EvaluationReport[],
  rest: Partial<EvaluationReport>,
): EvaluationReport {
  const modes: Pick<EvaluationReport, EvaluationMode> = {}
  const ci: EvaluationReport['ci'] = {}
  const counts: Partial<EvaluationReport> = {}
  for (const part of parts) {
    for (const mode of EVALUATION_MODES) {
      if (!part[mode]) continue
      modes[mode] = { ...modes[mode], ...part[mode] }
      ci[mode] = { ...ci[mode], ...part.ci[mode] }
    }
    const { corpus, queries, sts, rerank } = part
    Object.assign(counts, present({ corpus, queries, sts, rerank }))
  }
  return { ...modes, ci, ...counts, ...rest, notes: parts.flatMap(({ notes }) => notes) }
}

function failuresOf({ corpus, queries, sts }: EvaluationReport): number {
  return (corpus?.failures ?? 0) + (queries?.failures ?? 0) + (sts?.failures ?? 0)
}
