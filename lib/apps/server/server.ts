/** A server around an embedder: made, started, drained, closed. */

import { readFile } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { DisposedError, InvalidInputError } from '../../common/errors.js'
import { checkEmbedder, refuseUnknown } from '../../common/given.js'
import { clearInterval, performance, setInterval } from '../../common/timers.js'
import type { EmbedderInfo } from '../../common/types.js'
import { Embedder } from '../../embedder/embedder.js'
import { checkLoadOptions } from '../../embedder/load-options.js'
import { type Environment, type OptionValues, readEnvironment } from '../../options/table.js'
import type { LoadOptions } from '../../options/types.js'
import { buildApp } from './app.js'
import { readKeys } from './auth.js'
import { Bodies } from './core/bodies.js'
import { type LoadedReranker, notReady, type ServerContext } from './core/context.js'
import { Drift } from './core/drift.js'
import { Gate } from './core/limits.js'
import { ServerMetrics } from './core/metrics.js'
import {
  checkServerOptions,
  mergeServerOptions,
  readServerEnvironment,
  SERVER_OPTION_NAMES,
  type ServerConfig,
  type ServerOptionValues,
} from './core/options.js'
import { serverPackage } from './core/packages.js'
import type { ServedEmbedder, ServedReranker, ServerState } from './core/served.js'
import { embedderLogger, type PinoLogger } from './log.js'
import { checkReranker, openReranker } from './reranker.js'
import { drain } from './shutdown.js'
import { readStats } from './stats.js'

export interface ServerOptions extends ServerOptionValues {
  /** The embedder to serve; `close` leaves it as it is. */
  embedder?: ServedEmbedder
  /** Or what to load one with; `close` disposes of it. */
  load?: LoadOptions
  /** A re-ranker to serve beside it, instead of `rerankModel`; `close` leaves it as it is. */
  reranker?: ServedReranker
  /** Where log lines go. Default: stderr. */
  logStream?: Writable
}

/** A server: made by `createServer`, then started, then closed. */
export interface Server {
  /** The Fastify instance, for routes of your own before `start`. */
  readonly app: FastifyInstance
  readonly context: ServerContext
  /**
   * Listens, then loads the model; resolves when it is loaded. While it loads, `/health` answers and
   * `/ready` says no.
   *
   * @throws what `Embedder.load` throws, or an error of the system such as EADDRINUSE; the server is
   * closed then
   */
  start(): Promise<{ url: string; host: string; port: number }>
  /**
   * Listens no more, answers what was accepted (for `drainTimeout` at most), then ends. Idempotent.
   *
   * @returns whether everything that was accepted has been answered
   */
  close(): Promise<boolean>
}

/**
 * A server that does not listen yet. Options that are not given are looked for in the environment
 * (`BGE_M3_PORT` ...), then have their defaults. So is what a request does not say of its embeddings
 * (`BGE_M3_TRUNCATE`, `BGE_M3_NORMALIZE`, `BGE_M3_DIMENSIONS`).
 *
 * @param env the environment, for tests
 * @throws InvalidInputError for a wrong option, or a package that is missing
 * @example
 * const server = await createServer({ port: 8080 })
 * const { url } = await server.start()
 */
export async function createServer(
  options: ServerOptions = {},
  env: Environment = process.env,
): Promise<Server> {
  const others = ['embedder', 'load', 'reranker', 'logStream']
  refuseUnknown(options, [...SERVER_OPTION_NAMES, ...others], 'createServer')
  const { embedder, load, reranker } = options
  if (embedder !== undefined) checkEmbedder(embedder, 'embed', 'embedTokens', 'warmup')
  // wrong here, and not only once it listens
  else checkLoadOptions(load ?? {}, 'Embedder.load')
  if (reranker !== undefined) checkReranker(reranker)
  const given = checkServerOptions({ ...options })
  const asked = readEnvironment(env)
  const config = mergeServerOptions(given, readServerEnvironment(env))
  const log = await createLog(config, options.logStream)
  const prom = await serverPackage('prom-client', () => import('prom-client'))
  const drift = new Drift(config.reference)
  const defaults = { ...asked, truncate: config.truncate ?? asked.truncate }
  const context = new Context(config, defaults, drift, new ServerMetrics(prom, drift))
  const [keys, tls] = await Promise.all([readKeys(config), readTls(config)])
  const app = await buildApp(context, { log, keys, tls })
  return new RunningServer(app, context, log, options)
}

/** How long what is loaded is taken for what it was. */
const INFO_MS = 50

class Context implements ServerContext {
  readonly gate: Gate
  readonly bodies: Bodies
  readonly startedAt = Date.now()
  state: ServerState = 'loading'
  loaded: ServedEmbedder | undefined
  reranker: LoadedReranker | undefined
  #info: EmbedderInfo | undefined
  #infoReadAt = 0

