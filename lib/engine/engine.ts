/** A loaded model with its heads, session and scheduler: what an embedder holds while it is loaded. */
import { DisposedError } from '../common/errors.js'
import { checkIntegrity } from '../model/integrity.js'
import type { NativeModel, NativeModelInfo, NativeSession } from '../native/addon.js'
import { fromNative } from '../native/errors.js'
import { loadAddon } from '../native/load.js'
import { Rates } from './estimate/rates.js'
import { loadError } from './load-error.js'
import { MemoryBudget } from './memory.js'
import { type Prepared, prepare } from './prepared.js'
import { Scheduler } from './scheduler/scheduler.js'

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
  /** Bytes that the memory cache may take. */
  cache: number
  verify: 'auto' | 'always' | 'never'
  cacheDir: string | undefined
  signal?: AbortSignal | undefined
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
  readonly session: NativeSession
  #users = 0
  #retired: (() => void) | undefined
  #closed = false

  private constructor(
    model: NativeModel,
    session: NativeSession,
    prepared: Prepared,
    options: EngineOptions,
  ) {
    this.path = options.path
    this.model = model
    this.info = model.info()
    this.prepared = prepared
    this.session = session
    const { batchTokens, targetMs, inFlight, retry, memoryLimit, cache } = options
    this.memory = new MemoryBudget({
      limit: memoryLimit,
      weights: this.info.weightBytes,
      cache,
      batchTokens,
      contextBytes: (tokens) => {
        if (this.#closed) throw new DisposedError()
        return this.session.contextBytes(tokens)
      },
    })
    this.rates = new Rates(this.info.dim)
    this.scheduler = new Scheduler(this.session, {
      dim: this.info.dim,
      heads: prepared.heads,
      batchTokens,
      targetMs,
      inFlight,
      retry,
      observe: this.rates.observe,
    })
  }

  static async load(options: EngineOptions): Promise<Engine> {
    const { path, verify, cacheDir, signal } = options
    const addon = loadAddon()
    const { sha256 } = await checkIntegrity(path, { verify, cacheDir, signal })
    const model = await addon.loadModel(path).catch((error) => {
      throw loadError(path, error)
    })
    try {
      const { dim } = model.info()
      const prepared = await prepare({ path, heads: options.heads, sha256, dim })
      const session = model.session(options.threads)
      try {
        return new Engine(model, session, prepared, options)
      } catch (error) {
        await session.release()
        throw error
      }
    } catch (error) {
      await model.release()
      throw fromNative(error)
    }
  }

  /** Runs `work`; a retired engine is closed only after everyone who uses it is done. */
  async use<T>(work: (engine: Engine) => Promise<T>): Promise<T> {
    if (this.#closed) throw new DisposedError()
    this.#users++
    try {
      return await work(this)
    } finally {
      this.#users--
      if (this.#users === 0) this.#retired?.()
    }
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
    await this.model.release()
  }
}
