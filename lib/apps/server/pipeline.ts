/**
 * What loaders and workers tell over HTTP where they are asked to: `/metrics`, the server's registry with counts of
 * batches, `/health` (alive) and `/ready` (the model is loaded). They run for weeks, and nobody sends them requests.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { EmbedderError } from '../../common/errors.js'
import { optional } from '../../common/optional.js'
import { clearInterval, setInterval } from '../../common/timers.js'
import type { Embedding } from '../../common/types.js'
import type { Embedder } from '../../embedder/embedder.js'
import type { BatchReport } from '../../integrations/batch-report.js'
import type { Environment } from '../../options/table.js'
import { hostCheck } from './connections.js'
import { Drift } from './core/drift.js'
import { HttpError } from './core/errors.js'
import { ServerMetrics } from './core/metrics.js'
import { mergeServerOptions, readServerEnvironment } from './core/options.js'
import { type PipelineCounters, pipelineCounters } from './core/pipeline-counters.js'
import type { ServerState } from './core/served.js'
import { readStats } from './stats.js'

/** Where to listen, and what is told of the work. */
export interface PipelineOptions {
  host: string
  /** 0 for any that is free. */
  port: number
  /** Where `BGE_M3_REFERENCE` and `BGE_M3_DRIFT_INTERVAL` are looked for. */
  env: Environment
  /** Items that are left to do; undefined while nobody knows. Asked once a scrape. */
  left(): Promise<number | undefined>
}

/** There are no requests that could wait. */
const NO_GATE = {
  readings: { places: 0, running: 0, waiting: 0, concurrency: 0, capacity: 0, answerBytes: 0 },
}
const NO_ENGINE = { batches: 0, texts: 0, tokens: 0, failures: 0, computeMs: 0 }
/** Metrics of requests, and of a re-ranker: there are none. */
const OF_REQUESTS = /^bge_m3_(request|queue_|reranker_|error_rate)/

export class PipelineServer {
  readonly #server: Server
  readonly #metrics: ServerMetrics
  readonly #counters: PipelineCounters
  readonly #drift: Drift
  readonly #driftInterval: number
  readonly #startedAt = Date.now()
  #embedder: Embedder | undefined
  #state: ServerState = 'loading'
  #driftTimer: NodeJS.Timeout | undefined

  private constructor(
    prom: typeof import('prom-client'),
    { host, env, left }: PipelineOptions,
    checkHost: ReturnType<typeof hostCheck> = hostCheck({ host, allowedHosts: undefined }, false),
  ) {
    const { reference, driftInterval } = mergeServerOptions(readServerEnvironment(env))
    this.#drift = new Drift(reference)
    this.#driftInterval = driftInterval
    const metrics = new ServerMetrics(prom, this.#drift)
    metrics.gauges(() => this.#readings())
    const { registry } = metrics
    for (const { name } of registry.getMetricsAsArray()) {
      if (OF_REQUESTS.test(name)) registry.removeSingleMetric(name)
    }
    this.#metrics = metrics
    this.#counters = pipelineCounters(prom, registry, left)
    this.#server = createServer((request, response) => {
      this.#answer(request, response, checkHost).catch(() => response.destroy())
    })
    // whoever scrapes sends a line; a connection that says nothing is not kept
    this.#server.headersTimeout = 5000
    this.#server.requestTimeout = 5000
    this.#server.maxConnections = 64
  }

  /**
   * Listens: `/ready` says no until `begin`.
   *
   * @throws InvalidInputError where prom-client is missing, or for a variable of the environment; an error of the
   *   system such as EADDRINUSE
   */
  static async open(options: PipelineOptions): Promise<PipelineServer> {
    const prom = await optional('prom-client', '--metrics-port', () => import('prom-client'))
    const pipeline = new PipelineServer(prom, options)
    const server = pipeline.#server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(options.port, options.host, () => {
        server.off('error', reject)
        resolve()
      })
    })
    // the work is what the process lives for
    server.on('error', () => {}).unref()
    return pipeline
  }

  /** Port that it listens on. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  /** The model is loaded: embeds the reference texts, and does so again now and then. */
  async begin(embedder: Embedder): Promise<void> {
    await this.#drift.begin(embedder)
    this.#embedder = embedder
    this.#state = 'ready'
    if (this.#driftInterval === 0) return
    this.#driftTimer = setInterval(
      () => void this.#drift.check(embedder).catch(() => {}),
      this.#driftInterval,
    )
    this.#driftTimer.unref()
  }

  /** A text was embedded. */
  embedded(result: Embedding): void {
    this.#metrics.answered(result, true)
  }

  /** A batch is done. */
  batch(report: BatchReport): void {
    this.#counters.add(report)
  }

  /** Listens no more. */
  close(): void {
    clearInterval(this.#driftTimer)
    this.#server.close()
    this.#server.closeAllConnections()
  }

  #readings() {
    const engine = this.#embedder?.stats()
    const stats = readStats({
      state: this.#state,
      startedAt: this.#startedAt,
      gate: NO_GATE,
      metrics: this.#metrics,
      info: undefined,
      engine,
      reranker: undefined,
    })
    return {
      stats,
      drift: this.#drift.readings,
      engine: engine ?? NO_ENGINE,
      reranker: undefined,
    }
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    checkHost: (request: IncomingMessage) => void,
  ): Promise<void> {
    const { status, type, body } = await this.#reply(request, checkHost)
    response.writeHead(status, { 'content-type': type, 'x-content-type-options': 'nosniff' })
    response.end(request.method === 'HEAD' ? undefined : body)
  }

  async #reply(
    request: IncomingMessage,
    checkHost: (request: IncomingMessage) => void,
  ): Promise<{ status: number; type: string; body: string }> {
    try {
      checkHost(request)
      if (request.method !== 'GET' && request.method !== 'HEAD') return json(405, 'error')
      switch (request.url?.replace(/[?#].*$/, '')) {
        case '/health':
          return json(200, 'ok')
        case '/ready':
          return json(this.#state === 'ready' ? 200 : 503, this.#state)
        case '/metrics': {
          const { registry } = this.#metrics
          return { status: 200, type: registry.contentType, body: await registry.metrics() }
        }
        default:
          return json(404, 'error')
      }
    } catch (error) {
      const isKnown = error instanceof HttpError || error instanceof EmbedderError
      return json(error instanceof HttpError ? error.status : 500, isKnown ? error.code : 'error')
    }
  }
}

function json(
  status: number,
  state: string | undefined,
): { status: number; type: string; body: string } {
  const body = JSON.stringify({ status: state })
  return { status, type: 'application/json; charset=utf-8', body }
}
