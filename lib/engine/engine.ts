/** A loaded model with its heads, session and scheduler: what an embedder holds while it is loaded. */
import { stat } from 'node:fs/promises'
import type { AbortSignalLike } from '../common/abort.js'
import { DisposedError } from '../common/errors.js'
import type { MemoryReading, Outputs } from '../common/types.js'
import { checkIntegrity } from '../model/integrity.js'
import { checkKind, type Purpose } from '../model/purpose.js'
import type {
  NativeModel,
  NativeModelInfo,
  NativeSession,
  NativeTokenizer,
} from '../native/addon.js'
import { fromNative } from '../native/errors.js'
import { loadAddon } from '../native/load.js'
import type { Log } from '../native/log.js'
import type { TextOutputs } from '../outputs/embedding.js'
import { Rates } from './estimate/rates.js'
import { loadError } from './load-error.js'
import { checkFileFits, MemoryBudget } from './memory.js'
import { type Prepared, prepare } from './prepared.js'
import { Pressure } from './pressure.js'
import { NOTHING_YET, Scheduler, type SchedulerStats } from './scheduler/scheduler.js'

/** What a call needs of a cache. Arrays that it gives may be changed; those it gets, later, too. */
export interface TextCache {
  find(
    fingerprint: string,
    text: string,
    asked: Required<Outputs>,
    limit: TextLimit,
  ): TextOutputs | undefined
  keep(fingerprint: string, text: string, outputs: TextOutputs, limit: TextLimit): void
}

/** The limit that a text was under: its outputs depend on it where it lost its end. */
export interface TextLimit {
  maxTokens: number
  truncate: 'error' | 'end'
}

/** Readings of all engines that an embedder has had. */
export interface EngineStats extends SchedulerStats {
  /** Milliseconds, summed over calls. */
  tokenizeMs: number
}

export const newStats = (): EngineStats => ({ ...NOTHING_YET, tokenizeMs: 0 })

export interface EngineOptions {
  path: string
  /** What the user named; without it heads are looked for in the model and beside it. */
  heads: string | undefined
  /** 0 = one per real core. */
  threads: number
  batchTokens: number
  targetMs: number
  inFlight: number
  retry: number
  memoryLimit: number
  /** Whether the limit is what the container leaves. */
  isContained?: boolean | undefined
  onMemory?: ((reading: MemoryReading) => void) | undefined
  /** Bytes that the memory cache may take. */
  cache: number
  verify: 'auto' | 'always' | 'never'
  /** What the file must hash to; undefined where nobody pins it. */
  sha256: string | undefined
  cacheDir: string | undefined
  signal?: AbortSignalLike | undefined
  /** The most tokens a text may have, if not those that the model was made for. */
  maxTokens: number | undefined
}

/** What an embedder hands to each of its engines. */
export interface Surroundings {
  purpose: Purpose
  cache: TextCache | undefined
  /** Texts that may wait. */
  maxPending: number
  log: Log
  stats: EngineStats
}

export class Engine {
  readonly path: string
  readonly info: NativeModelInfo
  readonly prepared: Prepared
  readonly scheduler: Scheduler
  readonly memory: MemoryBudget
  /** How fast this model runs here. */
  readonly rates: Rates
  readonly model: NativeModel
  readonly tokenizer: NativeTokenizer
  readonly session: NativeSession
  readonly maxTokens: number
  readonly cache: TextCache | undefined
  readonly maxPending: number
  readonly log: Log
  readonly stats: EngineStats
  #users = 0
  #retired: (() => void) | undefined
  #closed = false

  private constructor(
    model: NativeModel,
    session: NativeSession,
    prepared: Prepared,
    options: EngineOptions,
    { cache: textCache, maxPending, log, stats }: Surroundings,
  ) {
    this.path = options.path
    this.model = model
    this.tokenizer = model.tokenizer()
    this.info = model.info()
    this.prepared = prepared
    this.session = session
    this.maxTokens = Math.min(
      options.maxTokens ?? prepared.maxTokens ?? Number.POSITIVE_INFINITY,
      this.info.contextLength,
    )
    this.cache = textCache
    this.maxPending = maxPending
    this.log = log
    this.stats = stats
    const { batchTokens, targetMs, inFlight, retry, memoryLimit, cache } = options
    const contextBytes = (tokens: number) => {
      if (this.#closed) throw new DisposedError()
      return this.session.contextBytes(tokens)
    }
    this.memory = new MemoryBudget({
      limit: memoryLimit,
      isContained: options.isContained,
      weights: this.info.weightBytes,
      cache,
      batchTokens,
      contextBytes,
    })
    this.rates = new Rates(this.info.dim)
    this.scheduler = new Scheduler(this.session, {
      dim: this.info.pooling === 'rank' ? 1 : this.info.denseDim,
      heads: prepared.heads,
      batchTokens,
      targetMs,
      inFlight,
      retry,
      pressure: new Pressure({
        batchTokens,
        contextBytes,
        heldBytes: () => this.session.stats().contextBytes,
        onMemory: options.onMemory,
      }),
      stats,
      observe: (batch) => this.rates.observe(batch),
    })
  }

  static async load(options: EngineOptions, surroundings: Surroundings): Promise<Engine> {
    const { path, verify, cacheDir, signal } = options
    const addon = loadAddon()
    // a file that is not there is the integrity check's to name
    const bytes = await stat(path).then(
      ({ size }) => size,
      () => 0,
    )
    checkFileFits(bytes, { limit: options.memoryLimit, isContained: options.isContained })
    const expected = options.sha256 === undefined ? undefined : { sha256: options.sha256 }
    const checked = await checkIntegrity(path, { verify, expected, cacheDir, signal })
    const { sha256 } = checked
    const model = await addon.loadModel(path).catch((error) => {
      throw loadError(path, error)
    })
    try {
      const info = model.info()
      checkKind(path, info.pooling === 'rank', surroundings.purpose)
      await checked.record?.()
      const prepared = await prepare({ path, heads: options.heads, sha256, info })
      const session = model.session(options.threads)
      try {
        return new Engine(model, session, prepared, options, surroundings)
      } catch (error) {
        await session.release()
        throw error
      }
    } catch (error) {
      await model.release()
      throw fromNative(error)
    }
  }

  /** From here to `leave`, work is under way: a retired engine closes only after everyone has left. */
  enter(): void {
    if (this.#closed) throw new DisposedError()
    this.#users++
  }

  leave(): void {
    this.#users--
    if (this.#users === 0) this.#retired?.()
  }

  /** Lets work under way finish, then closes. */
  async retire(): Promise<void> {
    if (this.#users > 0) {
      await new Promise<void>((resolve) => {
        this.#retired = resolve
      })
    }
    await this.close()
  }

  /** Ends all work; resolves when the thread and the weights are given back (if nobody shares them). */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#retired?.()
    this.scheduler.close()
    await this.session.release()
    await this.tokenizer.release()
    await this.model.release()
  }
}
