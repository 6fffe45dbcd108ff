/** `bge-m3 worker`: jobs of a queue to rows of a table. */

import type { Embedder } from '../embedder.js'
import { PostgresStore } from '../output/postgres/store.js'
import type { DenseKind } from '../output/postgres/table.js'
import { runWorker, type WorkerResult } from '../output/queue/worker.js'
import type { EmbeddingStore } from '../output/store.js'
import { queueAddress } from './queue-address.js'
import { EXIT, UsageError } from './shared/errors.js'
import { type CliIo, say } from './shared/io.js'
import { announceStandin, openEmbedder } from './shared/load.js'
import { loggerOf } from './shared/logger.js'
import { type Flags, optionValues } from './shared/options.js'
import { present } from './shared/present.js'
import { Sink } from './shared/sink.js'

interface WorkerFlags {
  database?: string
  table?: string
  id: string
  textColumn?: string
  denseColumn?: string
  sparseColumn?: string
  metadataColumn?: string
  modelColumn?: string
  denseType?: DenseKind
  sparseLimit?: number
  concurrency?: number
  untilDone?: boolean
  skipStored?: boolean
  /** Seconds. */
  stalledAfter?: number
  json?: boolean
}

/** Milliseconds that jobs under way may take once we are to end, and what giving back takes then. */
const SHUTDOWN_MS = 10_000
const GIVE_BACK_MS = 8000

export async function runWorkerCommand(io: CliIo, flags: Flags): Promise<number> {
  const values = optionValues(flags, io.env)
  const own = flags as unknown as WorkerFlags
  const url = own.database ?? io.env.DATABASE_URL
  if (!url) throw new UsageError('Name the database: --database URL, or DATABASE_URL.')
  if (own.table === undefined) throw new UsageError('Name the table: --table NAME.')
  const { denseColumn, sparseColumn, concurrency, untilDone, skipStored, stalledAfter } = own
  if (denseColumn === undefined && sparseColumn === undefined) {
    throw new UsageError('Name a column to fill: --dense-column, --sparse-column, or both.')
  }
  io.onInterrupt?.(SHUTDOWN_MS + GIVE_BACK_MS)
  const embedder = await openEmbedder(io, values)
  try {
    announceStandin(io, embedder.info)
    const store = await openStore(url, own, embedder, values.dimensions)
    try {
      const { truncate, maxTokens, dimensions } = values
      const result = await runWorker(embedder, {
        ...queueAddress(io, flags),
        ...present({ truncate, maxTokens, dimensions, concurrency, untilDone, skipStored }),
        ...(stalledAfter === undefined ? {} : { stalledAfter: 1000 * stalledAfter }),
        outputs: { dense: denseColumn !== undefined, sparse: sparseColumn !== undefined },
        store,
        shutdownTimeout: SHUTDOWN_MS,
        signal: io.signal,
        logger: loggerOf(io, values.logLevel),
      })
      await report(io, result, own.json ?? false)
      // to be told to end is how a worker ends, unless it has an end of its own
      if (untilDone) io.signal.throwIfAborted()
      return result.failed > 0 ? EXIT.failed : EXIT.done
    } finally {
      await store.close()
    }
  } finally {
    await embedder.dispose()
  }
}

function openStore(
  url: string,
  own: WorkerFlags,
  { info }: Embedder,
  dimensions: number | undefined,
): Promise<EmbeddingStore> {
  const { sparseLimit, denseType } = own
  return PostgresStore.open(url, {
    table: own.table as string,
    columns: {
      id: own.id,
      text: own.textColumn,
      dense: own.denseColumn,
      sparse: own.sparseColumn,
      metadata: own.metadataColumn,
      model: own.modelColumn,
    },
    model: info,
    ...present({ dimensions, sparseLimit, denseType }),
  })
}

async function report(io: CliIo, result: WorkerResult, json: boolean): Promise<void> {
  const sink = Sink.stdout(io)
  if (json) {
    await sink.write(`${JSON.stringify(result)}\n`)
    return
  }
  const { jobs, items, tokens, failed, givenBack, seconds } = result
  await sink.write(
    `${items} texts, ${tokens} tokens, ${jobs} jobs in ${seconds.toFixed(1)} s` +
      `${failed > 0 ? `; ${failed} failed` : ''}\n`,
  )
  if (givenBack > 0) say(io, `${givenBack} jobs were given back.`)
}
