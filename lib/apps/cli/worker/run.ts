/** `bge-m3 worker`: jobs of a queue to a store. */

import { throwIfAborted } from '../../../common/abort.js'
import { queueStatus } from '../../../integrations/queue/status.js'
import { runWorker, type WorkerResult } from '../../../integrations/queue/worker.js'
import { queueAddress } from '../queue/address.js'
import { EXIT } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import { loggerOf } from '../shared/logger.js'
import { type Flags, optionValues } from '../shared/options.js'
import { present } from '../shared/present.js'
import { Sink } from '../shared/sink.js'
import { withEmbedder } from '../shared/watch.js'
import { chooseStore } from './store.js'

interface WorkerFlags {
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
  const own = flags as WorkerFlags
  const { concurrency, untilDone, skipStored, stalledAfter } = own
  const { outputs, open } = chooseStore(io, flags)
  io.onInterrupt?.(SHUTDOWN_MS + GIVE_BACK_MS)
  const address = queueAddress(io, flags)
  const watching = { command: 'worker', flags, values, byBatch: true }
  return withEmbedder(io, watching, async (embedder, watch) => {
    watch.left = async () => (await queueStatus(address)).items.left
    const store = await open(embedder, values.dimensions)
    try {
      const { truncate, maxTokens, dimensions } = values
      const result = await runWorker(embedder, {
        ...address,
        ...present({ truncate, maxTokens, dimensions, concurrency, untilDone, skipStored }),
        ...(stalledAfter === undefined ? {} : { stalledAfter: 1000 * stalledAfter }),
        outputs,
        store,
        shutdownTimeout: SHUTDOWN_MS,
        signal: io.signal,
        logger: loggerOf(io, values.logLevel),
        onBatch: watch.onBatch,
      })
      await report(io, result, own.json ?? false)
      // to be told to end is how a worker ends, unless it has an end of its own
      if (untilDone) throwIfAborted(io.signal)
      return result.failed > 0 ? EXIT.failed : EXIT.done
    } finally {
      await store.close()
    }
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