  constructor(
    readonly config: ServerConfig,
    readonly defaults: OptionValues,
    readonly drift: Drift,
    readonly metrics: ServerMetrics,
  ) {
    const { concurrency, queue, bodyLimit, requestMemory } = config
    this.bodies = new Bodies({ each: bodyLimit, all: requestMemory })
    this.gate = new Gate({ concurrency, queue, bytes: requestMemory })
    metrics.gauges(() => ({
      stats: this.stats(),
      drift: drift.readings,
      engine: this.loaded?.stats() ?? NO_ENGINE,
      reranker: this.reranker?.model.stats(),
    }))
  }

  get embedder(): ServedEmbedder {
    if (!this.loaded) throw notReady(this.state)
    return this.loaded
  }

  get info(): EmbedderInfo {
    const { embedder } = this
    const now = performance.now()
    // many ask while one request is served, and only a model that is swapped changes it
    if (this.#info && now - this.#infoReadAt < INFO_MS) return this.#info
    try {
      this.#info = embedder.info
      this.#infoReadAt = now
    } catch (error) {
      if (!this.#info) throw error
    }
    return this.#info
  }

  stats() {
    const { state, startedAt, gate, metrics, loaded, reranker } = this
    const info = loaded && this.info
    const engine = loaded?.stats()
    return readStats({ state, startedAt, gate, metrics, info, engine, reranker })
  }
}

const NO_ENGINE = { batches: 0, texts: 0, tokens: 0, failures: 0, computeMs: 0 }

class RunningServer implements Server {
  readonly #log: PinoLogger
  readonly #options: ServerOptions
  #closing: Promise<boolean> | undefined
  #driftTimer: NodeJS.Timeout | undefined

  constructor(
    readonly app: FastifyInstance,
    readonly context: Context,
    log: PinoLogger,
    options: ServerOptions,
  ) {
    this.#log = log
    this.#options = options
  }

  async start(): Promise<{ url: string; host: string; port: number }> {
    const { config } = this.context
    // both of its addresses would be two listeners
    const host = config.host === 'localhost' ? '127.0.0.1' : config.host
    try {
      await this.app.listen({ host, port: config.port, listenTextResolver: () => 'listening' })
      await this.#load()
    } catch (error) {
      this.context.state = 'failed'
      await this.close()
      throw error
    }
    const { port } = this.app.server.address() as { port: number }
    const scheme = config.tlsCert ? 'https' : 'http'
    const url = `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`
    this.#log.info({ url }, 'ready')
    return { url, host, port }
  }

  close(): Promise<boolean> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #load(): Promise<void> {
    const { context } = this
    const { embedder, load } = this.#options
    const loaded =
      embedder ??
      (await Embedder.load({
        logger: embedderLogger(this.#log),
        maxTokens: context.defaults.maxTokens,
        ...load,
      }))
    try {
      await loaded.warmup()
      await context.drift.begin(loaded)
      if (this.#closing) throw new DisposedError('The server was closed while it started.')
    } catch (error) {
      if (!embedder) await loaded.dispose()
      throw error
    }
    try {
      context.reranker = await openReranker(context.config.rerankModel, this.#options, this.#log)
      if (this.#closing) throw new DisposedError('The server was closed while it started.')
    } catch (error) {
      if (!embedder) await loaded.dispose()
      throw error
    }
    context.loaded = loaded
    context.state = 'ready'
    const { driftInterval } = context.config
    if (driftInterval === 0) return
    this.#driftTimer = setInterval(() => {
      context.drift
        .check(loaded)
        .catch(() => this.#log.warn('the reference texts could not be embedded again'))
    }, driftInterval)
    this.#driftTimer.unref()
  }

  async #close(): Promise<boolean> {
    clearInterval(this.#driftTimer)
    const { context } = this
    if (context.state !== 'failed') context.state = 'draining'
    const isComplete = await drain(this.app, context)
    if (!this.#options.embedder) await context.loaded?.dispose()
    if (!this.#options.reranker) await context.reranker?.model.dispose()
    this.#log.info({ answered: isComplete }, 'closed')
    return isComplete
  }
}

async function createLog(config: ServerConfig, stream: Writable | undefined): Promise<PinoLogger> {
  const { pino } = await serverPackage('pino', () => import('pino'))
  return pino({ level: config.logLevel, base: { name: 'bge-m3' } }, stream ?? process.stderr)
}

async function readTls({
  tlsCert,
  tlsKey,
}: ServerConfig): Promise<{ cert: Buffer; key: Buffer } | undefined> {
  if (tlsCert === undefined && tlsKey === undefined) return undefined
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new InvalidInputError('TLS needs both a certificate (tlsCert) and its key (tlsKey).')
  }
  const read = (file: string) =>
    readFile(file).catch((cause) => {
      throw new InvalidInputError(`${file} cannot be read.`, { cause })
    })
  const [cert, key] = await Promise.all([read(tlsCert), read(tlsKey)])
  return { cert, key }
}
