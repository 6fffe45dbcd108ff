/** Lists of chunks through the embedder in one call, so that all share batches. */

import { throwIfAborted } from '../../common/abort.js'
import { Deadline } from '../../common/deadline.js'
import { BatchError, EmbedderError } from '../../common/errors.js'
import { reportProgress } from '../../common/progress.js'
import { nameOf } from '../../common/realms.js'
import { performance } from '../../common/timers.js'
import type {
  BatchInfo,
  ChunkFailure,
  EmbeddedChunk,
  Embedding,
  EmbedOptions,
  Precision,
  Settled,
} from '../../common/types.js'
import { type CallOptions, resolveCall } from '../call/call-options.js'
import type { EmbedCore } from '../call/embed-core.js'
import { atIndex, type CheckedChunk } from './chunk-input.js'
import { embeddedChunk, type RecordOptions, takeRecordOptions } from './embedded-chunk.js'
import { reportLater, scoreVector } from './quality.js'
import { PeakMemory, runStats } from './run-stats.js'
import type { ChunkOptions, EmbeddingResult } from './types.js'

/** A batch, and which texts of the call were in it. */
interface SeenBatch {
  batch: BatchInfo
  indices: readonly number[]
}

/** A list's results while they come in. */
interface Pending {
  chunks: readonly CheckedChunk[]
  items: (EmbeddedChunk<Precision> | undefined)[]
  failures: ChunkFailure[]
  left: number
  /** Seconds until its last chunk was done. */
  seconds: number
}

/**
 * A result per list. The first failure of a list does not stop the others, unless `onError: 'throw'`
 * asks for a `BatchError`.
 */
export async function embedLists(
  core: EmbedCore,
  lists: readonly (readonly CheckedChunk[])[],
  options: ChunkOptions,
  of: string,
): Promise<EmbeddingResult<Precision>[]> {
  const own = { priority: 'bulk', onError: 'collect', prompt: 'passage' } as const
  const { record, rest } = takeRecordOptions(options)
  const { call, timeout, onProgress } = resolveCall(rest, core.defaults, own, of)
  throwIfAborted(call.signal)
  const deadline = new Deadline(call.signal, timeout).start()
  const memory = new PeakMemory()
  try {
    const run = new Run(core, lists, { onProgress, normalized: call.normalize, record })
    await run.embed({ ...call, signal: deadline.signal })
    if (call.onError === 'throw') run.throwFailures()
    return run.results(memory.stop())
  } finally {
    memory.stop()
    deadline.end()
  }
}

class Run {
  readonly #core: EmbedCore
  readonly #lists: Pending[]
  /** List and place in it of every text. */
  readonly #places: readonly (readonly [list: number, index: number])[]
  readonly #batches: SeenBatch[] = []
  readonly #started = performance.now()
  readonly #normalized: boolean
  readonly #record: RecordOptions
  readonly #options: Pick<EmbedOptions, 'onProgress'>

