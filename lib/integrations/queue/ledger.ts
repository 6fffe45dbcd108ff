/**
 * What is known of a queue beside its jobs: how much there is to do and was done, counted once however
 * often a job runs; what failed; who works, and how fast. It lies in Redis, next to BullMQ's own keys.
 */

import type { Redis } from 'ioredis'
import { InvalidInputError } from '../../common/errors.js'
import type { NewJob } from './job.js'
import { AGREE, ANNOUNCE, BEAT, BUCKET_SECONDS, SETTLE } from './scripts.js'

/** A chunk that has no embedding, and why. Its text is not kept here. */
export interface QueueFailure {
  id: string
  code: string
  message: string
}

export interface SettledJob {
  id: string
  /** Chunks stored. */
  items: number
  /** Tokens as planned, and as embedded. */
  planned: number
  tokens: number
  failures: readonly QueueFailure[]
}

export interface Totals {
  jobs: number
  items: number
  tokens: number
  doneJobs: number
  doneItems: number
  failedItems: number
  /** The planned tokens, and those that went through the model. */
  doneTokens: number
  embeddedTokens: number
}

/** The last sign of life of a worker. */
export interface WorkerSign {
  name: string
  host: string
  pid: number
  /** Since it began. */
  jobs: number
  items: number
  tokens: number
  /** What it waits for, where something is wrong. */
  trouble?: string | undefined
}

/** Failures that are kept by id; all are counted. */
const MOST_FAILURES = 100_000
/** Seconds without a sign after which a worker counts as gone. */
export const GONE_SECONDS = 30
/** Seconds that a rate is the mean of. */
const RATE_SECONDS = 60

export class Ledger {
  readonly #client: Redis
  readonly #keys: Record<
    'jobs' | 'done' | 'totals' | 'failures' | 'rate' | 'workers' | 'meta' | 'corpora',
    string
  >

