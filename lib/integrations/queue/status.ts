/** The producer's view: how far all workers are, how fast, and until when. */

import type { AbortSignalLike } from '../../common/abort.js'
import {
  checkNumeric,
  checkObject,
  checkSignal,
  namesOf,
  refuseUnknown,
} from '../../common/given.js'
import { sleep } from '../../common/timers.js'
import type { QueueFailure, WorkerSign } from './ledger.js'
import { ADDRESS_NAMES, type OpenQueue, openQueue, type QueueAddress, withQueue } from './open.js'
import { redisError, unlessAborted } from './redis.js'

/** How far a queue is. */
export interface QueueStatus {
  queue: string
  /** Fingerprint of the model that the workers embed with; null before the first one came. */
  model: string | null
  /** Corpora that producers have begun, and whether one of them is not complete yet. */
  corpora: number
  producing: boolean
  /** Chunks: all that the producers brought so far, stored, without an embedding, and still to do. */
  items: { total: number; done: number; failed: number; left: number }
  /** Tokens as the producers counted them. */
  tokens: { total: number; done: number; left: number }
  jobs: {
    total: number
    done: number
    waiting: number
    active: number
    delayed: number
    failed: number
  }
  /** A second, of all workers together, over the last minute. */
  rate: { items: number; tokens: number }
  /** Seconds until what is there now is done, at that rate; null where nobody can say. */
  eta: number | null
  workers: WorkerSign[]
  /** Jobs that failed as often as they were tried: their chunks are not stored, `retryFailed` tries anew. */
  failedJobs: FailedJob[]
}

/** A job that was tried as often as it may be. */
export interface FailedJob {
  id: string
  /** Code and message of the error; never a text. */
  reason: string
  items: number
}

/** Jobs that failed, at most so many of them in a status. */
const MOST_FAILED_JOBS = 20

/** @throws InvalidInputError, QueueError as `enqueue` */
export async function queueStatus(address: QueueAddress): Promise<QueueStatus> {
  refuseUnknown(address, Object.keys(ADDRESS_NAMES), 'queueStatus')
  return withQueue(address, statusOf, { onlyLook: true })
}

export interface WatchOptions extends QueueAddress {
  /** Milliseconds between two looks. Default: 1000. */
  interval?: number
  signal?: AbortSignalLike
}

const WATCH_NAMES = namesOf<WatchOptions>({ ...ADDRESS_NAMES, interval: 1, signal: 1 })

/** A status at a time, until everything is done or the signal aborts. */
export async function* watchQueue(
  options: WatchOptions,
): AsyncGenerator<QueueStatus, void, undefined> {
  refuseUnknown(options, WATCH_NAMES, 'watchQueue')
  const { interval = 1000, signal, ...address } = options
  checkSignal(signal)
  const queue = await openQueue(address, { onlyLook: true })
  try {
    while (!signal?.aborted) {
      const status = await unlessAborted(statusOf(queue), signal).catch((error) => {
        if (!signal?.aborted) throw error
      })
      if (!status) return
      yield status
      if (isDone(status)) return
      await sleep(interval, signal).catch(() => {})
    }
  } catch (error) {
    throw redisError(error)
  } finally {
    await queue.close()
  }
}

/** Everything that was produced is stored or has failed, and no more is coming. */
export function isDone(status: QueueStatus): boolean {
  checkObject(status, 'A status')
  checkObject(status.items, '`items`')
  checkObject(status.jobs, '`jobs`')
  const { corpora, producing, items, jobs } = status
  checkNumeric({ corpora, left: items.left, active: jobs.active })
  return corpora > 0 && !producing && items.left === 0 && jobs.active === 0
}

async function statusOf({ name, prefix, link, bull, ledger }: OpenQueue): Promise<QueueStatus> {
  const [counts, totals, corpora, rate, workers, contract, failedIds] = await Promise.all([
    bull.getJobCounts('waiting', 'active', 'delayed', 'prioritized', 'failed'),
    ledger.totals(),
    ledger.corpora(),
    ledger.rate(),
    ledger.workers(),
    ledger.contract(),
    link.client.zrange(`${prefix}:${name}:failed`, '0', '-1'),
  ])
  const stuck = await ledger.weigh(failedIds)
  const failedJobs = await Promise.all(
    failedIds.slice(0, MOST_FAILED_JOBS).map(async (id): Promise<FailedJob> => {
      // not the whole job: it holds texts
      const reason = await link.client.hget(`${prefix}:${name}:${id}`, 'failedReason')
      return { id, reason: reasonOf(reason), items: (await ledger.weigh([id])).items }
    }),
  )
  const failed = totals.failedItems + stuck.items
  const itemsLeft = Math.max(0, totals.items - totals.doneItems - failed)
  const tokensLeft = Math.max(0, totals.tokens - totals.doneTokens - stuck.tokens)
  return {
    queue: name,
    model: (contract?.model as string | undefined) ?? null,
    corpora: corpora.open + corpora.complete,
    producing: corpora.open > 0,
    items: { total: totals.items, done: totals.doneItems, failed, left: itemsLeft },
    tokens: { total: totals.tokens, done: totals.doneTokens, left: tokensLeft },
    jobs: {
      total: totals.jobs,
      done: totals.doneJobs,
      waiting: (counts.waiting ?? 0) + (counts.prioritized ?? 0),
      active: counts.active ?? 0,
      delayed: counts.delayed ?? 0,
      failed: counts.failed ?? 0,
    },
    rate,
    eta: itemsLeft === 0 ? 0 : rate.tokens > 0 ? tokensLeft / rate.tokens : null,
    workers,
    failedJobs,
  }
}

/** BullMQ's words for a job that took down one worker after the other. */
function reasonOf(reason: string | null): string {
  if (reason === null) return 'UNKNOWN'
  return /stalled more than/.test(reason) ? `STALLED: ${reason}` : reason
}

/** Chunks that have no embedding, each with its code; the first 100,000 that there were. Never a text. */
export async function* queueFailures(
  address: QueueAddress,
): AsyncGenerator<QueueFailure, void, undefined> {
  refuseUnknown(address, Object.keys(ADDRESS_NAMES), 'queueFailures')
  const queue = await openQueue(address, { onlyLook: true })
  try {
    yield* queue.ledger.failures()
  } catch (error) {
    throw redisError(error)
  } finally {
    await queue.close()
  }
}

/** Puts the jobs that failed back into the queue. @returns how many */
export async function retryFailed(address: QueueAddress): Promise<number> {
  refuseUnknown(address, Object.keys(ADDRESS_NAMES), 'retryFailed')
  return withQueue(address, async ({ bull }) => {
    const { failed = 0 } = await bull.getJobCounts('failed')
    await bull.retryJobs({ state: 'failed' })
    return failed
  })
}

/** Removes the queue with everything that is in it or known of it. What is stored stays. */
export async function clearQueue(address: QueueAddress): Promise<void> {
  refuseUnknown(address, Object.keys(ADDRESS_NAMES), 'clearQueue')
  await withQueue(address, async ({ bull, ledger }) => {
    await bull.obliterate({ force: true })
    await ledger.clear()
  })
}
