/** What `loadTable` does once its options are checked: batches that are claimed, embedded and written side by side. */

import { abortController, throwIfAborted } from '../../../common/abort.js'
import { InvalidInputError, StoreError } from '../../../common/errors.js'
import { clearInterval, performance, setInterval, sleep } from '../../../common/timers.js'
import type { EmbedOptions } from '../../../common/types.js'
import type { Embedder } from '../../../embedder/embedder.js'
import { mayPass, withRetries } from '../../retry.js'
import { COMPARABLE } from '../../store.js'
import { StoreFit } from '../../write-apart.js'
import type { Connection } from './connection.js'
import { codeOf, type Filled, type FillOptions, fillRows } from './fill.js'
import { checkHnsw, createHnsw } from './hnsw.js'
import { type LeasedRow, Leases, pendingSql } from './leases.js'
import type { LoadFailure, LoadTableOptions, LoadTableResult } from './load-types.js'
import { recordModel } from './model-record.js'
import { storeError } from './store-error.js'
import { type CheckedTable, checkTable } from './table.js'

/** Batches under way: while one is embedded others are claimed and written. */
const LANES = 3
const MOST_FAILURES = 1000
/** A mistake in the address should not take half a minute to tell; later the server is waited for. */
const FIRST_RETRIES = 2
const RETRY_MS = 100
/** Until others' rows are looked at again. */
const LOOK_MS = 500
/** A row whose vector never stays is given up: a trigger keeps it away, or the text changes all the time. */
const MOST_PASSES = 3

