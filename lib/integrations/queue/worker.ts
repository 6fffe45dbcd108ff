/** A worker: takes jobs, embeds them and writes to a store, until it is told to end. */

import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Job, Worker } from 'bullmq'
import { type AbortSignalLike, abortController } from '../../common/abort.js'
import { EmbedderError, InvalidInputError } from '../../common/errors.js'
import {
  checkEmbedder,
  checkFunction,
  checkRange,
  checkSignal,
  namesOf,
  refuseUnknown,
} from '../../common/given.js'
import { nameOf } from '../../common/realms.js'
import { clearInterval, performance, setInterval, sleep } from '../../common/timers.js'
import type { EmbedOptions, Logger } from '../../common/types.js'
import type { Embedder } from '../../embedder/embedder.js'
import { programLogger } from '../../options/logger.js'
import { resolveOptions } from '../../options/table.js'
import { type BatchReport, countByCode, logLine, tellBatch } from '../batch-report.js'
import { COMPARABLE, type EmbeddingStore } from '../store.js'
import { StoreFit } from '../write-apart.js'
import { doJob, EmbedderTrouble, type HowToEmbed, type JobOutcome } from './do-job.js'
import { type JobData, readJob } from './job.js'
import { ADDRESS_NAMES, type OpenQueue, type QueueAddress, withQueue } from './open.js'
import { redisError } from './redis.js'

export interface WorkerOptions
  extends QueueAddress,
    Pick<EmbedOptions, 'outputs' | 'truncate' | 'maxTokens' | 'dimensions'> {
  /** Where embeddings go. It is prepared here, and closed by whoever opened it. */
  store: EmbeddingStore
  /** Jobs at a time: while one is embedded others are fetched and written. Default: 2. */
  concurrency?: number
  /** Ends when every corpus is complete and nothing is left to do. Default: false. */
  untilDone?: boolean
  /** Does not embed what the store has already, whatever its text was then. Default: false. */
  skipStored?: boolean
  /** Milliseconds without a sign of life after which others take over a job. Default: 30,000. */
  stalledAfter?: number
  /** Milliseconds that jobs under way may take to finish once `signal` aborts. Default: 10,000. */
  shutdownTimeout?: number
  /** Ends the worker: what is under way is finished or given back, and the call resolves. */
  signal?: AbortSignalLike
  /** A line a job at `info`: texts, tokens, milliseconds by phase, memory, failures by code. No line holds a text. */
  logger?: Logger | undefined
  /** Called after each job with what it came to: for counts and rates of your own. */
  onBatch?: (batch: BatchReport) => void
  /** Called as work is done. */
  onProgress?: (progress: WorkerProgress) => void
}

const NAMES = namesOf<WorkerOptions>({
  ...ADDRESS_NAMES,
  outputs: 1,
  truncate: 1,
  maxTokens: 1,
  dimensions: 1,
  store: 1,
  concurrency: 1,
  untilDone: 1,
  skipStored: 1,
  stalledAfter: 1,
  shutdownTimeout: 1,
  signal: 1,
  logger: 1,
  onBatch: 1,
  onProgress: 1,
})

/** What this worker did. */
export interface WorkerProgress {
  jobs: number
  /** Chunks stored. */
  items: number
  tokens: number
  /** Chunks that have no embedding. */
  failed: number
}

export interface WorkerResult extends WorkerProgress {
  /** Jobs that went back to the queue, for this worker had to end or could not do them. */
  givenBack: number
  seconds: number
}

const CONCURRENCY = 2
const STALLED_MS = 30_000
const SHUTDOWN_MS = 10_000
/** What comes after that is cut off. */
const GRACE_MS = 5000
const BEAT_MS = 2000
/** A job that takes its worker down so often is not tried again. Machines that are taken away are no rarity. */
const MOST_STALLS = 10

/**
 * Works on a queue. Any number of workers on any machines may do so at a time, with the same model and
 * options.
 *
 * @throws InvalidInputError, StoreError, QueueError before any work, when the store does not fit, or store
 *   or Redis cannot be reached; later both are waited for. What the embedder throws, when it cannot go on.
 */
export async function runWorker(embedder: Embedder, options: WorkerOptions): Promise<WorkerResult> {
  checkEmbedder(embedder, 'embed', 'embedStream')
  refuseUnknown(options, NAMES, 'runWorker')
  checkSignal(options.signal)
  checkFunction('onProgress', options.onProgress)
  checkFunction('onBatch', options.onBatch)
  checkRange('concurrency', options.concurrency ?? CONCURRENCY, 1, 64)
  checkRange('stalledAfter', options.stalledAfter ?? STALLED_MS, 500, 86_400_000)
  checkRange('shutdownTimeout', options.shutdownTimeout ?? SHUTDOWN_MS, 0, 86_400_000)
  // a model that is loaded on first use has nothing to say of itself before
  await embedder.embed([])
  const how = settled(embedder, options)
  // an option that this model cannot serve is found here
  const { model: _, ...call } = how
  await embedder.embed([], call)
  return withQueue(options, async (queue) => {
    await options.store.prepare()
    await queue.ledger.agree({ ...how }, queue.name)
    const logger = programLogger(options.logger)
    return new QueueWorker(embedder, queue, { ...options, logger }, how).run()
  })
}

