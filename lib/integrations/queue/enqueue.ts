/** A corpus into the queue, no faster than workers take it out. */

import { createHash } from 'node:crypto'
import type { TokenCounter } from '../../chunking/types.js'
import { type AbortSignalLike, throwIfAborted } from '../../common/abort.js'
import { InvalidInputError } from '../../common/errors.js'
import {
  checkEmbedder,
  checkFunction,
  checkRange,
  checkSignal,
  namesOf,
  refuseUnknown,
} from '../../common/given.js'
import { performance, sleep } from '../../common/timers.js'
import { checkCutting, chunked, type DocumentCutting } from '../chunked.js'
import { type CorpusSource, cut, type Refused } from './cut.js'
import type { NewJob } from './job.js'
import type { QueueFailure } from './ledger.js'
import { ADDRESS_NAMES, type OpenQueue, type QueueAddress, withQueue } from './open.js'
import { redisRetries } from './redis.js'

export interface EnqueueOptions extends QueueAddress {
  /** Tokens of a job. Default: 8192. */
  jobTokens?: number
  /** The most tokens that one chunk can cost (`m3.info.maxTokens`). Default: 8192. */
  maxTokens?: number
  /** Jobs that may wait in Redis; the producer waits where there are as many. Default: 500. */
  maxWaiting?: number
  /** How often a job is tried that a worker could not do. Default: 5, from 1 s on, doubled each time. */
  attempts?: number
  /**
   * Cuts the texts: chunks have the ids `ID#0`, `ID#1` ... and their places in their metadata, and what a store has
   * of a longer text before is removed by the worker. Default: false.
   */
  chunk?: boolean | DocumentCutting | undefined
  /** Tells corpora of one queue apart: `untilDone` workers end when all are complete. Default: `corpus`. */
  corpus?: string
  signal?: AbortSignalLike
  /** Called as work is done. */
  onProgress?: (progress: EnqueueProgress) => void
}

/** How far `enqueue` is. */
export interface EnqueueProgress {
  /** Chunks in jobs that are in the queue, or were. */
  items: number
  tokens: number
  jobs: number
  /** Chunks that go into no job. */
  failed: number
}

/** What `enqueue` did. */
export interface EnqueueResult extends EnqueueProgress {
  /** Jobs that the queue did not know yet. */
  newJobs: number
  /** The first 1,000 chunks that go into no job. */
  failures: QueueFailure[]
  seconds: number
}

const NAMES = namesOf<EnqueueOptions>({
  ...ADDRESS_NAMES,
  jobTokens: 1,
  maxTokens: 1,
  maxWaiting: 1,
  attempts: 1,
  chunk: 1,
  corpus: 1,
  signal: 1,
  onProgress: 1,
})

const JOB_TOKENS = 8192
const MAX_TOKENS = 8192
const MAX_WAITING = 500
const ATTEMPTS = 5
const BACKOFF_MS = 1000
/** Jobs sent at a time, and units of their texts. */
const BULK = { jobs: 32, units: 8 * 1024 * 1024 }
const LOOK_MS = { first: 50, most: 1000 }
const MOST_FAILURES = 1000

/**
 * Cuts a corpus into jobs by tokens and adds them. The same corpus makes the same jobs, and a job that is
 * there or done is not made again: a producer that was cut off is run anew, and goes on.
 *
 * @param counter counts the tokens: an `Embedder`
 * @throws InvalidInputError for wrong options, QueueError when Redis cannot be reached at first. Later it
 *   is waited for.
 */
export async function enqueue(
  counter: TokenCounter,
  source: CorpusSource,
  options: EnqueueOptions,
): Promise<EnqueueResult> {
  refuseUnknown(options, NAMES, 'enqueue')
  checkSignal(options.signal)
  checkFunction('onProgress', options.onProgress)
  checkEmbedder(counter, 'countTokens')
  const {
    jobTokens = JOB_TOKENS,
    maxTokens = MAX_TOKENS,
    maxWaiting = MAX_WAITING,
    attempts = ATTEMPTS,
    corpus = 'corpus',
    signal,
  } = options
  checkRange('jobTokens', jobTokens, 1, 1_000_000)
  checkRange('maxTokens', maxTokens, 1, 1_000_000)
  checkRange('maxWaiting', maxWaiting, 1, 1_000_000)
  checkRange('attempts', attempts, 1, 1000)
  checkSource(source)
  throwIfAborted(signal)
  const cutting = await checkCutting(options.chunk, counter, maxTokens)
  const chunks = cutting ? (chunked(source, cutting, counter, signal) as CorpusSource) : source
  return withQueue(options, async (queue) => {
    const producer = new Producer(queue, { maxWaiting, attempts, signal }, options.onProgress)
    const mark = (state: 'open' | 'complete') =>
      redisRetries(() => queue.ledger.markCorpus(corpus, state), signal)
    await mark('open')
    for await (const found of cut(chunks, counter, { jobTokens, maxTokens })) {
      throwIfAborted(signal)
      await ('job' in found ? producer.add(found.job) : producer.refuse(found.refused))
    }
    await producer.flush()
    await mark('complete')
    return producer.result
  })
}