/** The options with their defaults. */
export type Settings = LoadTableOptions &
  Required<Pick<LoadTableOptions, 'batchRows' | 'sparseLimit' | 'stalledAfter' | 'force'>>

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
  /** Not to be tried again here as long as they have the same text: hashes by id. */
  readonly #failed = new Map<string, string>()
  readonly #passes = new Map<string, number>()
  readonly #underWay = new Set<Promise<void>>()
  /** The caller's signal, and a lane that failed: the others must not wait for a server that is away. */
  readonly #stop = abortController()
  #table!: CheckedTable
  #fill!: FillOptions
  #leases!: Leases
  #total = 0
  #started = 0
  /** Claims come one after the other. */
  #claiming: Promise<unknown> = Promise.resolve()
  #after: string | undefined
  #foundInPass = false
  #isDone = false
  /** What the database is waited for. */
  #trouble: string | undefined

  constructor(embedder: Embedder, connection: Connection, options: Settings) {
    this.#embedder = embedder
    this.#connection = connection
    this.#options = options
  }

  async run(): Promise<LoadTableResult> {
    this.#started = performance.now()
    const { signal } = this.#options
    const onAbort = () => this.#stop.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted) onAbort()
    try {
      await this.#run()
    } finally {
      signal?.removeEventListener?.('abort', onAbort)
    }
    this.#result.seconds = (performance.now() - this.#started) / 1000
    return this.#result
  }

  async #run(): Promise<void> {
    const { table, columns, index, dimensions } = this.#options
    await this.#prepare()
    const hnsw = index === true ? {} : index || undefined
    if (hnsw) checkHnsw(this.#table, hnsw, dimensions ?? this.#embedder.info.dimensions)
    this.#total = await this.#retrying(() => this.#count())
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
    if (hnsw) {
      const name = typeof table === 'string' ? table.replace(/^[^.]*\./, '') : table.table
      await this.#retrying(() =>
        createHnsw(this.#connection, this.#table, { ...columns, table: name }, hnsw),
      )
    }
  }

  async #prepare(): Promise<void> {
    const { table, columns, dimensions, force, stalledAfter, sparseLimit } = this.#options
    const { info } = this.#embedder
    if (columns.sparse !== undefined && !info.outputs.sparse) {
      throw new InvalidInputError('This model has no sparse head: leave out the sparse column.')
    }
    this.#table = await this.#retrying(
      () =>
        checkTable(this.#connection, table, columns, {
          denseDimensions: dimensions ?? info.dimensions,
          sparseDimensions: info.vocabSize,
        }),
      FIRST_RETRIES,
    )
    const { name, oid } = this.#table
    const vectors = [columns.dense, columns.sparse].filter((column) => column !== undefined)
    const model = info.fingerprint
    const own = await this.#retrying(() =>
      recordModel(this.#connection, { oid, table: name, columns: vectors, model, force }),
    )
    this.#fill = {
      ...own,
      oid,
      table: this.#table,
      columns: vectors,
      model,
      stalledAfter,
      sparseLimit,
      sparseDimensions: info.vocabSize,
    }
    this.#leases = new Leases(this.#fill)
  }

  async #count(): Promise<number> {
    const { rows } = await this.#connection.query(
      `SELECT count(*)::text AS n FROM ${this.#table.name} AS t WHERE ${pendingSql(this.#table)}`,
    )
    return Number(rows[0]?.n)
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
        if (!claim.isOurs) throw anotherModel(this.#table)
        rows = claim.rows.filter(({ id, hash }) => this.#failed.get(id) !== hash)
        if (rows.length > 0) this.#foundInPass = true
        this.#after = claim.last
        if (rows.length > 0) return { token, rows, claimMs: performance.now() - from }
        if (claim.last !== undefined) continue
      } finally {
        if (rows.length === 0) await this.#leases.end(this.#connection, token, true)
      }
      // the end of the table
      await Promise.allSettled(this.#underWay)
      if (!this.#foundInPass && !(await this.#wait())) this.#isDone = true
      this.#foundInPass = false
    }
    return undefined
  }

  /** @returns whether there may be rows again: what others have is theirs until they are done, or dead */
  async #wait(): Promise<boolean> {
    const others = await this.#retrying(() => this.#leases.areOthersAtWork(this.#connection))
    if (others) await sleep(LOOK_MS, this.#stop.signal)
    return others
  }

  async #work({ token, rows, claimMs }: Batch): Promise<void> {
    let hasLeft = true
    try {
      const from = performance.now()
      const results = await this.#embedder.embed(
        rows.map(({ text }) => text),
        this.#embedOptions(),
      )
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
      this.#logBatch(rows.length, filled, {
        claimMs,
        embedMs: embedded - from,
        writeMs: done - embedded,
      })
    } finally {
      await this.#leases.end(this.#connection, token, hasLeft)
    }
  }

  #embedOptions(): EmbedOptions & typeof COMPARABLE & { onError: 'collect' } {
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

  /** A line of JSON; ids are not in it either. */
  #logBatch(texts: number, filled: Filled, phases: Readonly<Record<string, number>>): void {
    const failed: Record<string, number> = {}
    for (const { error } of filled.failures) {
      const code = codeOf(error)
      failed[code] = (failed[code] ?? 0) + 1
    }
    const rounded = Object.entries(phases).map(([name, ms]) => [name, Math.round(ms)])
    const { rows, tokens } = filled
    const rssBytes = process.memoryUsage.rss()
    const line = { texts, rows, tokens, ...Object.fromEntries(rounded), rssBytes, failed }
    this.#log('info', `postgres: batch ${JSON.stringify(line)}`)
  }

  #tell(trouble: string | undefined): void {
    if (trouble === this.#trouble) return
    this.#trouble = trouble
    if (trouble === undefined) this.#log('info', 'postgres: the database is back')
    else this.#log('warn', `postgres: waiting for the database: ${trouble}`)
  }

  #log(level: 'info' | 'warn', line: string): void {
    try {
      this.#options.logger?.[level]?.(line)
    } catch {
      // a broken log must not cost the work
    }
  }

  /** What was committed: only then does it count. */
  #account({ rows, tokens, cuts, failures, passedOver }: Filled): void {
    const result = this.#result
    if (rows > 0) result.batches++
    result.rows += rows
    result.tokens += tokens
    result.sparseCut += cuts
    for (const row of passedOver) {
      const passes = (this.#passes.get(row.id) ?? 0) + 1
      if (passes < MOST_PASSES) this.#passes.set(row.id, passes)
      else failures.push({ row, error: doesNotStay() })
    }
    for (const { row, error } of failures) {
      this.#passes.delete(row.id)
      this.#failed.set(row.id, row.hash)
      result.failed++
      if (result.failures.length < MOST_FAILURES) result.failures.push(failureOf(row.id, error))
    }
    const seconds = (performance.now() - this.#started) / 1000
    this.#options.onProgress?.({
      done: result.rows,
      failed: result.failed,
      total: this.#total,
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

function failureOf(id: string, error: Filled['failures'][number]['error']): LoadFailure {
  const { code, message } = error
  const sqlState = error instanceof StoreError ? error.sqlState : undefined
  // its place in the batch means nothing to those who know it by its id
  const told = message.replace(/^The text at index \d+/, 'The text')
  return { id, code, ...(sqlState !== undefined && { sqlState }), message: told }
}

function doesNotStay(): StoreError {
  return new StoreError(
    'PostgreSQL keeps no vector in the row: a trigger takes it away, or its text changes all the time.',
    { refused: true },
  )
}

function anotherModel({ name }: CheckedTable): InvalidInputError {
  return new InvalidInputError(
    `Another model has taken the columns of table ${name}: what is left is for it to fill.`,
  )
}
