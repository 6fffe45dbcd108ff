/** What `loadTable` does once its options are checked: batches that are claimed, embedded and written side by side. */

import { abortController, throwIfAborted } from '../../../common/abort.js'
import { StoreError } from '../../../common/errors.js'
import { clearInterval, performance, setInterval, sleep } from '../../../common/timers.js'
import type { Embedder } from '../../../embedder/embedder.js'
import { countByCode, logLine, tellBatch } from '../../batch-report.js'
import { mayPass, withRetries } from '../../retry.js'
import { COMPARABLE } from '../../store.js'
import { StoreFit } from '../../write-apart.js'
import type { Cutting } from './chunk-table.js'
import type { Connection } from './connection.js'
import { embedRows, type RowOptions } from './embed-rows.js'
import { anotherModel, doesNotStay, failureOf } from './failures.js'
import { fillRows } from './fill.js'
import type { Filled, FillOptions } from './fill-types.js'
import { createHnsw, type HnswOptions } from './hnsw.js'
import { type LeasedRow, Leases } from './leases.js'
import type { FollowOptions, LoadTableResult } from './load-types.js'
import { Notices } from './notices.js'
import { prepare } from './prepare.js'
import type { Settings } from './settings.js'
import { storeError } from './store-error.js'
import { TriedRows } from './tried-rows.js'

/** Batches under way: while one is embedded others are claimed and written. */
const LANES = 3
const MOST_FAILURES = 1000
const RETRY_MS = 100
/** How many times what a look took is waited before the next: where no index helps, a look reads the whole table. */
const LOOK_SHARE = 20
const LONGEST_PAUSE_MS = 60_000
/** Until others' rows are looked at again. */
const LOOK_MS = 500

interface Batch {
  token: string
  rows: LeasedRow[]
  claimMs: number
}

