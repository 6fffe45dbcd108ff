/** `bge-m3 load postgres`: a table's texts to vectors. */

import type { HnswOptions } from '../../../integrations/stores/postgres/hnsw.js'
import { loadTable } from '../../../integrations/stores/postgres/load.js'
import type {
  FollowOptions,
  LoadTableOptions,
  LoadTableResult,
} from '../../../integrations/stores/postgres/load-types.js'
import { cuttingOf } from '../shared/cutting.js'
import { EXIT, UsageError } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import { loggerOf } from '../shared/logger.js'
import { type Flags, optionValues } from '../shared/options.js'
import { present } from '../shared/present.js'
import { NO_BAR, progressBar } from '../shared/progress-bar.js'
import { Sink } from '../shared/sink.js'
import { withEmbedder } from '../shared/watch.js'

interface PostgresFlags {
  url?: string
  table: string
  id: string
  text: string
  denseColumn?: string
  sparseColumn?: string
  errorColumn?: string
  chunkTable?: string
  batchRows?: string
  sparseLimit?: string
  index?: boolean
  force?: boolean
  follow?: boolean
  /** Seconds. */
  poll?: number
  triggers?: boolean
  /** Seconds. */
  stalledAfter?: number
  m?: string
  efConstruction?: string
  distance?: string
  json?: boolean
}

export async function runLoadPostgres(io: CliIo, flags: Flags): Promise<number> {
  const values = optionValues(flags, io.env)
  const own = flags as unknown as PostgresFlags
  const url = own.url ?? io.env.DATABASE_URL
  if (!url) throw new UsageError('Name the database: --url URL, or DATABASE_URL.')
  const { denseColumn, sparseColumn } = own
  if (denseColumn === undefined && sparseColumn === undefined) {
    throw new UsageError('Name a column to fill: --dense-column, --sparse-column, or both.')
  }
  const { truncate, maxTokens, dimensions } = values
  const options: LoadTableOptions = {
    table: own.table,
    columns: {
      id: own.id,
      text: own.text,
      dense: denseColumn,
      sparse: sparseColumn,
      error: own.errorColumn,
    },
    ...present({
      batchRows: integer('--batch-rows', own.batchRows),
      sparseLimit: integer('--sparse-limit', own.sparseLimit),
      truncate,
      maxTokens,
      dimensions,
      force: own.force,
      stalledAfter: own.stalledAfter === undefined ? undefined : 1000 * own.stalledAfter,
    }),
    chunk: chunkOf(own, flags),
    follow: followOf(own),
    index: indexOf(own),
    signal: io.signal,
    logger: loggerOf(io, values.logLevel),
  }
  const watching = { command: 'load postgres', flags, values, byBatch: true }
  return withEmbedder(io, watching, async (embedder, watch) => {
    let bar = NO_BAR
    let left: number | undefined
    watch.left = async () => left
    const result = await loadTable(embedder, url, {
      ...options,
      onBatch: watch.onBatch,
      onProgress({ done, failed, total, rate }) {
        left = total - done - failed
        if (bar === NO_BAR) bar = progressBar(io, { label: 'Rows', total })
        bar.update(done + failed, `${rate.toFixed(0)} rows/s`)
      },
    }).finally(() => bar.stop())
    watch.retries = result.retries
    await report(io, result, own.json ?? false)
    return result.failed > 0 ? EXIT.failed : EXIT.done
  })
}

function chunkOf({ chunkTable }: PostgresFlags, flags: Flags): LoadTableOptions['chunk'] {
  const cutting = cuttingOf(flags)
  if (!cutting && chunkTable !== undefined) throw new UsageError('--chunk-table is for --chunk.')
  return cutting && { ...cutting, ...present({ table: chunkTable }) }
}

function followOf({ follow, poll, triggers, errorColumn }: PostgresFlags): boolean | FollowOptions {
  if (!follow && (poll !== undefined || triggers)) {
    throw new UsageError('--poll and --triggers are settings of --follow.')
  }
  if (follow && errorColumn === undefined) {
    throw new UsageError('--follow needs --error-column, where rows that fail are marked.')
  }
  return follow
    ? present({ pollMs: poll === undefined ? undefined : 1000 * poll, trigger: triggers })
    : false
}

function indexOf({ index, m, efConstruction, distance }: PostgresFlags): boolean | HnswOptions {
  if (distance !== undefined && !/^(cosine|ip|l2)$/.test(distance)) {
    throw new UsageError(`--distance is cosine, ip or l2, not ${distance}.`)
  }
  const settings: HnswOptions = present({
    m: integer('--m', m),
    efConstruction: integer('--ef-construction', efConstruction),
    distance: distance as HnswOptions['distance'],
  })
  if (Object.keys(settings).length > 0 && !index) {
    throw new UsageError('--m, --ef-construction and --distance are settings of --index.')
  }
  return index ? settings : false
}

function integer(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`${flag} takes a whole number, not ${text}.`)
  return Number(text)
}

async function report(io: CliIo, result: LoadTableResult, json: boolean): Promise<void> {
  const sink = Sink.stdout(io)
  if (json) {
    await sink.write(`${JSON.stringify(result)}\n`)
    return
  }
  const { rows, tokens, seconds, failed, failures, sparseCut } = result
  await sink.write(
    `${rows} rows, ${tokens} tokens in ${seconds.toFixed(1)} s` +
      `${failed > 0 ? `; ${failed} failed` : ''}\n`,
  )
  if (sparseCut > 0) say(io, `note: of ${sparseCut} sparse vectors only the largest weights fit.`)
  for (const { id, code, sqlState } of failures.slice(0, 20)) {
    say(io, `row ${id}: ${code}${sqlState === undefined ? '' : ` ${sqlState}`}`)
  }
  if (failed > 20) say(io, `and ${failed - 20} more`)
}