  constructor(
    core: EmbedCore,
    lists: readonly (readonly CheckedChunk[])[],
    options: { onProgress: EmbedOptions['onProgress']; normalized: boolean; record: RecordOptions },
  ) {
    this.#core = core
    this.#normalized = options.normalized
    this.#record = options.record
    this.#options = options.onProgress ? { onProgress: options.onProgress } : {}
    this.#lists = lists.map((chunks) => ({
      chunks,
      items: new Array(chunks.length),
      failures: [],
      left: chunks.length,
      seconds: 0,
    }))
    this.#places = lists.flatMap((chunks, list) => chunks.map((_, index) => [list, index] as const))
  }

  async embed(call: CallOptions): Promise<void> {
    const progress = reportProgress(this.#options.onProgress, this.#places.length, (error) => {
      const name = nameOf(error)
      this.#core.warn(`onProgress threw: ${name}`)
    })
    const score = scoreVector(this.#normalized)
    let model = await this.#core.fingerprint()
    throwIfAborted(call.signal)
    const settle = (at: number, result: Settled<Embedding<Precision>>) => {
      const [list, index] = this.#places[at] as readonly [number, number]
      const pending = this.#lists[list] as Pending
      const chunk = pending.chunks[index] as CheckedChunk
      const item =
        result instanceof EmbedderError
          ? result
          : embeddedChunk(chunk, result, { model, score, ...this.#record })
      if (item instanceof EmbedderError) {
        pending.failures.push({ id: chunk.id, index, error: atIndex(item, index) })
      } else pending.items[index] = item
      if (--pending.left === 0) pending.seconds = this.#seconds
      progress(result instanceof EmbedderError ? 0 : result.tokenCount)
    }
    const settled = new Uint8Array(this.#places.length)
    const texts = this.#places.map(([list, index]) => this.#lists[list]?.chunks[index]?.text)
    const results = await this.#core.embedSettled(texts, call, {
      onModel: (fingerprint) => {
        model = fingerprint
      },
      onBatch: (batch, indices) => this.#batches.push({ batch, indices }),
      onResult: (at, result) => {
        if (settled[at] || result instanceof EmbedderError) return
        settled[at] = 1
        settle(at, result)
      },
    })
    results.forEach((result, at) => {
      if (result !== undefined && !settled[at]) settle(at, result)
    })
    progress.finish()
  }

  get #seconds(): number {
    return (performance.now() - this.#started) / 1000
  }

  /** @throws BatchError if a chunk failed; its indices count through all lists */
  throwFailures(): void {
    let offset = 0
    const failures = this.#lists.flatMap((list) => {
      const start = offset
      offset += list.chunks.length
      return sorted(list.failures).map(({ index, error }) => ({ index: start + index, error }))
    })
    if (failures.length === 0) return
    throw new BatchError(
      failures,
      this.#lists.flatMap(({ items }) => Array.from(items)),
    )
  }

  results(peakRssBytes: number): EmbeddingResult<Precision>[] {
    const shares = this.#sharesOfBatches()
    return this.#lists.map((list, i) => {
      const batches = shares[i] as BatchInfo[]
      const done = list.items.flatMap((item, index) => (item ? [{ item, index }] : []))
      const items = done.map(({ item }) => item)
      const failures = sorted(list.failures)
      const texts = done.map(({ index }) => list.chunks[index]?.text)
      const { seconds } = list
      return withQuality(
        {
          items,
          failures,
          stats: runStats({ items, failures: failures.length, batches, seconds, peakRssBytes }),
          batches,
        },
        reportLater(items, texts, this.#normalized),
      )
    })
  }

  /** For each list the batches that texts of it were in, with its own part of them. */
  #sharesOfBatches(): BatchInfo[][] {
    const shares: BatchInfo[][] = this.#lists.map(() => [])
    const [only] = this.#lists
    if (only && this.#lists.length === 1) {
      return [
        this.#batches.map(({ batch, indices }) => ({
          ...batch,
          errors: indices.filter((index) => !only.items[index]).length,
        })),
      ]
    }
    for (const { batch, indices } of this.#batches) {
      const parts = new Map<number, { texts: number; tokens: number; errors: number }>()
      for (const at of indices) {
        const [list, index] = this.#places[at] as readonly [number, number]
        const part = parts.get(list) ?? { texts: 0, tokens: 0, errors: 0 }
        const item = this.#lists[list]?.items[index]
        part.texts++
        part.tokens += item?.embedding.tokenCount ?? 0
        if (!item) part.errors++
        parts.set(list, part)
      }
      for (const [list, part] of parts) shares[list]?.push({ ...batch, ...part })
    }
    return shares
  }
}

function sorted(failures: readonly ChunkFailure[]): ChunkFailure[] {
  return [...failures].sort((a, b) => a.index - b.index)
}

function withQuality(
  result: Omit<EmbeddingResult<Precision>, 'quality'>,
  report: () => EmbeddingResult['quality'],
): EmbeddingResult<Precision> {
  return Object.defineProperty(result as EmbeddingResult<Precision>, 'quality', {
    get: report,
    enumerable: true,
  })
}
