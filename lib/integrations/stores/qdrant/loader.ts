/** What `loadQdrant` does once its options are checked. */

import { createHash } from 'node:crypto'
import { EmbedderError, InferenceError, InvalidInputError } from '../../../common/errors.js'
import { clearTimeout, performance, setTimeout } from '../../../common/timers.js'
import type { Chunk, EmbedOptions, Outputs } from '../../../common/types.js'
import { isWellFormed } from '../../../common/utf8.js'
import { checkChunk } from '../../../embedder/documents/chunk-input.js'
import type { Source } from '../../../embedder/documents/source.js'
import type { Embedder } from '../../../embedder/embedder.js'
import { countByCode, tellBatch } from '../../batch-report.js'
import { documentsOf, trimDocuments } from '../../chunked.js'
import { COMPARABLE } from '../../store.js'
import { StoreFit, writeApart } from '../../write-apart.js'
import { grouped } from './grouped.js'
import type { LoadQdrantOptions, LoadQdrantResult } from './load-types.js'
import type { QdrantChunk } from './points.js'
import { MOST_REQUEST_BYTES, type QdrantStore } from './store.js'

const BATCH_POINTS = 64
/** Of a batch: JSON is made of all its points at once. */
const BATCH_BYTES = 16 * 2 ** 20
/** A batch that does not fill up is written after so many milliseconds. */
const LINGER_MS = 1000
/** Items whose digests are asked for at a time. */
const LOOKUP_ITEMS = 256
const MOST_FAILURES = 1000

interface Pending {
  chunk: Chunk
  digest: string
}