/** Every option that the numbers depend on: stores take float32. */
function settled(embedder: Embedder, options: WorkerOptions): HowToEmbed {
  const { outputs, truncate, maxTokens, dimensions } = options
  const given = resolveOptions({ outputs, truncate, maxTokens, dimensions })
  const { info } = embedder
  return {
    outputs: given.outputs,
    truncate: given.truncate,
    maxTokens: Math.min(given.maxTokens ?? info.maxTokens, info.maxTokens),
    dimensions: given.dimensions ?? info.dimensions,
    ...COMPARABLE,
    model: info.fingerprint,
  }
}

class QueueWorker {
  readonly #embedder: Embedder
  readonly #queue: OpenQueue
  readonly #options: WorkerOptions
  readonly #how: HowToEmbed
  readonly #name = `${hostname()}:${process.pid}:${randomBytes(3).toString('hex')}`
  readonly #fit = new StoreFit()
  readonly #done: WorkerProgress = { jobs: 0, items: 0, tokens: 0, failed: 0 }
  /** Aborts when jobs under way are to be given back: every one of them listens. */
  readonly #giveUp = abortController()
  #givenBack = 0
  #sinceBeat = { items: 0, tokens: 0 }
  #trouble: string | undefined
  #fatal: { reason: unknown } | undefined
  #end: () => void = () => {}

  constructor(embedder: Embedder, queue: OpenQueue, options: WorkerOptions, how: HowToEmbed) {
    this.#embedder = embedder
    this.#queue = queue
    this.#options = options
    this.#how = how
  }

