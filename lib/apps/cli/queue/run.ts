/** `bge-m3 queue status`, `retry` and `clear`. */

import { throwIfAborted } from '../../../common/abort.js'
import { formatDuration } from '../../../common/units.js'
import {
  clearQueue,
  isDone,
  type QueueStatus,
  queueFailures,
  queueStatus,
  retryFailed,
  watchQueue,
} from '../../../integrations/queue/status.js'
import { EXIT } from '../shared/errors.js'
import type { CliIo } from '../shared/io.js'
import type { Flags } from '../shared/options.js'
import { Sink } from '../shared/sink.js'
import { table } from '../shared/table.js'
import { queueAddress } from './address.js'

interface StatusFlags {
  watch?: boolean
  failures?: boolean
  json?: boolean
}

/** Exit code 1: something has failed. */
export async function runQueueStatus(io: CliIo, flags: Flags): Promise<number> {
  const { watch = false, failures = false, json = false } = flags as StatusFlags
  const address = queueAddress(io, flags)
  const sink = Sink.stdout(io)
  let last: QueueStatus | undefined
  if (watch) {
    const replace = !json && io.stdout.isTTY
    for await (const status of watchQueue({ ...address, signal: io.signal })) {
      last = status
      const line = json ? JSON.stringify(status) : summary(status)
      await sink.write(replace ? `\r\u001b[K${line}` : `${line}\n`)
    }
    if (replace) await sink.write('\n')
    throwIfAborted(io.signal)
  } else {
    last = await queueStatus(address)
    await sink.write(json ? `${JSON.stringify(last)}\n` : overview(last))
  }
  if (failures) {
    for await (const failure of queueFailures(address)) {
      const { id, code, message } = failure
      await sink.write(
        json ? `${JSON.stringify({ failure })}\n` : `text ${id}: ${code} ${message}\n`,
      )
    }
    if (!json) {
      for (const { id, reason, items } of last?.failedJobs ?? []) {
        await sink.write(`job ${id} of ${items} texts: ${reason}\n`)
      }
    }
  }
  return (last?.items.failed ?? 0) > 0 ? EXIT.failed : EXIT.done
}

export async function runQueueRetry(io: CliIo, flags: Flags): Promise<number> {
  const jobs = await retryFailed(queueAddress(io, flags))
  const json = (flags as { json?: boolean }).json
  await Sink.stdout(io).write(json ? `${JSON.stringify({ jobs })}\n` : `${jobs} jobs again\n`)
  return EXIT.done
}

export async function runQueueClear(io: CliIo, flags: Flags): Promise<number> {
  await clearQueue(queueAddress(io, flags))
  const json = (flags as { json?: boolean }).json
  await Sink.stdout(io).write(json ? `${JSON.stringify({ cleared: true })}\n` : 'cleared\n')
  return EXIT.done
}

/** One line. */
function summary(status: QueueStatus): string {
  const { items, rate, workers } = status
  const share = items.total > 0 ? ` (${((100 * items.done) / items.total).toFixed(1)} %)` : ''
  const parts = [
    `${items.done} of ${items.total}${status.producing ? '+' : ''} texts${share}`,
    `${workers.length} ${workers.length === 1 ? 'worker' : 'workers'}`,
    `${Math.round(rate.tokens)} tokens/s`,
    timeLeft(status),
    ...(items.failed > 0 ? [`${items.failed} failed`] : []),
    ...workers.flatMap(({ trouble }) => trouble ?? []).slice(0, 1),
  ]
  return parts.join(', ')
}

function timeLeft(status: QueueStatus): string {
  if (status.corpora === 0) return 'nothing to do yet'
  if (isDone(status)) return 'done'
  return status.eta === null ? 'time left unknown' : `${formatDuration(1000 * status.eta)} left`
}

function overview(status: QueueStatus): string {
  const { items, tokens, jobs, rate, workers } = status
  const rows = [
    ['queue', status.queue],
    ['texts', `${items.done} of ${items.total} stored, ${items.failed} failed, ${items.left} left`],
    ['tokens', `${tokens.done} of ${tokens.total}`],
    [
      'jobs',
      `${jobs.done} of ${jobs.total} done, ${jobs.active} under way, ${jobs.waiting} waiting, ` +
        `${jobs.delayed} to be tried again, ${jobs.failed} failed`,
    ],
    ['rate', `${rate.items.toFixed(1)} texts/s, ${Math.round(rate.tokens)} tokens/s`],
    ['left', `${timeLeft(status)}${status.producing ? ', and more is coming' : ''}`],
    ...workers.map(({ name, items, trouble }) => [
      'worker',
      `${name}: ${items} texts${trouble === undefined ? '' : `; ${trouble}`}`,
    ]),
  ]
  return table(rows)
}