/** One load. */
export class QdrantLoader {
  readonly #embedder: Embedder
  readonly #store: QdrantStore
  readonly #options: LoadQdrantOptions
  readonly #result: Omit<LoadQdrantResult, 'requests' | 'retries' | 'colbertCut' | 'seconds'> = {
    points: 0,
    skipped: 0,
    failed: 0,
    failures: [],
    tokens: 0,
    batches: 0,
  }
  readonly #fit = new StoreFit()
  readonly #started = performance.now()
  /** Items with the embedder, in order. */
  readonly #embedding: Pending[] = []
  /** Ids that are on their way to the store: the last text's digest, and how many texts there are. */
  readonly #underWay = new Map<string, { digest: string; count: number }>()
  /** The caller's signal, and a write that failed. */
  readonly #stop = new AbortController()
  readonly #onAbort = () => this.#stop.abort(this.#options.signal?.reason)
  #batch: QdrantChunk[] = []
  #batchBytes = 0
  /** When the batch before it was full. */
  #batchFrom = performance.now()
  /** Failures since the last line of the log, by code. */
  #failedSince: Record<string, number> = {}
  #linger: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(embedder: Embedder, store: QdrantStore, options: LoadQdrantOptions) {
    this.#embedder = embedder
    this.#store = store
    this.#options = options
    options.signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get embedOptions(): EmbedOptions &
    typeof COMPARABLE & { onError: 'collect' } & { outputs: Required<Outputs> } {
    const { outputs = { dense: true }, truncate = 'error', maxTokens, dimensions } = this.#options
    const { dense = false, sparse = false, colbert = false } = outputs
    return {
      ...COMPARABLE,
      outputs: { dense, sparse, colbert },
      priority: 'bulk',
      onError: 'collect',
      truncate,
      ...(maxTokens === undefined ? {} : { maxTokens }),
      ...(dimensions === undefined ? {} : { dimensions }),
      signal: this.#stop.signal,
    }
  }

  async run(source: Source<Chunk>): Promise<LoadQdrantResult> {
    try {
      try {
        await this.#embedAll(source)
      } catch (error) {
        // what came before the error of a source is kept
        if (!this.#stop.signal.aborted) await this.#flush().catch(() => {})
        throw error
      }
      await this.#flush()
      await this.#writing
      if (Object.keys(this.#failedSince).length > 0) this.#tell(0, 0, {})
    } finally {
      this.#options.signal?.removeEventListener?.('abort', this.#onAbort)
      clearTimeout(this.#linger)
      // nothing goes on when the caller is told; a second error is of no use to it
      await this.#writing.catch(() => {})
    }
    const { requests, retries, colbertCut } = this.#store.stats
    const seconds = (performance.now() - this.#started) / 1000
    return { ...this.#result, colbertCut, requests, retries, seconds }
  }

  async #embedAll(source: Source<Chunk>): Promise<void> {
    for await (const item of this.#embedder.embedStream(this.#missing(source), this.embedOptions)) {
      const { chunk, digest } = this.#embedding.shift() as Pending
      if ('error' in item) {
        this.#fail(chunk.id, item.error)
        this.#settle(chunk.id)
        continue
      }
      await this.#add({ chunk: item, text: chunk.text, digest })
    }
  }

  /** What has to be embedded: the source without what is stored, and without what can be no point. */
  async *#missing(source: Source<Chunk>): AsyncGenerator<Chunk> {
    let index = 0
    for await (const group of grouped<unknown>(source, LOOKUP_ITEMS)) {
      const chunks: Pending[] = []
      for (const value of group) {
        const at = index++
        const checked = errorOf(value) ?? checkChunk(value, at)
        if (checked instanceof EmbedderError) {
          const { id } = Object(value) as { id?: unknown }
          this.#fail(typeof id === 'string' ? id : String(at), checked)
        } else if (!isWellFormed(checked.id)) {
          this.#fail(
            checked.id,
            new InvalidInputError(`The chunk at index ${at} has an id with half a surrogate pair.`),
          )
        } else if (typeof checked.text !== 'string') {
          this.#fail(checked.id, new InvalidInputError(`The chunk at index ${at} has no text.`))
        } else {
          const chunk = { ...checked, text: checked.text } as Chunk
          chunks.push({ chunk, digest: this.#digestOf(chunk) })
        }
      }
      const digests = await this.#digestsOf(chunks)
      if (this.#options.chunk) {
        await trimDocuments(this.#store, documentsOf(chunks.map(({ chunk }) => chunk)))
      }
      for (const pending of chunks) {
        const { chunk, digest } = pending
        if (digests.get(chunk.id) === digest) {
          this.#result.skipped++
          continue
        }
        // of an id that comes again
        digests.set(chunk.id, digest)
        const { count = 0 } = this.#underWay.get(chunk.id) ?? {}
        this.#underWay.set(chunk.id, { digest, count: count + 1 })
        this.#embedding.push(pending)
        yield chunk
      }
      this.#report()
    }
  }

  /** As the store has them, or will have them once everything under way is written. */
  async #digestsOf(chunks: readonly Pending[]): Promise<Map<string, string | undefined>> {
    const digests = new Map<string, string | undefined>()
    const unknown: string[] = []
    for (const { chunk } of chunks) {
      const underWay = this.#underWay.get(chunk.id)
      if (underWay) digests.set(chunk.id, underWay.digest)
      else unknown.push(chunk.id)
    }
    if (this.#options.again || unknown.length === 0) return digests
    for (const [id, digest] of await this.#store.digests(unknown)) digests.set(id, digest)
    return digests
  }

  /** Tells whether a point would be stored as it is: of all that it is made from. */
  #digestOf({ text, metadata }: Chunk): string {
    const { outputs, truncate } = this.embedOptions
    const { maxTokens = 0, dimensions = 0, keepText = true, names = {} } = this.#options
    const { fingerprint } = this.#embedder.info
    const settings = [fingerprint, outputs, names, truncate, maxTokens, dimensions, keepText]
    return createHash('sha256')
      .update(JSON.stringify([settings, text.length, jsonOf(metadata)]))
      .update(text, 'utf8')
      .digest('base64url')
      .slice(0, 22)
  }

  async #add(item: QdrantChunk): Promise<void> {
    let bytes: number
    try {
      bytes = this.#store.sizeOf(item)
    } catch (error) {
      if (!(error instanceof InvalidInputError || error instanceof InferenceError)) throw error
      this.#fail(item.chunk.id, error)
      this.#settle(item.chunk.id)
      return
    }
    const most = Math.min(this.#options.maxRequestBytes ?? BATCH_BYTES, MOST_REQUEST_BYTES)
    if (this.#batchBytes + bytes > most) await this.#flush()
    this.#batch.push(item)
    this.#batchBytes += bytes
    if (this.#batch.length >= (this.#options.batchPoints ?? BATCH_POINTS)) await this.#flush()
    else this.#linger ??= setTimeout(() => void this.#flush().catch(() => {}), LINGER_MS)
  }

  /** Writes the batch once the one before it is written: in order, so that the last of an id stays. */
  async #flush(): Promise<void> {
    clearTimeout(this.#linger)
    this.#linger = undefined
    const before = this.#writing
    await before
    // the timer and the stream may both have waited
    if (this.#writing !== before) return this.#flush()
    const batch = this.#batch
    if (batch.length === 0) return
    this.#batch = []
    this.#batchBytes = 0
    const now = performance.now()
    this.#writing = this.#write(batch, now - this.#batchFrom)
    this.#batchFrom = now
    // also while the source has nothing new
    this.#writing.catch((error) => this.#stop.abort(error))
  }

  async #write(batch: readonly QdrantChunk[], embedMs: number): Promise<void> {
    const from = performance.now()
    const tokensBefore = this.#result.tokens
    const refused = await writeApart((some) => this.#store.write(some), batch)
    const bad = new Set(refused.map(({ item }) => item))
    for (const { item, error } of refused) this.#fail(item.chunk.id, error)
    if (bad.size < batch.length) this.#result.batches++
    this.#result.points += batch.length - bad.size
    for (const item of batch) {
      if (!bad.has(item)) this.#result.tokens += item.chunk.embedding.tokenCount
      this.#settle(item.chunk.id)
    }
    this.#tell(batch.length - bad.size, this.#result.tokens - tokensBefore, {
      embedMs,
      writeMs: performance.now() - from,
    })
    this.#report()
    this.#fit.count(batch.length - bad.size, refused)
  }

  /** Of a batch, and of what failed since the one before it. */
  #tell(stored: number, tokens: number, phases: Record<string, number>): void {
    const failed = this.#failedSince
    this.#failedSince = {}
    const failures = Object.values(failed).reduce((sum, count) => sum + count, 0)
    tellBatch(this.#options, 'qdrant', {
      texts: stored + failures,
      stored,
      tokens,
      phases,
      failed,
    })
  }

  #settle(id: string): void {
    const entry = this.#underWay.get(id)
    if (entry && --entry.count === 0) this.#underWay.delete(id)
  }

  #fail(id: string, error: EmbedderError): void {
    const { code, message } = error
    countByCode([error], this.#failedSince)
    this.#result.failed++
    if (this.#result.failures.length < MOST_FAILURES) {
      this.#result.failures.push({ id, code, message })
    }
  }

  #report(): void {
    const { points, skipped, failed } = this.#result
    const seconds = Math.max((performance.now() - this.#started) / 1000, 1e-3)
    this.#options.onProgress?.({ done: points, skipped, failed, rate: points / seconds })
  }
}

/** Of a document that could not be cut. */
function errorOf(value: unknown): EmbedderError | undefined {
  const { error } = Object(value) as { error?: unknown }
  return error instanceof EmbedderError ? error : undefined
}

/** Metadata that is no JSON fails later, when its point is made. */
function jsonOf(metadata: unknown): string | undefined {
  try {
    return JSON.stringify(metadata)
  } catch {
    return undefined
  }
}
