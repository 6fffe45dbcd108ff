/** A request that needs the embedder: its place, its deadline, its cancellation, and what it did. */

import type { FastifyReply, FastifyRequest } from 'fastify'
import { EmbedderError, TimeoutError } from '../../../common/errors.js'
import { clearTimeout, performance, setTimeout } from '../../../common/timers.js'
import type {
  Embedding,
  EmbedOptions,
  Outputs,
  Prompt,
  Settled,
  TokenStates,
} from '../../../common/types.js'
import type { ServerContext } from './context.js'
import { ClientGoneError, type ErrorStyle, HttpError } from './errors.js'
import {
  embedInputs,
  type Inputs,
  inputCharacters,
  inputCount,
  inputTokens,
  statesOfInputs,
} from './inputs.js'
import type { Turn } from './limits.js'
import type { Answered } from './metrics.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** No API key is asked for. */
    public?: boolean
    /** It needs the embedder: it takes a place and a turn. */
    work?: boolean
    /** Whose error body it answers with; OpenAI's, which is ours too, if not said. */
    errors?: ErrorStyle | ((body: unknown) => ErrorStyle)
    /** The member of its body that holds the texts. */
    param?: string
  }
  interface FastifyRequest {
    /** Of routes with `config.work`. */
    work?: RequestWork
    /** Options that the body asks for and that do nothing here, in words. */
    warnings: string[]
    /** Calls when the answer has left, or can no more. */
    onceClosed(action: () => void): void
  }
}

/** Text of a small answer beside its vectors: bytes a number. */
const TEXT_BYTES = 12
/** A score, its place and its text. */
const SCORE_BYTES = 100
const WINDOW_UNITS = 32_768
/** Of the memory for answers, what one stream may take at a time. */
const STREAM_SHARE = 16
/** Numbers of an answer that are text at a time. */
const TEXT_NUMBERS = 1 << 16

export interface RequestWorkOptions {
  outputs: Required<Outputs>
  normalize?: boolean | undefined
  truncate?: 'error' | 'end' | undefined
  dimensions?: number | undefined
  /** Of texts. */
  prompt?: Prompt | undefined
  /** Default: interactive for a few inputs, as queries are. */
  priority?: 'interactive' | 'bulk'
}

/** Requests of more inputs than that let others go first. */
const INTERACTIVE_INPUTS = 16

export class RequestWork {
  readonly #context: ServerContext
  readonly #abort = new AbortController()
  readonly #turns = new Set<Turn>()
  readonly #free: () => void
  #timer: NodeJS.Timeout | undefined
  #hasEnded = false
  texts = 0
  tokens = 0
  waitedMs = 0
  /** Code points of the texts, and milliseconds summed over them. */
  characters = 0
  readonly ms = { tokenize: 0, queue: 0, compute: 0 }
  readonly #began = performance.now()
  /** Which model answered instead of the loaded one, if it did. */
  fallback: string | undefined

  /** @throws HttpError 429, 503 */
  constructor(context: ServerContext) {
    this.#context = context
    void context.embedder
    this.#free = context.gate.admit()
    this.renewDeadline()
  }

