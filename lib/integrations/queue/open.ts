/** A queue, opened: BullMQ's view of it, and our own. */

import type { Queue } from 'bullmq'
import { InvalidInputError } from '../../common/errors.js'
import { optional } from '../../common/optional.js'
import type { JobData } from './job.js'
import { Ledger } from './ledger.js'
import {
  connectRedis,
  QUEUE_PACKAGES,
  type RedisLink,
  type RedisTarget,
  redisError,
  USER,
} from './redis.js'

/** Which queue, and where. */
export interface QueueAddress {
  redis: RedisTarget
  /** Default: `bge-m3`. */
  queue?: string
  /** The prefix of all keys in Redis. Default: BullMQ's own, `bull`; with Redis Cluster `{bull}`. */
  prefix?: string
}

export const ADDRESS_NAMES = { redis: 1, queue: 1, prefix: 1 } as const satisfies Record<
  keyof QueueAddress,
  1
>

export const DEFAULT_QUEUE = 'bge-m3'
const DEFAULT_PREFIX = 'bull'

export interface OpenQueue {
  readonly name: string
  readonly prefix: string
  readonly link: RedisLink
  readonly bull: Queue<JobData>
  readonly ledger: Ledger
  readonly BullMQ: typeof import('bullmq')
  close(): Promise<void>
}

/** @throws InvalidInputError for a name that is none and for packages that are missing, QueueError */
export async function openQueue(
  address: QueueAddress,
  { onlyLook = false } = {},
): Promise<OpenQueue> {
  const { redis, queue: name = DEFAULT_QUEUE, prefix = DEFAULT_PREFIX } = address
  if (typeof name !== 'string' || !/^[\w.-]{1,100}$/.test(name)) {
    throw new InvalidInputError('The name of a queue is up to 100 letters, digits, and _ . -')
  }
  if (typeof prefix !== 'string' || !/^[\w.{}-]{1,100}$/.test(prefix)) {
    throw new InvalidInputError('The prefix of a queue is up to 100 letters, digits, and _ . - { }')
  }
  const BullMQ = await optional('bullmq', USER, () => import('bullmq'), QUEUE_PACKAGES)
  const link = await connectRedis(redis)
  const bull = new BullMQ.Queue<JobData>(name, {
    connection: link.client,
    prefix,
    // a queue that is not there is not to be there because somebody looked
    skipMetasUpdate: onlyLook,
  })
  // the connection says so, too, and looks for the way back by itself
  bull.on('error', () => {})
  return {
    name,
    prefix,
    link,
    bull,
    ledger: new Ledger(link.client, `${prefix}:${name}`),
    BullMQ,
    async close() {
      if (link.client.status === 'ready') await bull.close().catch(() => {})
      await link.close()
    },
  }
}

/** Opens a queue, and closes it when `run` is over. @throws as `openQueue`; QueueError for what Redis refuses */
export async function withQueue<T>(
  address: QueueAddress,
  run: (queue: OpenQueue) => Promise<T>,
  how?: { onlyLook: boolean },
): Promise<T> {
  const queue = await openQueue(address, how)
  try {
    return await run(queue)
  } catch (error) {
    throw redisError(error)
  } finally {
    await queue.close()
  }
}
