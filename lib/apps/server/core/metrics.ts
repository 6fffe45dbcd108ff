/** Prometheus metrics. Labels are route patterns, methods and statuses: nothing that a client made up. */

import type { Counter, Histogram, Registry } from 'prom-client'
import type { Embedding, EmbeddingFacts } from '../../../common/types.js'
import type { Drift } from './drift.js'
import { gauges, type Readings } from './gauges.js'
import { Recent } from './recent.js'

type PromClient = typeof import('prom-client')

interface RequestEnd {
  /** The route's pattern; `unknown` when there was none. */
  route: string
  method: string
  status: number
  milliseconds: number
  /** Whether it asks for work of the model: what looks at the server is not what the server does. */
  isWork: boolean
}

interface Totals {
  requests: number
  texts: number
  tokens: number
  errors: number
  refused: number
  cancelled: number
}

const SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
]
const COUNTS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]
const TOKENS = [8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192]
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** What is counted of an answer. */
export type Answered = EmbeddingFacts & Pick<Partial<Embedding>, 'dense'>

export class ServerMetrics {
  readonly registry: Registry
  readonly recent = new Recent()
  readonly totals: Totals = {
    requests: 0,
    texts: 0,
    tokens: 0,
    errors: 0,
    refused: 0,
    cancelled: 0,
  }
  readonly #requests: Counter
  readonly #seconds: Histogram
  readonly #wait: Histogram
  readonly #items: Histogram
  readonly #tokens: Histogram
  readonly #texts: Counter
  readonly #tokenTotal: Counter
  readonly #stages: Histogram
  readonly #similarity: Histogram
  readonly #drift: Drift

  constructor({ Registry, Counter, Gauge, Histogram }: PromClient, drift: Drift) {
    const registry = new Registry()
    const registers = [registry]
    this.registry = registry
    this.#drift = drift
    this.#requests = new Counter({
      name: 'bge_m3_requests_total',
      help: 'Requests, by route, method and status (499: the client hung up).',
      labelNames: ['route', 'method', 'status'],
      registers,
    })
    this.#seconds = new Histogram({
      name: 'bge_m3_request_seconds',
      help: 'From a request’s headers to the end of its answer.',
      labelNames: ['route'],
      buckets: SECONDS,
      registers,
    })
    this.#wait = new Histogram({
      name: 'bge_m3_queue_wait_seconds',
      help: 'What a request waited for its turn at the embedder.',
      buckets: SECONDS,
      registers,
    })
    this.#items = new Histogram({
      name: 'bge_m3_request_items',
      help: 'Texts a request.',
      buckets: COUNTS,
      registers,
    })
    this.#tokens = new Histogram({
      name: 'bge_m3_text_tokens',
      help: 'Tokens a text.',
      buckets: TOKENS,
      registers,
    })
    this.#texts = new Counter({
      name: 'bge_m3_texts_total',
      help: 'Texts answered, by whether they came from the cache.',
      labelNames: ['cached'],
      registers,
    })
    this.#tokenTotal = new Counter({
      name: 'bge_m3_tokens_total',
      help: 'Tokens of the texts answered.',
      registers,
    })
    this.#stages = new Histogram({
      name: 'bge_m3_stage_seconds',
      help: 'Where a text’s time went: tokenize, queue (for a batch), compute (of its batch).',
      labelNames: ['stage'],
      buckets: SECONDS,
      registers,
    })
    this.#similarity = new Histogram({
      name: 'bge_m3_drift_similarity',
      help: 'Cosine of an answer with the nearest reference text.',
      buckets: [-0.5, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1],
      registers,
    })
    this.gauges = (readings) => gauges(Gauge, Counter, registry, readings)
  }

  /** Registers what is read when somebody asks: queue, memory, cache, engine, drift. */
  readonly gauges: (readings: () => Readings) => void

  request({ route, method, status, milliseconds, isWork }: RequestEnd): void {
    const known = METHODS.has(method) ? method : 'other'
    this.#requests.inc({ route, method: known, status: String(status) })
    this.#seconds.observe({ route }, milliseconds / 1000)
    if (!isWork) return
    const refused = status === 429 || status === 503
    const isError = status >= 400 && status !== 499 && !refused
    this.totals.requests++
    if (refused) this.totals.refused++
    else if (status === 499) this.totals.cancelled++
    else if (isError) this.totals.errors++
    this.recent.request(milliseconds, isError)
  }

  waited(milliseconds: number): void {
    this.#wait.observe(milliseconds / 1000)
    this.recent.wait(milliseconds)
  }

  items(count: number): void {
    this.#items.observe(count)
  }

  /** @param isReference whether `dense`, if there, is of full width and length 1 */
  answered(embedding: Answered, isReference: boolean): void {
    const { tokenCount, cached, timings, dense } = embedding
    this.totals.texts++
    this.totals.tokens += tokenCount
    this.#texts.inc({ cached: String(cached) })
    this.#tokenTotal.inc(tokenCount)
    this.#tokens.observe(tokenCount)
    this.#stages.observe({ stage: 'tokenize' }, timings.tokenizeMs / 1000)
    this.#stages.observe({ stage: 'queue' }, timings.queueMs / 1000)
    this.#stages.observe({ stage: 'compute' }, timings.computeMs / 1000)
    this.recent.text(tokenCount, timings)
    if (!isReference || dense === undefined) return
    const similarity = this.#drift.sample(dense)
    if (similarity !== undefined) this.#similarity.observe(similarity)
  }
}
