/** A command that embeds, watched: its record for `--stats`, its metrics where they have a port. */

import { EmbedderError } from '../../../common/errors.js'
import { performance } from '../../../common/timers.js'
import type { Embedding, Settled } from '../../../common/types.js'
import type { Embedder } from '../../../embedder/embedder.js'
import type { BatchReport } from '../../../integrations/batch-report.js'
import type { OptionValues } from '../../../options/table.js'
import type { PipelineServer } from '../../server/pipeline.js'
import { UsageError } from './errors.js'
import { type CliIo, say } from './io.js'
import { openEmbedder } from './load.js'
import type { Flags } from './options.js'
import { describeModel, openRunRecord, RunRecorder, writeRunRecord } from './run-record.js'
import { checkTarget } from './sink.js'
import { tapped } from './tapped.js'
import type { WatchFlags } from './watch-options.js'

/** What is watched. */
export interface Watching {
  /** Such as `load postgres`. */
  command: string
  flags: Flags
  values: OptionValues
  /** Counts come batch by batch, by `onBatch`: what was embedded may yet be refused by a store. */
  byBatch?: boolean
}

/** What the work itself tells. */
export class Watch {
  /** Items that were there already. */
  skipped = 0
  /** Tries again of the store's. */
  retries = 0
  /** Items that are left; asked once a scrape. */
  left: () => Promise<number | undefined> = async () => undefined
  /** For a loader or a worker. */
  readonly onBatch: (batch: BatchReport) => void

  constructor(recorder: RunRecorder | undefined, pipeline: () => PipelineServer | undefined) {
    this.onBatch = (batch) => {
      recorder?.batch(batch)
      pipeline()?.batch(batch)
    }
  }
}

/** Loads the model, runs, writes the record, disposes. What `run` throws comes out, once that is done. */
export async function withEmbedder<T>(
  io: CliIo,
  watching: Watching,
  run: (embedder: Embedder, watch: Watch) => Promise<T>,
): Promise<T> {
  const { command, flags, values, byBatch = false } = watching
  const { stats } = flags as WatchFlags
  await checkTarget(stats)
  if (stats !== undefined) await openRunRecord(stats)
  let pipeline: PipelineServer | undefined
  const recorder = stats === undefined ? undefined : new RunRecorder()
  const watch = new Watch(recorder, () => pipeline)
  try {
    pipeline = await openPipeline(io, flags as WatchFlags, watch)
    const from = performance.now()
    const embedder = await openEmbedder(io, values)
    const loadMs = performance.now() - from
    const hear = (result: Settled<Embedding>) => {
      if (!(result instanceof EmbedderError)) pipeline?.embedded(result)
      if (byBatch) recorder?.shared(result)
      else recorder?.add(result)
    }
    const end = async (interrupted: boolean) => {
      if (stats === undefined || recorder === undefined) return
      const engine = embedder.stats()
      const { skipped, retries } = watch
      const { model, threads } = describeModel(embedder)
      const about = { command, interrupted, loadMs, skipped, model }
      const record = recorder.finish(
        { ...about, retries: retries + engine.retries, options: { ...values, threads } },
        engine.computeMs,
      )
      await writeRunRecord(stats, record)
    }
    try {
      await pipeline?.begin(embedder)
      recorder?.restart()
      const result = await run(recorder || pipeline ? tapped(embedder, hear) : embedder, watch)
      await end(false)
      return result
    } catch (error) {
      // the first error is the one to tell
      await end(true).catch(() => {})
      throw error
    } finally {
      await embedder.dispose()
    }
  } finally {
    recorder?.stop()
    pipeline?.close()
  }
}

async function openPipeline(
  io: CliIo,
  flags: WatchFlags,
  watch: Watch,
): Promise<PipelineServer | undefined> {
  const port = flags.metricsPort ?? portOf(io.env.BGE_M3_METRICS_PORT)
  if (port === undefined) return undefined
  const host = flags.metricsHost ?? (io.env.BGE_M3_METRICS_HOST || '127.0.0.1')
  const { PipelineServer } = await import('../../server/pipeline.js')
  try {
    const left = () => watch.left()
    const pipeline = await PipelineServer.open({ host, port, env: io.env, left })
    if (port === 0) say(io, `metrics on http://${host}:${pipeline.port}/metrics`)
    return pipeline
  } catch (error) {
    if (error instanceof EmbedderError) throw error
    const { code } = error as NodeJS.ErrnoException
    throw new UsageError(`Cannot listen on ${host}:${port} for metrics (${code}).`)
  }
}

function portOf(text: string | undefined): number | undefined {
  if (!text) return undefined
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text)
  throw new UsageError(`BGE_M3_METRICS_PORT must be a port from 0 to 65535, not ${text}.`)
}
