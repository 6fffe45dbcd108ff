/** `bge-m3 search`: a query to what an index has. */

import type { Snippet } from '../../../common/snippet.js'
import type { Reranker } from '../../../embedder/reranker.js'
import { openIndex } from '../../../integrations/search/search-index.js'
import type { SearchHit, SearchOptions } from '../../../integrations/search/types.js'
import { fromHere } from '../index/run.js'
import { EXIT, UsageError } from '../shared/errors.js'
import type { CliIo } from '../shared/io.js'
import { openReranker } from '../shared/load.js'
import { modelOfIndex } from '../shared/model-of-index.js'
import { type Flags, optionValues } from '../shared/options.js'
import { present } from '../shared/present.js'
import { printable } from '../shared/printable.js'
import { Sink } from '../shared/sink.js'
import { withEmbedder } from '../shared/watch.js'
import { parseWeights } from '../shared/weights.js'

interface SearchFlags {
  store: string
  limit?: string
  mode?: 'hybrid' | 'dense' | 'sparse'
  fusion?: 'weighted' | 'rrf'
  weights?: string
  /** `true` for --rerank without a model. */
  rerank?: string | boolean
  candidates?: string
  json?: boolean
}

/** @param args the query */
export async function runSearch(io: CliIo, args: readonly string[], flags: Flags): Promise<number> {
  const own = flags as unknown as SearchFlags
  const options = searchOptions(io, own)
  const query = args[0] as string
  const values = await modelOfIndex(optionValues(flags, io.env), own.store)
  return withEmbedder(io, { command: 'search', flags, values }, async (embedder) => {
    let reranker: Reranker | undefined
    try {
      if (typeof own.rerank === 'string') {
        reranker = await openReranker(io, { ...values, model: own.rerank })
      }
      const index = await openIndex(own.store, { embedder, create: false })
      try {
        const hits = await index.search(query, { ...options, ...present({ reranker }) })
        const { model } = embedder.info
        const text = own.json ? `${JSON.stringify({ model, hits })}\n` : list(hits, marker(io))
        await Sink.stdout(io).write(text)
        return EXIT.done
      } finally {
        await index.close()
      }
    } finally {
      await reranker?.dispose()
    }
  })
}

function searchOptions(io: CliIo, flags: SearchFlags): SearchOptions {
  const { mode, fusion, weights, candidates, rerank = false } = flags
  if (candidates !== undefined && !rerank) {
    throw new UsageError('--candidates is a setting of --rerank.')
  }
  return {
    ...present({
      limit: whole('--limit', flags.limit),
      mode,
      fusion,
      weights: weights === undefined ? undefined : parseWeights(weights),
      rerank: rerank !== false && (whole('--candidates', candidates) ?? true),
    }),
    signal: io.signal,
  }
}

function whole(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0) {
    throw new UsageError(`${flag} takes a whole number from 1, not ${text}.`)
  }
  return Number(text)
}

/** What marks a word: bold, on a terminal that was not asked to do without (https://no-color.org). */
function marker({ stdout, env }: CliIo): (word: string) => string {
  const isPlain = !stdout.isTTY || Boolean(env.NO_COLOR) || env.TERM === 'dumb'
  return isPlain ? (word) => word : (word) => `\x1b[1m${word}\x1b[22m`
}

function list(hits: readonly SearchHit[], mark: (word: string) => string): string {
  if (hits.length === 0) return 'nothing found\n'
  const width = String(hits.length).length + 2
  return hits
    .map((hit, i) => {
      const place = hit.path === null ? hit.id : `${fromHere(hit.path)}:${lines(hit)}`
      const head = `${`${i + 1}.`.padEnd(width)}${printable(place)}  ${hit.score.toFixed(4)}\n`
      if (hit.snippet === null) return head
      return `${head}${' '.repeat(width)}${marked(hit.snippet, mark)}\n`
    })
    .join('')
}

const lines = ({ line, endLine }: SearchHit) => (line === endLine ? line : `${line}-${endLine}`)

function marked({ text, marks }: Snippet, mark: (word: string) => string): string {
  let shown = ''
  let at = 0
  for (const [start, end] of marks) {
    shown += printable(text.slice(at, start)) + mark(printable(text.slice(start, end)))
    at = end
  }
  return shown + printable(text.slice(at))
}