export class TableLoader {
  readonly #embedder: Embedder
  readonly #connection: Connection
  readonly #options: Settings
  readonly #result: LoadTableResult = {
    rows: 0,
    tokens: 0,
    batches: 0,
    failed: 0,
    failures: [],
    sparseCut: 0,
    retries: 0,
    seconds: 0,
  }
  readonly #fit = new StoreFit()
  readonly #tried = new TriedRows()
  readonly #underWay = new Set<Promise<void>>()
  /** The caller's signal, and a lane that failed: the others must not wait for a server that is away. */
  readonly #stop = abortController()
  #fill!: FillOptions
  #leases!: Leases
  #total = 0
  #started = 0
  /** Claims come one after the other. */
  #claiming: Promise<unknown> = Promise.resolve()
  #after: string | undefined
  #foundInPass = false
  #passStarted = 0
  #isDone = false
  #hnsw: HnswOptions | undefined
  #cutting: Cutting | undefined
  #notices: Notices | undefined
  /** What the database is waited for. */
  #trouble: string | undefined

  constructor(embedder: Embedder, connection: Connection, options: Settings) {
    this.#embedder = embedder
    this.#connection = connection
    this.#options = options
  }

  async run(): Promise<LoadTableResult> {
    this.#started = performance.now()
    const { signal, follow } = this.#options
    const onAbort = () => this.#stop.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted) onAbort()
    try {
      await this.#run()
    } catch (error) {
      // to be told to end is how a load that follows ends
      if (!follow || !signal?.aborted) throw error
      if (this.#stop.signal.reason !== signal.reason) throw error
    } finally {
      signal?.removeEventListener?.('abort', onAbort)
      this.#notices?.close()
    }
    this.#result.seconds = (performance.now() - this.#started) / 1000
    return this.#result
  }

  async #run(): Promise<void> {
    const { follow } = this.#options
    const { fill, cutting, hnsw, channel, total } = await prepare(
      this.#embedder,
      this.#connection,
      this.#options,
      (run, most) => this.#retrying(run, most),
    )
    this.#fill = fill
    this.#leases = new Leases(fill)
    this.#cutting = cutting
    this.#hnsw = hnsw
    this.#total = total
    if (follow) this.#notices = new Notices(this.#connection, channel, follow.pollMs)
    await this.#retrying(() => this.#leases.sweep(this.#connection))
    const signs = setInterval(
      () => void this.#leases.renew(this.#connection).catch(() => {}),
      this.#options.stalledAfter / 3,
    )
    try {
      const ends = await Promise.allSettled(Array.from({ length: LANES }, () => this.#lane()))
      for (const end of ends) if (end.status === 'rejected') throw end.reason
    } finally {
      clearInterval(signs)
    }
    await this.#buildIndex()
  }

  /** Once. */
  async #buildIndex(): Promise<void> {
    const { columns } = this.#options
    const { table, chunks } = this.#fill
    const hnsw = this.#hnsw
    this.#hnsw = undefined
    if (!hnsw) return
    await this.#retrying(() => createHnsw(this.#connection, chunks ?? table, columns, hnsw))
  }

  async #lane(): Promise<void> {
    try {
      for (;;) {
        const batch = await this.#next()
        if (batch === undefined) return
        const work = this.#work(batch)
        this.#underWay.add(work)
        await work.finally(() => this.#underWay.delete(work))
      }
    } catch (error) {
      this.#stop.abort(error)
      throw error
    }
  }

  /** The next rows in key order: through the table again and again, until there is nothing to do. */
  #next(): Promise<Batch | undefined> {
    const next = this.#claiming.then(() => this.#claim())
    this.#claiming = next.catch(() => {})
    return next
  }

  async #claim(): Promise<Batch | undefined> {
    while (!this.#isDone) {
      throwIfAborted(this.#stop.signal)
      const from = performance.now()
      if (this.#after === undefined) this.#passStarted = from
      const token = this.#leases.begin()
      let rows: LeasedRow[] = []
      try {
        const claim = await this.#retrying(() =>
          this.#leases.claim(this.#connection, {
            token,
            after: this.#after,
            most: this.#options.batchRows,
          }),
        )
        if (!claim.isOurs) throw anotherModel((this.#fill.chunks ?? this.#fill.table).name)
        rows = claim.rows.filter((row) => !this.#tried.hasFailed(row))
        if (rows.length > 0) this.#foundInPass = true
        this.#after = claim.last
        if (rows.length > 0) return { token, rows, claimMs: performance.now() - from }
        if (claim.last !== undefined) continue
      } finally {
        if (rows.length === 0) await this.#leases.end(this.#connection, token, true)
      }
      // the end of the table
      await Promise.allSettled(this.#underWay)
      if (!this.#foundInPass) await this.#wait()
      this.#foundInPass = false
    }
    return undefined
  }

  /** Until there may be rows again, if there may: what others have is theirs until they are done, or dead. */
  async #wait(): Promise<void> {
    if (this.#notices) return this.#rest(this.#notices)
    const others = await this.#retrying(() => this.#leases.areOthersAtWork(this.#connection))
    if (others) await sleep(LOOK_MS, this.#stop.signal)
    else this.#isDone = true
  }

  /** All is done that was there: until there may be more. */
  async #rest(notices: Notices): Promise<void> {
    const { pollMs } = this.#options.follow as Required<FollowOptions>
    this.#tried.forgetOthers()
    const pauseMs = LOOK_SHARE * (performance.now() - this.#passStarted)
    await this.#buildIndex()
    const { signal } = this.#stop
    await notices.next(Math.max(pollMs, Math.min(pauseMs, LONGEST_PAUSE_MS)), signal)
  }

  async #work({ token, rows, claimMs }: Batch): Promise<void> {
    let hasLeft = true
    try {
      const from = performance.now()
      const results = await embedRows(this.#embedder, rows, this.#embedOptions(), this.#cutting)
      const embedded = performance.now()
      throwIfAborted(this.#stop.signal)
      const filled = await fillRows(
        (statement) => this.#retrying(() => statement(this.#connection)),
        token,
        { rows, results },
        this.#fill,
      )
      hasLeft = filled.rows < rows.length
      this.#account(filled)
      const done = performance.now()
      tellBatch(this.#options, 'postgres', {
        texts: rows.length,
        stored: filled.rows,
        tokens: filled.tokens,
        phases: { claimMs, embedMs: embedded - from, writeMs: done - embedded },
        failed: countByCode(filled.failures.map(({ error }) => error)),
      })
    } finally {
      await this.#leases.end(this.#connection, token, hasLeft)
    }
  }

  #embedOptions(): RowOptions {
    const { columns, truncate = 'error', maxTokens, dimensions } = this.#options
    return {
      ...COMPARABLE,
      prompt: 'passage',
      outputs: { dense: columns.dense !== undefined, sparse: columns.sparse !== undefined },
      priority: 'bulk',
      onError: 'collect',
      truncate,
      ...(maxTokens === undefined ? {} : { maxTokens }),
      ...(dimensions === undefined ? {} : { dimensions }),
      signal: this.#stop.signal,
    }
  }

  #tell(trouble: string | undefined): void {
    if (trouble === this.#trouble) return
    this.#trouble = trouble
    const { logger } = this.#options
    if (trouble === undefined) logLine(logger, 'info', 'postgres: the database is back')
    else logLine(logger, 'warn', `postgres: waiting for the database: ${trouble}`)
  }

  /** What was committed: only then does it count. */
  #account({ rows, tokens, cuts, failures, passedOver }: Filled): void {
    const result = this.#result
    if (rows > 0) result.batches++
    result.rows += rows
    result.tokens += tokens
    result.sparseCut += cuts
    for (const row of passedOver) {
      if (this.#tried.passOver(row)) failures.push({ row, error: doesNotStay() })
    }
    for (const { row, error } of failures) {
      this.#tried.fail(row)
      result.failed++
      if (result.failures.length < MOST_FAILURES) result.failures.push(failureOf(row.id, error))
    }
    const seconds = (performance.now() - this.#started) / 1000
    this.#options.onProgress?.({
      done: result.rows,
      failed: result.failed,
      total: Math.max(this.#total, result.rows + result.failed),
      rate: result.rows / seconds,
    })
    this.#fit.count(
      rows,
      failures
        .filter(({ error }) => error instanceof StoreError)
        .map(({ row: item, error }) => ({ item, error })),
    )
  }

  /** Again as long as it may help: without end, unless the caller has said how often. */
  async #retrying<T>(run: () => Promise<T>, most = Number.POSITIVE_INFINITY): Promise<T> {
    const { retry: { retries = most, delayMs = RETRY_MS } = {} } = this.#options
    const { signal } = this.#stop
    let tries = 0
    try {
      return await withRetries({ retries: Math.min(retries, most), delayMs, signal }, () => {
        if (tries++ > 0) this.#result.retries++
        return run().then(
          (result) => {
            this.#tell(undefined)
            return result
          },
          (error) => {
            if (mayPass(error)) this.#tell(storeError(error).message)
            throw error
          },
        )
      })
    } catch (error) {
      throwIfAborted(signal)
      throw storeError(error)
    }
  }
}
