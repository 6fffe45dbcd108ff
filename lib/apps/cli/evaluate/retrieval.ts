/** Retrieval over a corpus that streams by: dense and sparse first, then ColBERT of the candidates. */

import { EmbedderError, InvalidInputError } from '../../../common/errors.js'
import type { Embedding, Outputs, Settled } from '../../../common/types.js'
import type { Reranker } from '../../../embedder/reranker.js'
import { type InputItem, isText } from '../../../integrations/files/items.js'
import type { Judgements } from '../../../quality/qrels.js'
import { RetrievalEvaluation, type RetrievalQuery } from '../../../quality/retrieval.js'
import type { EvaluationReport } from '../../../quality/types.js'
import type { CliIo } from '../shared/io.js'
import { mapAhead, windows } from '../shared/pipeline.js'
import { progressBar } from '../shared/progress-bar.js'
import { type EvaluateContext, type EvaluateFlags, SAMPLES } from './context.js'
import {
  type CorpusIndex,
  indexCorpus,
  openJsonl,
  type QueryText,
  readQrels,
  readQueries,
} from './data.js'

export interface RetrievalFiles {
  corpus: string
  queries: string
  qrels: string
}

export interface RetrievalData {
  file: string
  corpus: CorpusIndex
  queries: (QueryText & { grades: Map<number, number>; exclude: number | undefined })[]
  withoutRelevant: number
  notes: string[]
}

/** As in `embed`: the engine never waits, and little memory is under way. */
const WINDOW = { items: 64, units: 2048 }
const WINDOWS_AHEAD = 4
/** Queries embedded at a time. */
const QUERY_BLOCK = 64

/** Reads and checks the three files. @throws InvalidInputError */
export async function readRetrieval(
  io: CliIo,
  files: RetrievalFiles,
  flags: EvaluateFlags,
): Promise<RetrievalData> {
  const judgements = await readQrels(io, files.qrels)
  const texts = await readQueries(io, files.queries, judgements)
  const corpus = await indexCorpus(io, files.corpus)
  const notes: string[] = []
  if (judgements.negative > 0) {
    notes.push(`${judgements.negative} judgements below zero count as not relevant.`)
  }
  checkKnown('queries', judgements.queryLines, new Set(texts.map(({ id }) => id)), flags, notes)
  checkKnown('documents', judgements.documentLines, corpus.numbers, flags, notes)
  const queries = texts.map(({ id, text }) => {
    const exclude = flags.excludeSelf ? corpus.numbers.get(id) : undefined
    return { id, text, grades: gradesOf(judgements, id, corpus, exclude), exclude }
  })
  const withoutRelevant = queries.filter(
    ({ grades }) => ![...grades].some(([number, grade]) => number >= 0 && grade > 0),
  ).length
  if (withoutRelevant === queries.length) {
    throw new InvalidInputError('No query has a relevant document in the corpus.')
  }
  if (withoutRelevant > 0) {
    notes.push(`${withoutRelevant} queries without a relevant document in the corpus count as 0.`)
  }
  return { file: files.corpus, corpus, queries, withoutRelevant, notes }
}

/** Documents that are not in the corpus have numbers below zero: relevant, and never found. */
function gradesOf(
  judgements: Judgements,
  query: string,
  corpus: CorpusIndex,
  exclude: number | undefined,
): Map<number, number> {
  const grades = new Map<number, number>()
  for (const [document, grade] of judgements.byQuery.get(query) ?? []) {
    const number = corpus.numbers.get(document) ?? -1 - grades.size
    if (number !== exclude) grades.set(number, grade)
  }
  return grades
}

/** Judgements of what is not there: wrong files, mostly, so an error unless asked for. */
function checkKnown(
  what: string,
  lines: ReadonlyMap<string, number>,
  known: { has(id: string): boolean },
  { ignoreUnknown }: EvaluateFlags,
  notes: string[],
): void {
  const unknown = [...lines].filter(([id]) => !known.has(id))
  const [first] = unknown
  if (first === undefined) return
  const many = `${unknown.length} of ${lines.size} ${what} in the relevance judgements`
  if (unknown.length === lines.size) {
    throw new InvalidInputError(`None of the ${what} in the relevance judgements is there.`)
  }
  if (!ignoreUnknown) {
    throw new InvalidInputError(
      `${many} are not there, the first on line ${first[1]} (--ignore-unknown takes them as not found).`,
    )
  }
  notes.push(`${many} are not there.`)
}

export async function evaluateRetrieval(
  context: EvaluateContext,
  data: RetrievalData,
): Promise<EvaluationReport> {
  const { flags, weights, reranker } = context
  const { queries, texts, failed } = await embedQueries(context, data)
  const evaluation = new RetrievalEvaluation(queries, {
    rerank: flags.candidates,
    weights,
    samples: SAMPLES,
    seed: flags.seed,
  })
  let failures = 0
  const { colbert, ...first } = context.outputs
  const all = { wanted: undefined, total: data.corpus.count, label: 'corpus' }
  for await (const found of embedCorpus(context, data, first, all)) {
    failures += found.filter(({ result }) => result instanceof EmbedderError).length
    evaluation.addDocuments(
      found.flatMap(({ number, result }) =>
        result instanceof EmbedderError
          ? []
          : [{ number, dense: result.dense as Float32Array, sparse: result.sparse }],
      ),
    )
  }
  if (colbert) {
    const wanted = evaluation.candidates()
    const some = { wanted, total: wanted.size, label: 'colbert' }
    for await (const found of embedCorpus(context, data, { colbert: true }, some)) {
      for (const { number, result } of found) {
        if (!(result instanceof EmbedderError) && result.colbert) {
          evaluation.addMultiVector(number, result.colbert)
        }
      }
    }
  }
  if (reranker) await rerankCandidates({ ...context, reranker }, data, { evaluation, texts })
  const notes = [...data.notes]
  if (failures > 0) notes.push(`${failures} documents failed and cannot be found.`)
  if (failed > 0) notes.push(`${failed} queries failed and are left out.`)
  const report: EvaluationReport = {
    ...evaluation.report(),
    corpus: { documents: data.corpus.count, failures },
    queries: {
      evaluated: queries.length,
      withoutRelevant: data.withoutRelevant,
      failures: failed,
    },
    notes,
  }
  if (colbert || reranker) report.rerank = flags.candidates
  return report
}

