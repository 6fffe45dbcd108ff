/** `bge-m3 rerank`: documents in order, by a re-ranker or by an embedder's outputs. */

import { BatchError, EmbedderError } from '../../../common/errors.js'
import { snippet } from '../../../common/snippet.js'
import type { RankedDocument, RerankBy, RerankResult } from '../../../embedder/rerank/types.js'
import { type InputItem, isText, type TextItem } from '../../../integrations/files/items.js'
import { inspectModel } from '../../../model/inspect.js'
import type { OptionValues } from '../../../options/table.js'
import { EXIT } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import { modelPath, openEmbedder, openReranker } from '../shared/load.js'
import { type Flags, optionValues } from '../shared/options.js'
import { present } from '../shared/present.js'
import { progressBar } from '../shared/progress-bar.js'
import { renamed } from '../shared/renamed.js'
import { Sink } from '../shared/sink.js'
import { table } from '../shared/table.js'
import { openTexts } from '../shared/texts.js'
import { parseWeights } from '../shared/weights.js'

interface RerankFlags {
  topN?: number
  by?: RerankBy
  weights?: string
  json?: boolean
}

/** Both ways of re-ranking, as this command needs them. */
interface Ranker {
  model: string
  rank(documents: readonly string[]): Promise<(RankedDocument | RerankResult)[]>
  dispose(): Promise<void>
}

const SNIPPET = 60

/** @param args the query, then documents if they are no input */
export async function runRerank(io: CliIo, args: readonly string[], flags: Flags): Promise<number> {
  const values = optionValues(flags, io.env)
  const { topN, json = false } = flags as RerankFlags
  const [query = '', ...texts] = args
  const items = await readAll(io, texts, flags)
  const ranker = await openRanker(io, query, items.length, values, flags as RerankFlags)
  try {
    const known = items.filter(isText)
    const { hits, failed } = await rankAll(ranker, known)
    const broken = items.flatMap((item) => (isText(item) ? [] : [item]))
    const failures = [...broken, ...failed]
    const best = hits.slice(0, topN)
    const sink = Sink.stdout(io)
    if (json) {
      const results = best.map(({ item, ...scores }) => ({
        ...scores,
        index: item.index,
        id: item.id,
      }))
      const errors = failures.map(({ index, id, error: { code, message } }) => ({
        index,
        id,
        error: { code, message },
      }))
      const report = {
        model: ranker.model,
        results,
        ...(errors.length > 0 && { failures: errors }),
      }
      await sink.write(`${JSON.stringify(report)}\n`)
    } else {
      await sink.write(hitTable(best, query))
      for (const { error } of failures) say(io, error.message)
    }
    if (failures.length === 0) return EXIT.done
    say(io, `${failures.length} of ${items.length} documents failed.`)
    return EXIT.failed
  } finally {
    await ranker.dispose()
  }
}

async function readAll(io: CliIo, texts: readonly string[], flags: Flags): Promise<InputItem[]> {
  const input = await openTexts(io, texts, flags)
  const items: InputItem[] = []
  try {
    for await (const group of input.items) items.push(...group)
  } finally {
    await input.close()
  }
  return items
}

/** A file with a head is a re-ranker, whatever it is called. */
async function openRanker(
  io: CliIo,
  query: string,
  total: number,
  values: OptionValues,
  { by, weights: text }: RerankFlags,
): Promise<Ranker> {
  const weights = text === undefined ? undefined : parseWeights(text)
  const path = await modelPath(io, values)
  const { pooling } = await inspectModel(path)
  const { maxTokens, truncate } = values
  const call = { signal: io.signal, ...present({ maxTokens }) }
  if (pooling !== 'rank') {
    const embedder = await openEmbedder(io, { ...values, model: path })
    const options = { ...call, ...present({ by, weights, truncate }) }
    return {
      model: path,
      rank: (documents) =>
        watched(io, total, (onProgress) =>
          embedder.rerank(query, documents, { ...options, onProgress }),
        ),
      dispose: () => embedder.dispose(),
    }
  }
  if (by !== undefined || weights !== undefined) {
    say(io, 'note: --by and --weights are of an embedder, and count for nothing here.')
  }
  const reranker = await openReranker(io, { ...values, model: path })
  const options = { ...call, ...(truncate === 'end' && { truncate: 'document' as const }) }
  return {
    model: path,
    rank: (documents) =>
      watched(io, total, (onProgress) =>
        reranker.rerank(query, documents, { ...options, onProgress }),
      ),
    dispose: () => reranker.dispose(),
  }
}

async function watched<T>(
  io: CliIo,
  total: number,
  work: (onProgress: (progress: { done: number }) => void) => Promise<T>,
): Promise<T> {
  const bar = progressBar(io, { label: 'documents', total })
  try {
    return await work(({ done }) => bar.update(done))
  } finally {
    bar.stop()
  }
}

type Hit = (RankedDocument | RerankResult) & { item: TextItem }
type Failure = TextItem & { error: EmbedderError }

/** A document that fails costs the others nothing. */
async function rankAll(
  { rank }: Ranker,
  items: readonly TextItem[],
): Promise<{ hits: Hit[]; failed: Failure[] }> {
  const ranked = async (some: readonly TextItem[]): Promise<Hit[]> => {
    const found = await rank(some.map(({ text }) => text))
    return found.map((hit) => ({ ...hit, item: some[hit.index] as TextItem }))
  }
  try {
    return { hits: await ranked(items), failed: [] }
  } catch (error) {
    if (!(error instanceof BatchError)) throw error
    const failures = new Map(error.failures.map((failure) => [failure.index, failure.error]))
    const failed = items.flatMap((item, i) => {
      const why = failures.get(i)
      return why ? [{ ...item, error: named(why, item) }] : []
    })
    const good = items.filter((_, i) => !failures.has(i))
    return { hits: await ranked(good), failed }
  }
}

/** By the document's place in the input. */
function named(error: EmbedderError, { index }: TextItem): EmbedderError {
  const message = error.message.replace(/^The pair with the document at index \d+/, 'The text')
  return renamed(new EmbedderError(error.code, message), `document at index ${index}`)
}

function hitTable(hits: readonly Hit[], query: string): string {
  const isRanked = hits.some((hit) => 'relevance' in hit)
  const rows = hits.map((hit) => [
    hit.score.toFixed(4),
    ...('relevance' in hit ? [hit.relevance.toFixed(4)] : []),
    String(hit.item.id),
    snippet(hit.item.text, query, SNIPPET),
  ])
  const head = ['score', ...(isRanked ? ['relevance'] : []), 'id', 'document']
  return table([head, ...rows], isRanked ? [0, 1] : [0])
}