  /** Aborts when the client hangs up, the deadline passes, or draining takes too long. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** The request's time starts anew: a line of a stream has been taken. */
  renewDeadline(): void {
    clearTimeout(this.#timer)
    if (this.#hasEnded) return
    const { requestTimeout } = this.#context.config
    this.#timer = setTimeout(() => {
      this.#abort.abort(
        new TimeoutError(`The request took longer than the server allows (${requestTimeout} ms).`),
      )
    }, requestTimeout)
    this.#timer.unref()
  }

  cancel(reason: unknown): void {
    this.#abort.abort(reason)
  }

  /** The response is closed: whatever the request held is given back. */
  end(hasAnswered: boolean): void {
    this.#hasEnded = true
    clearTimeout(this.#timer)
    if (!hasAnswered) this.#abort.abort(new ClientGoneError())
    for (const turn of this.#turns) turn.end()
    this.#turns.clear()
    this.#free()
  }

  /**
   * Embeds the inputs of a request. One that fails fails the request.
   *
   * @throws HttpError, EmbedderError, or the signal's reason
   */
  async embed(inputs: Inputs, options: RequestWorkOptions): Promise<Embedding[]> {
    const results = await this.settle(inputs, options)
    for (const result of results) if (result instanceof EmbedderError) throw result
    return results as Embedding[]
  }

  /** Embeds some inputs: an embedding or an error of each. */
  async settle(inputs: Inputs, asked: RequestWorkOptions): Promise<Settled<Embedding>[]> {
    const { truncate, normalize, dimensions } = this.#context.defaults
    const options = {
      ...asked,
      truncate: asked.truncate ?? truncate ?? 'error',
      normalize: asked.normalize ?? normalize ?? true,
      dimensions: asked.dimensions ?? dimensions,
    }
    const turn = await this.#turn(await this.#bytes(inputs, options))
    try {
      const results = await embedInputs(
        this.#context.embedder,
        inputs,
        this.#embedOptions(inputs, options),
      )
      this.#record(results, options)
      this.characters += inputCharacters(inputs)
      return results
    } finally {
      turn.leave()
    }
  }

  /**
   * The token states of the inputs of a request. One that fails fails the request.
   *
   * @throws HttpError, EmbedderError, or the signal's reason
   */
  async states(
    inputs: Inputs,
    asked: Pick<RequestWorkOptions, 'truncate' | 'prompt'>,
  ): Promise<TokenStates[]> {
    const numbers = (await inputTokens(this.#context, inputs)) * this.#context.info.dimensions
    const turn = await this.#turn(answerBytes(numbers))
    try {
      const { prompt } = asked
      const results = await statesOfInputs(this.#context.embedder, inputs, {
        priority: priorityOf(inputs),
        truncate: asked.truncate ?? this.#context.defaults.truncate ?? 'error',
        ...(prompt !== undefined && { prompt }),
        onError: 'collect',
        signal: this.signal,
      })
      this.#record(results, { normalize: false })
      this.characters += inputCharacters(inputs)
      for (const result of results) if (result instanceof EmbedderError) throw result
      return results as TokenStates[]
    } finally {
      turn.leave()
    }
  }

  /**
   * Lets a re-ranker score so many pairs.
   *
   * @param tokens of each pair
   * @throws HttpError, what `score` throws, or the signal's reason
   */
  async score<T>(
    tokens: readonly number[],
    score: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const turn = await this.#turn(SCORE_BYTES * tokens.length)
    try {
      const result = await score(this.signal)
      this.texts += tokens.length
      for (const count of tokens) this.tokens += count
      return result
    } finally {
      turn.leave()
    }
  }

  /**
   * UTF-16 units (a token has about four) of the texts of a stream that are embedded at a time: so
   * many that no stream takes more than a small part of the memory for answers.
   */
  windowUnits({ outputs }: RequestWorkOptions): number {
    if (!outputs.colbert) return WINDOW_UNITS
    const bytes = this.#context.config.requestMemory / STREAM_SHARE
    return Math.min(WINDOW_UNITS, bytes / (4 * this.#context.info.colbertDimensions))
  }

  /** TEI's headers: milliseconds in all, and of tokenizing, waiting and computing a text in the mean. */
  teiHeaders(): Record<string, string> {
    const texts = Math.max(1, this.texts)
    const total = Math.round(performance.now() - this.#began)
    const mean = (ms: number) => String(Math.round(ms / texts))
    return {
      'x-compute-type': 'cpu',
      'x-compute-time': String(total),
      'x-compute-characters': String(this.characters),
      'x-compute-tokens': String(this.tokens),
      'x-total-time': String(total),
      'x-tokenization-time': mean(this.ms.tokenize),
      'x-queue-time': mean(this.ms.queue),
      'x-inference-time': mean(this.ms.compute),
    }
  }

  /** What was embedded so far has left: the bytes are free for others. */
  release(): void {
    for (const turn of this.#turns) turn.end()
    this.#turns.clear()
  }

  async #turn(bytes: number): Promise<Turn> {
    const turn = await this.#context.gate.turn(bytes, this.signal)
    this.#turns.add(turn)
    this.waitedMs += turn.waitedMs
    this.#context.metrics.waited(turn.waitedMs)
    return turn
  }

  #embedOptions(
    inputs: Inputs,
    options: RequestWorkOptions & Pick<EmbedOptions, 'truncate' | 'normalize'>,
  ): EmbedOptions & { onError: 'collect'; precision: 'float32' } {
    const { outputs, normalize, truncate, dimensions, prompt } = options
    return {
      outputs,
      priority: options.priority ?? priorityOf(inputs),
      normalize,
      precision: 'float32',
      onError: 'collect',
      signal: this.signal,
      truncate,
      ...(dimensions !== undefined && { dimensions }),
      ...(prompt !== undefined && { prompt }),
    }
  }

  /** Memory of the answer: its vectors, and as much of it as is text at a time. */
  async #bytes(inputs: Inputs, { outputs, dimensions }: RequestWorkOptions): Promise<number> {
    const { info } = this.#context
    const dense = outputs.dense ? inputCount(inputs) * (dimensions ?? info.dimensions) : 0
    const needsTokens = outputs.colbert || outputs.sparse
    const tokens = needsTokens ? await inputTokens(this.#context, inputs) : 0
    const colbert = outputs.colbert ? tokens * info.colbertDimensions : 0
    const numbers = dense + (outputs.sparse ? 2 * tokens : 0) + colbert
    return answerBytes(numbers)
  }

  #record(
    results: readonly Settled<Answered>[],
    options: Pick<RequestWorkOptions, 'normalize' | 'dimensions'>,
  ): void {
    const comparable = options.normalize !== false && options.dimensions === undefined
    for (const result of results) {
      if (result instanceof EmbedderError) continue
      this.texts++
      if (result.fallback !== undefined) this.fallback = String(result.fallback)
      this.tokens += result.tokenCount
      const { tokenizeMs, queueMs, computeMs } = result.timings
      this.ms.tokenize += tokenizeMs
      this.ms.queue += queueMs
      this.ms.compute += computeMs
      this.#context.metrics.answered(result, comparable)
    }
  }
}

function priorityOf(inputs: Inputs): 'interactive' | 'bulk' {
  return inputCount(inputs) <= INTERACTIVE_INPUTS ? 'interactive' : 'bulk'
}

/** So many numbers, and as many of them as are text at a time. */
function answerBytes(numbers: number): number {
  return 4 * numbers + TEXT_BYTES * Math.min(numbers, TEXT_NUMBERS)
}

/** The work of a route that has `config.work`. */
export function workOf(request: FastifyRequest): RequestWork {
  if (!request.work) throw new HttpError(500, 'internal', 'The route has no work.')
  return request.work
}

/** How long an answer that has begun may take to end once its time is over. */
const GRACE_MS = 1000

/**
 * Follows the response: it ends the work, whichever way it closes. When the work is over before an
 * answer that has begun has ended (nobody reads it, say), the connection is ended.
 */
export function followResponse(
  work: RequestWork,
  request: FastifyRequest,
  { raw }: FastifyReply,
): void {
  let timer: NodeJS.Timeout | undefined
  request.onceClosed(() => {
    clearTimeout(timer)
    work.end(raw.writableFinished)
  })
  work.signal.addEventListener(
    'abort',
    () => {
      timer = setTimeout(() => raw.destroy(), GRACE_MS)
      timer.unref()
    },
    { once: true },
  )
}
