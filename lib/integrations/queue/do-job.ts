/** What a worker does with the chunks of a job: embed, write, and say what failed. */

import { type AbortSignalLike, throwIfAborted } from '../../common/abort.js'
import { type EmbedderError, InferenceError, StoreError } from '../../common/errors.js'
import { performance, sleep } from '../../common/timers.js'
import type { Chunk, Outputs } from '../../common/types.js'
import type { Embedder } from '../../embedder/embedder.js'
import { documentsOf, trimDocuments } from '../chunked.js'
import type { EmbeddingStore, StoredChunk } from '../store.js'
import { type StoreFit, writeApart } from '../write-apart.js'
import type { QueueFailure } from './ledger.js'

/** What the numbers of all workers depend on. */
export interface HowToEmbed {
  outputs: Required<Outputs>
  truncate: 'error' | 'end'
  normalize: boolean
  maxTokens: number
  dimensions: number
  precision: 'float32'
  /** Fingerprint. */
  model: string
}

export interface JobServices {
  embedder: Embedder
  store: EmbeddingStore
  /** Of all jobs of the worker. */
  fit: StoreFit
  options: HowToEmbed
  /** Chunks that are stored already are not embedded again. */
  skipStored: boolean
  /** Aborts when the job is to be given back. */
  signal: AbortSignalLike
  /** A chunk is embedded. */
  onTokens(tokens: number): void
  /** The store cannot be reached, and is waited for; undefined when it is back. */
  onTrouble(error: StoreError | undefined): void
}

export interface JobOutcome {
  /** Chunks that are in the store. */
  items: number
  tokens: number
  failures: QueueFailure[]
  /** Milliseconds, what was waited for the store included. */
  phases: { embedMs: number; writeMs: number }
}

/** The embedder as a whole cannot go on: no fault of a job's. */
export class EmbedderTrouble extends Error {
  constructor(readonly reason: unknown) {
    super('The embedder cannot go on.')
  }
}

const PAUSE_MS = { first: 1000, most: 30_000 }

/**
 * A chunk that fails costs the others nothing.
 *
 * @throws EmbedderTrouble, the signal's reason, or what the store will not do
 */
export async function doJob(chunks: readonly Chunk[], services: JobServices): Promise<JobOutcome> {
  const { store, fit, skipStored, signal } = services
  const ids = chunks.map(({ id }) => id)
  const there = skipStored ? await patiently(() => store.stored(ids), services) : new Set<string>()
  const open = chunks.filter(({ id }) => !there.has(id))
  const from = performance.now()
  const { embedded, failures } = await embed(open, services)
  const writingFrom = performance.now()
  throwIfAborted(signal)
  const refused = await writeApart((some) => patiently(() => store.write(some), services), embedded)
  fit.count(embedded.length - refused.length, refused)
  await patiently(() => trimDocuments(store, documentsOf(open)), services)
  const tokens = embedded.reduce((sum, { chunk }) => sum + chunk.embedding.tokenCount, 0)
  return {
    items: there.size + embedded.length - refused.length,
    tokens,
    failures: [...failures, ...refused.map(({ item, error }) => failureOf(item.chunk.id, error))],
    phases: { embedMs: writingFrom - from, writeMs: performance.now() - writingFrom },
  }
}

async function embed(
  chunks: readonly Chunk[],
  { embedder, options, signal, onTokens }: JobServices,
): Promise<{ embedded: StoredChunk[]; failures: QueueFailure[] }> {
  const embedded: StoredChunk[] = []
  const failures: QueueFailure[] = []
  const { model, ...how } = options
  try {
    let at = 0
    for await (const item of embedder.embedStream(chunks, {
      ...how,
      onError: 'collect',
      signal,
    })) {
      const text = chunks[at++]?.text
      if ('error' in item) failures.push(failureOf(item.id, item.error))
      else if (item.model !== model || item.embedding.fallback !== undefined) {
        failures.push(failureOf(item.id, otherModel()))
      } else {
        embedded.push({ chunk: item, text })
        onTokens(item.embedding.tokenCount)
      }
    }
  } catch (error) {
    throwIfAborted(signal)
    // failed chunks are collected: this is about all of them
    throw new EmbedderTrouble(error)
  }
  return { embedded, failures }
}

/** While the store cannot be reached nothing is embedded in vain and no try is used up. */
async function patiently<T>(run: () => Promise<T>, { signal, onTrouble }: JobServices): Promise<T> {
  for (let pause = PAUSE_MS.first; ; pause = Math.min(2 * pause, PAUSE_MS.most)) {
    try {
      const result = await run()
      onTrouble(undefined)
      return result
    } catch (error) {
      throwIfAborted(signal)
      if (!(error instanceof StoreError && error.transient)) throw error
      onTrouble(error)
    }
    await sleep(pause, signal)
  }
}

/** A fallback, or a model that was swapped in: its vectors would lie among others that they do not go with. */
function otherModel(): EmbedderError {
  return new InferenceError('Another model than that of the queue embedded the text.')
}

/** Its place in the job means nothing to those who know it by its id. */
function failureOf(id: string, { code, message }: EmbedderError): QueueFailure {
  return { id, code, message: message.replace(/^The (text|chunk) at index \d+/, 'The $1') }
}
