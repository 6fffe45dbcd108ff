/**
 * Who may come in, and whose turn it is: a bounded house with a bounded number of seats at the table.
 *
 * A request takes a place once its body is there; when all places are taken it is refused. With its
 * place it waits for a turn at the embedder, first come, first served. A turn needs a free slot and
 * room for the answer's bytes; the slot is free again when the embedder is done, the bytes when the
 * answer has left.
 */

import { Admission, type Room } from '../../../common/admission.js'
import { performance } from '../../../common/timers.js'
import { HttpError } from './errors.js'

interface GateOptions {
  /** Requests with the embedder at a time. */
  concurrency: number
  /** Requests that may wait beside those. */
  queue: number
  /** Bytes of answers in memory at a time. */
  bytes: number
}

export interface Turn {
  /** Milliseconds it was waited for. */
  readonly waitedMs: number
  /** The embedder is done with it. Idempotent. */
  leave(): void
  /** The answer has left. Idempotent; implies `leave`. */
  end(): void
}

export class Gate implements Room<number> {
  readonly #options: GateOptions
  #places = 0
  #running = 0
  #bytes = 0
  readonly #admission = new Admission<number>(this)
  /** Mean milliseconds from a turn's begin to its end, of late. */
  #meanMs = 0

  constructor(options: GateOptions) {
    this.#options = options
  }

  get readings(): {
    places: number
    running: number
    waiting: number
    concurrency: number
    capacity: number
    answerBytes: number
  } {
    const { concurrency, queue } = this.#options
    return {
      places: this.#places,
      running: this.#running,
      waiting: Math.max(0, this.#places - this.#running),
      concurrency,
      capacity: queue,
      answerBytes: this.#bytes,
    }
  }

  /** Seconds after which trying again makes sense: 1 to 60. */
  get retryAfter(): number {
    const { concurrency } = this.#options
    const seconds = (this.#meanMs / 1000) * (1 + this.#admission.waiting / concurrency)
    return Math.min(60, Math.max(1, Math.ceil(seconds)))
  }

  /** @throws HttpError 429 when all places are taken */
  refuseIfFull(): void {
    const { concurrency, queue } = this.#options
    if (this.#places < concurrency + queue) return
    throw new HttpError(
      429,
      'overloaded',
      'The server has as many requests as it may. Try again later.',
      { retryAfter: this.retryAfter },
    )
  }

  /**
   * Takes a place; the result gives it back. Idempotent.
   *
   * @throws HttpError 429 when all are taken
   */
  admit(): () => void {
    this.refuseIfFull()
    this.#places++
    return once(() => {
      this.#places--
    })
  }

  /**
   * Waits for a turn.
   *
   * @param bytes what the answer will take in memory
   * @throws HttpError 413 when no answer may be so large; the signal's reason when it aborts first
   */
  async turn(bytes: number, signal: AbortSignal): Promise<Turn> {
    if (bytes > this.#options.bytes) {
      throw new HttpError(
        413,
        'answer_too_large',
        `The answer would take about ${bytes} bytes, and ${this.#options.bytes} is the limit. ` +
          'Send fewer or shorter texts a request, ask for fewer outputs, or accept application/x-ndjson.',
      )
    }
    const since = performance.now()
    await this.#admission.enter(bytes, signal)
    const began = performance.now()
    const leave = once(() => {
      this.#running--
      this.#meanMs += (performance.now() - began - this.#meanMs) / 8
      this.#admission.letIn()
    })
    const end = once(() => {
      leave()
      this.#bytes -= bytes
      this.#admission.letIn()
    })
    return { waitedMs: began - since, leave, end }
  }

  /** Whether a turn with an answer of so many bytes can begin. */
  hasRoom(bytes: number): boolean {
    const { concurrency } = this.#options
    return this.#running < concurrency && this.#bytes + bytes <= this.#options.bytes
  }

  /** For `Admission`. */
  take(bytes: number): void {
    this.#running++
    this.#bytes += bytes
  }
}

function once(action: () => void): () => void {
  let done = false
  return () => {
    if (done) return
    done = true
    action()
  }
}