  async run(): Promise<WorkerResult> {
    const { signal, untilDone = false } = this.#options
    const started = performance.now()
    const ended = new Promise<void>((resolve) => {
      this.#end = resolve
    })
    signal?.addEventListener('abort', this.#end, { once: true })
    if (signal?.aborted) this.#end()
    const stopTelling = this.#tellOfRedis()
    const bull = this.#startBull()
    const stopSigns = this.#every(BEAT_MS, () => this.#beat())
    const stopLooking = untilDone ? this.#every(500, () => this.#lookForEnd()) : () => {}
    try {
      this.#beat().catch(() => {})
      await ended
    } finally {
      signal?.removeEventListener?.('abort', this.#end)
      stopTelling()
      stopLooking()
      await this.#stopBull(bull)
      stopSigns()
      await this.#sayGoodbye()
    }
    if (this.#fatal) throw this.#fatal.reason
    const seconds = (performance.now() - started) / 1000
    return { ...this.#done, givenBack: this.#givenBack, seconds }
  }

  #startBull(): Worker<JobData> {
    const { concurrency = CONCURRENCY, stalledAfter = STALLED_MS } = this.#options
    const { BullMQ, name, prefix, link } = this.#queue
    const bull = new BullMQ.Worker<JobData>(name, (job, token) => this.#process(job, token), {
      connection: link.client,
      prefix,
      name: this.#name,
      concurrency,
      lockDuration: stalledAfter,
      stalledInterval: stalledAfter,
      maxStalledCount: MOST_STALLS,
      runRetryDelay: 1000,
      drainDelay: 2,
      removeOnComplete: { count: 0 },
    })
    bull.on('error', (error) => {
      // a job that another worker took over, a connection that was lost: nothing that ends us
      logLine(this.#options.logger, 'debug', `queue: ${tellable(error)}`)
    })
    return bull
  }

  /** What is under way may finish; then it is given back; then the connection is cut. */
  async #stopBull(bull: Worker<JobData>): Promise<void> {
    const { shutdownTimeout = SHUTDOWN_MS } = this.#options
    const closed = bull.close().catch(() => {})
    if (!this.#fatal) await within(shutdownTimeout, closed)
    this.#giveUp.abort(new Error('The worker ends.'))
    if (await within(GRACE_MS, closed)) return
    // Redis is away: BullMQ waits for it, and its timers would keep the process
    bull.closing = undefined
    await within(
      GRACE_MS,
      bull.close(true).catch(() => {}),
    )
  }

  async #process(job: Job<JobData>, token: string | undefined): Promise<void> {
    const { BullMQ, ledger } = this.#queue
    const id = String(job.id)
    try {
      // done, and its worker died before it could say so to BullMQ
      if ((await ledger.done([id])).has(id)) return
      const { chunks, tokens: planned } = readJob(job.data)
      const outcome = await doJob(chunks, {
        embedder: this.#embedder,
        store: this.#options.store,
        fit: this.#fit,
        options: this.#how,
        skipStored: this.#options.skipStored ?? false,
        signal: this.#giveUp.signal,
        onTokens: (tokens) => {
          this.#sinceBeat.items++
          this.#sinceBeat.tokens += tokens
        },
        onTrouble: (error) => this.#tell(error?.message),
      })
      const { phases, ...counts } = outcome
      await ledger.settle({ id, planned, ...counts })
      this.#account(outcome)
      tellBatch(this.#options, 'queue', {
        texts: chunks.length,
        stored: outcome.items,
        tokens: outcome.tokens,
        phases,
        failed: countByCode(outcome.failures),
      })
    } catch (error) {
      if (error instanceof EmbedderTrouble || this.#giveUp.signal.aborted) {
        this.#givenBack++
        if (error instanceof EmbedderTrouble) this.#fail(error.reason)
        await job.moveToWait(String(token))
        throw new BullMQ.WaitingError()
      }
      const told = tellable(error)
      logLine(this.#options.logger, 'warn', `queue: job ${id}: ${told}`)
      throw error instanceof InvalidInputError
        ? new BullMQ.UnrecoverableError(told)
        : new Error(told)
    }
  }

  #account({ items, tokens, failures }: JobOutcome): void {
    const done = this.#done
    done.jobs++
    done.items += items
    done.tokens += tokens
    done.failed += failures.length
    try {
      this.#options.onProgress?.({ ...done })
    } catch (error) {
      // a broken display must not cost the work
      logLine(this.#options.logger, 'warn', `queue: onProgress threw: ${tellable(error)}`)
    }
  }

  #fail(reason: unknown): void {
    this.#fatal ??= { reason }
    this.#end()
  }

  #tell(trouble: string | undefined): void {
    if (trouble === this.#trouble) return
    this.#trouble = trouble
    if (trouble === undefined) logLine(this.#options.logger, 'info', 'queue: the store is back')
    else logLine(this.#options.logger, 'warn', `queue: waiting for the store: ${trouble}`)
  }

  #tellOfRedis(): () => void {
    const { client } = this.#queue.link
    const { logger } = this.#options
    let isAway = false
    const away = () => {
      if (!isAway) logLine(logger, 'warn', 'queue: waiting for Redis: the connection is lost')
      isAway = true
    }
    const back = () => {
      isAway = false
      logLine(logger, 'info', 'queue: Redis is back')
    }
    client.on('close', away).on('ready', back)
    return () => client.off('close', away).off('ready', back)
  }

  async #beat(): Promise<void> {
    const since = this.#sinceBeat
    this.#sinceBeat = { items: 0, tokens: 0 }
    const { jobs, items, tokens } = this.#done
    const sign = { name: this.#name, host: hostname(), pid: process.pid, jobs, items, tokens }
    await this.#queue.ledger.beat({ ...sign, trouble: this.#trouble }, since)
  }

  async #lookForEnd(): Promise<void> {
    const { bull, ledger } = this.#queue
    const counts = await bull.getJobCounts('waiting', 'active', 'delayed', 'prioritized')
    if (Object.values(counts).some((count) => count > 0)) return
    const { open, complete } = await ledger.corpora()
    if (open === 0 && complete > 0) this.#end()
  }

  /** While Redis is away one of them waits for it, not many. */
  #every(milliseconds: number, run: () => Promise<void>): () => void {
    let isRunning = false
    const timer = setInterval(() => {
      if (isRunning) return
      isRunning = true
      run()
        .catch((error) => logLine(this.#options.logger, 'debug', `queue: ${tellable(error)}`))
        .finally(() => {
          isRunning = false
        })
    }, milliseconds)
    return () => clearInterval(timer)
  }

  async #sayGoodbye(): Promise<void> {
    const goodbye = this.#beat().then(() => this.#queue.ledger.leave(this.#name))
    await within(
      1000,
      goodbye.catch(() => {}),
    )
  }
}

/** @returns whether it came to its end in time */
async function within(milliseconds: number, promise: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController()
  const patience = sleep(milliseconds, timer.signal).then(
    () => false,
    () => false,
  )
  const inTime = await Promise.race([promise.then(() => true), patience])
  timer.abort()
  return inTime
}

/** What may be kept and shown of an error: a message of ours, or no more than its name. */
function tellable(thrown: unknown): string {
  const error = redisError(thrown)
  if (error instanceof EmbedderError) return `${error.code}: ${error.message}`
  return `INTERNAL: ${nameOf(error)}`
}