function checkSource(source: unknown): void {
  const { [Symbol.asyncIterator]: openAsync, [Symbol.iterator]: openSync } = Object(source)
  const isIterable = typeof openAsync === 'function' || typeof openSync === 'function'
  if (typeof source !== 'string' && isIterable) return
  throw new InvalidInputError('A corpus is an iterable or async iterable of chunks or strings.')
}

class Producer {
  readonly #queue: OpenQueue
  readonly #limits: { maxWaiting: number; attempts: number; signal: AbortSignalLike | undefined }
  readonly #onProgress: EnqueueOptions['onProgress']
  readonly #started = performance.now()
  readonly #progress: EnqueueProgress = { items: 0, tokens: 0, jobs: 0, failed: 0 }
  readonly #failures: QueueFailure[] = []
  #newJobs = 0
  #batch: NewJob[] = []
  #units = 0
  /** Jobs that may be added before the queue is looked at again. */
  #room = 0

  constructor(
    queue: OpenQueue,
    limits: { maxWaiting: number; attempts: number; signal: AbortSignalLike | undefined },
    onProgress: EnqueueOptions['onProgress'],
  ) {
    this.#queue = queue
    this.#limits = limits
    this.#onProgress = onProgress
  }

  get result(): EnqueueResult {
    return {
      ...this.#progress,
      newJobs: this.#newJobs,
      failures: this.#failures,
      seconds: (performance.now() - this.#started) / 1000,
    }
  }

  async add(job: NewJob): Promise<void> {
    this.#batch.push(job)
    this.#units += job.units
    if (this.#batch.length >= BULK.jobs || this.#units >= BULK.units) await this.flush()
  }

  async refuse({ id, index, error }: Refused): Promise<void> {
    const failure = { id: id || `#${index}`, code: error.code, message: error.message }
    const about = createHash('sha256')
      .update(JSON.stringify([index, failure]))
      .digest('hex')
    await this.#retrying(() => this.#queue.ledger.refuse(`r${about.slice(0, 32)}`, failure))
    this.#progress.failed++
    if (this.#failures.length < MOST_FAILURES) this.#failures.push(failure)
  }

  async flush(): Promise<void> {
    const jobs = this.#batch
    this.#batch = []
    this.#units = 0
    const ids = jobs.map(({ id }) => id)
    const done = await this.#retrying(() => this.#queue.ledger.done(ids))
    const open = jobs.filter(({ id }) => !done.has(id))
    // first what there is to do, then the jobs: nobody is to see more done than there was
    this.#newJobs += await this.#retrying(() => this.#queue.ledger.announce(jobs))
    for (let at = 0; at < open.length; ) {
      if (this.#room === 0) this.#room = await this.#waitForRoom()
      const some = open.slice(at, at + this.#room)
      await this.#retrying(() => this.#send(some))
      at += some.length
      this.#room -= some.length
    }
    for (const { data } of jobs) {
      this.#progress.jobs++
      this.#progress.items += data.items.length
      this.#progress.tokens += data.tokens
    }
    this.#onProgress?.({ ...this.#progress })
  }

  /** A job that is there already stays as it is. */
  async #send(jobs: readonly NewJob[]): Promise<void> {
    const { attempts } = this.#limits
    await this.#queue.bull.addBulk(
      jobs.map(({ id, data }) => ({
        name: 'embed',
        data,
        opts: {
          jobId: id,
          attempts,
          backoff: { type: 'exponential', delay: BACKOFF_MS },
          // its texts need not stay; that it is done is in the ledger
          removeOnComplete: true,
          removeOnFail: false,
          stackTraceLimit: 1,
        },
      })),
    )
  }

  async #waitForRoom(): Promise<number> {
    const { maxWaiting, signal } = this.#limits
    for (let pause = LOOK_MS.first; ; pause = Math.min(2 * pause, LOOK_MS.most)) {
      throwIfAborted(signal)
      const counts = await this.#retrying(() =>
        this.#queue.bull.getJobCounts('waiting', 'delayed', 'prioritized'),
      )
      const waiting = Object.values(counts).reduce((sum, count) => sum + count, 0)
      if (waiting < maxWaiting) return maxWaiting - waiting
      await sleep(pause, signal)
    }
  }

  #retrying<T>(run: () => Promise<T>): Promise<T> {
    return redisRetries(run, this.#limits.signal)
  }
}
