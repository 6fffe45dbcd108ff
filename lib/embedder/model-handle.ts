/** The model behind an embedder: read when it is needed, given back when nobody does, exchanged on demand. */

import { EmbeddingCache } from '../cache/cache.js'
import { DisposedError } from '../common/errors.js'
import { clearTimeout, setTimeout } from '../common/timers.js'
import type { Embedding, Estimate, Precision, Settled } from '../common/types.js'
import { Engine, newStats } from '../engine/engine.js'
import type { Purpose } from '../model/purpose.js'
import { Log } from '../native/log.js'
import { type Config, checkOptions } from '../options/table.js'
import type { LoadOptions } from '../options/types.js'
import type { CallOptions } from './call/call-options.js'
import { EmbedCall } from './call/embed-call.js'
import type { CallExtras, EmbedCore } from './call/embed-core.js'
import { estimateCall } from './estimator.js'
import { checkLoadOptions, type Listeners, type Settings, settingsOf } from './load-options.js'

export class ModelHandle implements EmbedCore {
  readonly defaults: Config
  /** Of all engines that it has had. */
  readonly stats = newStats()
  readonly #logger: LoadOptions['logger']
  readonly #log: Log
  readonly #purpose: Purpose
  #config: Config
  #settings: Settings | undefined
  #cache: EmbeddingCache | undefined
  #engine: Promise<Engine> | undefined
  #current: Engine | undefined
  #isClosed = false
  /** Calls under way. */
  #busy = 0
  #idle: NodeJS.Timeout | undefined

  constructor(config: Config, logger: LoadOptions['logger'], purpose: Purpose = 'embed') {
    this.defaults = config
    this.#config = config
    this.#logger = logger
    this.#log = new Log(logger)
    this.#purpose = purpose
  }

  /** Finds the model, opens the cache and, unless it may wait, reads the weights. */
  async open({ lazy, ...listeners }: { lazy: boolean } & Listeners): Promise<void> {
    const settings = await settingsOf(this.#config, listeners, this.#purpose)
    this.#settings = settings
    if (settings.cache > 0 || settings.disk) {
      this.#cache = await EmbeddingCache.open({
        memoryBytes: settings.cache,
        disk: settings.disk,
        ttlMs: settings.cacheTtl,
        warn: (message) => this.warn(message),
      })
    }
    if (!lazy) await this.load()
  }

  /** What is loaded now; undefined while the weights are not. */
  get current(): Engine | undefined {
    return this.#current
  }

  get settings(): Settings | undefined {
    return this.#settings
  }

  get cache(): EmbeddingCache | undefined {
    return this.#cache
  }

  warn(message: string): void {
    this.#log.warn(message)
  }

  embedSettled(
    texts: readonly unknown[],
    call: CallOptions,
    extras?: CallExtras,
  ): Promise<Settled<Embedding<Precision>>[]> {
    return this.use((engine) => new EmbedCall(engine, texts, call, extras).run())
  }

  fingerprint(): Promise<string> {
    return this.use(async (engine) => engine.prepared.fingerprint)
  }

  estimate(texts: readonly unknown[], call: CallOptions): Promise<Estimate> {
    return this.use((engine) => estimateCall(engine, texts, call))
  }

  /** Runs work on the engine; once nothing is under way, the weights may be given back after a while. */
  async use<T>(work: (engine: Engine) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new DisposedError()
    if (this.#idle) clearTimeout(this.#idle)
    this.#busy++
    let engine: Engine | undefined
    try {
      const ready = this.#current ?? (await this.load())
      ready.enter()
      engine = ready
      return await work(ready)
    } finally {
      engine?.leave()
      this.#busy--
      this.#unloadLater()
    }
  }

  load(): Promise<Engine> {
    if (this.#engine) return this.#engine
    const loading = this.#read(this.#settings).then((engine) => {
      if (this.#isClosed || this.#engine !== loading) {
        void engine.close()
        throw new DisposedError()
      }
      this.#current = engine
      for (const line of engine.info.warnings) this.warn(line)
      if (engine.info.standin) {
        const results = this.#purpose === 'rerank' ? 'scores' : 'embeddings'
        const line = `${engine.path} is a stand-in with random weights: its ${results} mean nothing.`
        this.#log.warn(line, 'BGE_M3_STANDIN')
      }
      return engine
    })
    this.#engine = loading
    loading.catch(() => {
      // a failed load is tried anew by the next call
      if (this.#engine === loading) this.#engine = undefined
    })
    return loading
  }

  /** Puts another model in place; work under way ends on the old one. */
  async swap(options: LoadOptions): Promise<void> {
    checkLoadOptions(options, 'swapModel')
    // a checksum is of one file
    const kept = options.model === undefined ? this.#config : { ...this.#config, sha256: undefined }
    const config = { ...kept, ...checkOptions(options) } as Config
    const listeners = { logger: this.#logger, onMemory: this.#settings?.onMemory, ...options }
    const settings = await settingsOf(config, listeners, this.#purpose)
    const fresh = await this.#read(settings)
    const old = this.#engine
    if (this.#isClosed) {
      await fresh.close()
      throw new DisposedError()
    }
    this.#config = config
    this.#settings = settings
    this.#engine = Promise.resolve(fresh)
    this.#current = fresh
    if (old) await old.then((engine) => engine.retire(), ignore)
  }

  /** Gives the weights and the context back; the next call reads them again. Work under way is ended. */
  async unload(): Promise<void> {
    const engine = this.#engine
    this.#engine = undefined
    this.#current = undefined
    if (!engine) return
    await engine.then((loaded) => loaded.close(), ignore)
  }

  /** Ends everything: work under way rejects with `DisposedError`. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#idle)
    await this.unload()
    await this.#cache?.close()
    this.#cache = undefined
  }

  async #read(settings: Settings | undefined): Promise<Engine> {
    const wanted =
      settings ?? (await settingsOf(this.#config, { logger: this.#logger }, this.#purpose))
    return Engine.load(wanted, {
      purpose: this.#purpose,
      cache: this.#cache,
      maxPending: this.#config.maxPending,
      log: this.#log,
      stats: this.stats,
    })
  }

  #unloadLater(): void {
    const after = this.#settings?.unloadAfter
    if (after === undefined || this.#busy > 0 || this.#isClosed) return
    this.#idle = setTimeout(() => {
      if (this.#busy === 0) void this.unload()
    }, after)
    this.#idle.unref()
  }
}

/** A load that failed has been reported to whoever asked for it. */
const ignore = (): void => {}