  /** @param prefix of all keys of the queue */
  constructor(client: Redis, prefix: string) {
    this.#client = client
    const key = (name: string) => `${prefix}:m3:${name}`
    this.#keys = {
      jobs: key('jobs'),
      done: key('done'),
      totals: key('totals'),
      failures: key('failures'),
      rate: key('rate'),
      workers: key('workers'),
      meta: key('meta'),
      corpora: key('corpora'),
    }
  }

  /** @returns how many were not known */
  async announce(jobs: readonly NewJob[]): Promise<number> {
    const { jobs: known, totals } = this.#keys
    const about = jobs.flatMap(({ id, data }) => [id, data.items.length, data.tokens])
    return Number(await this.#client.eval(ANNOUNCE, 2, known, totals, ...about))
  }

  /** Those of these jobs that are stored. */
  async done(ids: readonly string[]): Promise<Set<string>> {
    if (ids.length === 0) return new Set()
    const found = await this.#client.hmget(this.#keys.done, ...ids)
    return new Set(ids.filter((_, i) => found[i] !== null))
  }

  async settle({ id, items, planned, tokens, failures }: SettledJob): Promise<void> {
    const { done, totals, failures: failed } = this.#keys
    const numbers = [items, failures.length, planned, tokens, MOST_FAILURES]
    const listed = failures.flatMap(({ id, code, message }) => [
      id,
      JSON.stringify([code, message]),
    ])
    await this.#client.eval(SETTLE, 3, done, totals, failed, id, ...numbers, ...listed)
  }

  /** A chunk that goes into no job. The same one is counted once, too. */
  async refuse(about: string, failure: QueueFailure): Promise<void> {
    const { jobs, totals } = this.#keys
    await this.#client.eval(ANNOUNCE, 2, jobs, totals, about, 1, 0)
    await this.settle({ id: about, items: 0, planned: 0, tokens: 0, failures: [failure] })
  }

  /** @throws InvalidInputError when the queue's vectors are made in another way */
  async agree(contract: Readonly<Record<string, unknown>>, queue: string): Promise<void> {
    const { meta, done, workers } = this.#keys
    const wanted = JSON.stringify(contract)
    const held = String(
      await this.#client.eval(AGREE, 3, meta, done, workers, wanted, GONE_SECONDS),
    )
    if (held === wanted) return
    const others = JSON.parse(held) as Record<string, unknown>
    const names = [...new Set([...Object.keys(others), ...Object.keys(contract)])]
    const isOther = (name: string) =>
      JSON.stringify(others[name]) !== JSON.stringify(contract[name])
    throw new InvalidInputError(
      `The workers of queue ${queue} embed with other settings (${names.filter(isOther).join(', ')}), ` +
        'and their vectors would not go with these. Use the same, another queue, or clear this one.',
    )
  }

  async contract(): Promise<Record<string, unknown> | undefined> {
    const held = await this.#client.hget(this.#keys.meta, 'contract')
    return held === null ? undefined : (JSON.parse(held) as Record<string, unknown>)
  }

  /** A corpus that is being produced, or is complete. */
  async markCorpus(name: string, state: 'open' | 'complete'): Promise<void> {
    await this.#client.hset(this.#keys.corpora, name, state)
  }

  async corpora(): Promise<{ open: number; complete: number }> {
    const states = await this.#client.hvals(this.#keys.corpora)
    const complete = states.filter((state) => state === 'complete').length
    return { open: states.length - complete, complete }
  }

  /** @param since what was done since the last sign */
  async beat(
    { name, ...sign }: WorkerSign,
    since: { items: number; tokens: number },
  ): Promise<void> {
    const { workers, rate } = this.#keys
    const json = JSON.stringify(sign)
    await this.#client.eval(BEAT, 2, workers, rate, name, json, since.items, since.tokens)
  }

  async leave(name: string): Promise<void> {
    await this.#client.hdel(this.#keys.workers, name)
  }

  async totals(): Promise<Totals> {
    const found = await this.#client.hgetall(this.#keys.totals)
    const count = (name: keyof Totals) => Number(found[name] ?? 0)
    return {
      jobs: count('jobs'),
      items: count('items'),
      tokens: count('tokens'),
      doneJobs: count('doneJobs'),
      doneItems: count('doneItems'),
      failedItems: count('failedItems'),
      doneTokens: count('doneTokens'),
      embeddedTokens: count('embeddedTokens'),
    }
  }

  /** Items and planned tokens of some jobs, summed. */
  async weigh(ids: readonly string[]): Promise<{ items: number; tokens: number }> {
    const sum = { items: 0, tokens: 0 }
    if (ids.length === 0) return sum
    for (const about of await this.#client.hmget(this.#keys.jobs, ...ids)) {
      const [items = 0, tokens = 0] = (about ?? '0 0').split(' ').map(Number)
      sum.items += items
      sum.tokens += tokens
    }
    return sum
  }

  /** Workers that gave a sign of late. */
  async workers(): Promise<WorkerSign[]> {
    const [time, all] = await Promise.all([this.#now(), this.#client.hgetall(this.#keys.workers)])
    return Object.entries(all)
      .map(([name, json]) => ({ ...(JSON.parse(json) as WorkerSign & { at: number }), name }))
      .filter(({ at }) => at > time - GONE_SECONDS)
      .map(({ at: _, ...sign }) => sign)
  }

  /** Items and tokens a second, of all workers, over the last minute or since work began in it. */
  async rate(): Promise<{ items: number; tokens: number }> {
    const [now, all] = await Promise.all([this.#now(), this.#client.hgetall(this.#keys.rate)])
    const sum = { items: 0, tokens: 0 }
    let from = now
    for (const [field, value] of Object.entries(all)) {
      const [bucket, what] = field.split(':')
      const start = Number(bucket) * BUCKET_SECONDS
      const count = Number(value)
      if (start < now - RATE_SECONDS || count === 0) continue
      from = Math.min(from, start)
      sum[what as 'items' | 'tokens'] += count
    }
    const seconds = Math.max(now - from, 1)
    return { items: sum.items / seconds, tokens: sum.tokens / seconds }
  }

  /** Failures as they are listed, each once. */
  async *failures(): AsyncGenerator<QueueFailure> {
    let cursor = '0'
    const seen = new Set<string>()
    do {
      const [next, found] = await this.#client.hscan(this.#keys.failures, cursor, 'COUNT', 500)
      cursor = next
      for (let i = 0; i < found.length; i += 2) {
        const id = found[i] as string
        // a scan may show what it has shown before
        if (seen.has(id)) continue
        seen.add(id)
        const [code, message] = JSON.parse(found[i + 1] as string) as [string, string]
        yield { id, code, message }
      }
    } while (cursor !== '0')
  }

  /** Forgets everything. */
  async clear(): Promise<void> {
    await this.#client.del(...Object.values(this.#keys))
  }

  /** Seconds, by Redis's clock: workers' own may differ. */
  async #now(): Promise<number> {
    const [seconds, micros] = await this.#client.time()
    return Number(seconds) + Number(micros) / 1e6
  }
}