/** @throws the first error when every query failed */
async function embedQueries(
  { embedder, outputs, options, io }: EvaluateContext,
  data: RetrievalData,
): Promise<{ queries: RetrievalQuery[]; texts: string[]; failed: number }> {
  const queries: RetrievalQuery[] = []
  const texts: string[] = []
  let failure: EmbedderError | undefined
  let failed = 0
  const bar = progressBar(io, { label: 'queries', total: data.queries.length })
  try {
    for (let at = 0; at < data.queries.length; at += QUERY_BLOCK) {
      const block = data.queries.slice(at, at + QUERY_BLOCK)
      const results = await embedder.embed(
        block.map(({ text }) => text),
        { ...options, prompt: 'query', outputs, onError: 'collect' },
      )
      results.forEach((result, i) => {
        if (result instanceof EmbedderError) {
          failure ??= result
          failed++
          return
        }
        const { text, grades, exclude } = block[i] as (typeof block)[number]
        texts.push(text)
        const { dense, sparse, colbert } = result
        queries.push({ dense: dense as Float32Array, sparse, colbert, grades, exclude })
      })
      bar.update(at + block.length)
    }
  } finally {
    bar.stop()
  }
  if (queries.length === 0 && failure) throw failure
  return { queries, texts, failed }
}

interface Pass {
  /** Numbers of the documents to embed; all, without it. */
  wanted: ReadonlySet<number> | undefined
  total: number
  label: string
}

interface Found {
  number: number
  result: Settled<Embedding>
}

/** Each candidate is read with its queries, which share the model's batches. */
async function rerankCandidates(
  context: EvaluateContext & { reranker: Reranker },
  data: RetrievalData,
  { evaluation, texts }: { evaluation: RetrievalEvaluation; texts: readonly string[] },
): Promise<void> {
  const { reranker, options } = context
  const wanted = evaluation.candidates()
  const work = async (documents: TextOf[]): Promise<TextOf[]> => {
    const byQuery = new Map<number, TextOf[]>()
    for (const document of documents) {
      for (const query of evaluation.candidateQueries(document.number)) {
        byQuery.set(query, [...(byQuery.get(query) ?? []), document])
      }
    }
    const pairs = [...byQuery].map(async ([query, some]) => {
      const ranked = await reranker.rerank(
        texts[query] as string,
        some.map(({ text }) => text),
        { truncate: 'document', signal: options.signal },
      )
      for (const { index, score } of ranked) {
        evaluation.addRerankScore(query, (some[index] as TextOf).number, score)
      }
    })
    await Promise.all(pairs)
    return documents
  }
  const pass = { wanted, total: wanted.size, label: 'reranker' }
  for await (const _ of passOver(context, data, pass, work)) {
    // its scores are in the evaluation
  }
}

/** The corpus, or some of it, in windows and in order. */
function embedCorpus(
  context: EvaluateContext,
  data: RetrievalData,
  outputs: Outputs,
  pass: Pass,
): AsyncGenerator<Found[]> {
  const { embedder, options } = context
  return passOver(context, data, pass, async (documents) => {
    const results = await embedder.embed(
      documents.map(({ text }) => text),
      { ...options, prompt: 'passage', outputs, onError: 'collect' },
    )
    return documents.map(({ number }, i) => ({
      number,
      result: results[i] as Settled<Embedding>,
    }))
  })
}

interface TextOf {
  number: number
  text: string
}

async function* passOver<T>(
  { io }: EvaluateContext,
  { file, corpus }: RetrievalData,
  { wanted, total, label }: Pass,
  work: (documents: TextOf[]) => Promise<T[]>,
): AsyncGenerator<T[]> {
  const input = await openJsonl(io, file)
  const bar = progressBar(io, { label, total })
  const numberOf = ({ id }: InputItem) => corpus.numbers.get(String(id)) as number
  const workOn = (window: InputItem[]) =>
    work(window.filter(isText).map((item) => ({ number: numberOf(item), text: item.text })))
  try {
    let done = 0
    const groups = wanted ? only(input.items, (item) => wanted.has(numberOf(item))) : input.items
    for await (const found of mapAhead(windows(groups, WINDOW), WINDOWS_AHEAD, workOn)) {
      yield found
      done += found.length
      bar.update(done)
    }
  } finally {
    bar.stop()
    await input.close()
  }
}

async function* only(
  groups: AsyncIterable<InputItem[]>,
  isWanted: (item: InputItem) => boolean,
): AsyncGenerator<InputItem[]> {
  for await (const group of groups) {
    const kept = group.filter(isWanted)
    if (kept.length > 0) yield kept
  }
}
