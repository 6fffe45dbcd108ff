/**
 * Bodies on their way in: each of a bounded size, all of them of a bounded size together, and none that
 * stands still. Bytes count as they arrive, so a client that only announces a body takes nothing.
 */

import type { IncomingMessage } from 'node:http'
import { clearTimeout, performance, setTimeout } from '../../../common/timers.js'
import { HttpError } from './errors.js'

interface BodyLimits {
  /** Bytes of one body. */
  each: number
  /** Bytes of all bodies, from their arrival to the end of their requests. */
  all: number
}

/** So many bytes have to come in so much time, or the end. */
const PROGRESS_BYTES = 4096
const PROGRESS_MS = 30_000
/** A body that has not moved for so long gives way when another one needs its memory. */
const GIVES_WAY_MS = 2000

export interface Body {
  /** Bytes. */
  readonly length: number
  /** What came, in one piece; it is copied for that. */
  join(): Buffer
  /** Nobody holds the bytes or what was made of them any more. Idempotent. */
  free(): void
}

interface Arriving {
  movedAt: number
  fail(error: HttpError): void
}

export class Bodies {
  readonly #limits: BodyLimits
  #bytes = 0
  /** The one that moved last is last. */
  readonly #arriving = new Set<Arriving>()

  constructor(limits: BodyLimits) {
    this.#limits = limits
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes
  }

  /** @throws HttpError 413 for a body that says by itself that it is too large */
  refuseAnnounced({ headers }: IncomingMessage): void {
    const { each } = this.#limits
    if (Number(headers['content-length'] ?? 0) > each) throw tooLarge(each)
  }

  /**
   * Reads a request's body to its end.
   *
   * @throws HttpError 413 when it is too large, 408 when it does not come, 429 when there is no memory for
   * it; the rest of the body is still to come then
   */
  read(request: IncomingMessage): Promise<Body> {
    const { each } = this.#limits
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      let bytes = 0
      let moved = 0
      const free = () => {
        this.#bytes -= bytes
        bytes = 0
      }
      const stop = () => {
        clearTimeout(timer)
        this.#arriving.delete(arriving)
        request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
      }
      const fail = (error: HttpError) => {
        stop()
        free()
        reject(error)
      }
      const arriving: Arriving = { movedAt: performance.now(), fail }
      const onStill = () => fail(new HttpError(408, 'body_too_slow', 'The body did not come.'))
      let timer = setTimeout(onStill, PROGRESS_MS)
      const onData = (chunk: Buffer) => {
        if (bytes + chunk.length > each) return fail(tooLarge(each))
        if (!this.#makeRoom(chunk.length, arriving)) return fail(noMemory())
        this.#bytes += chunk.length
        bytes += chunk.length
        chunks.push(chunk)
        arriving.movedAt = performance.now()
        this.#arriving.delete(arriving)
        this.#arriving.add(arriving)
        moved += chunk.length
        if (moved < PROGRESS_BYTES) return
        moved = 0
        clearTimeout(timer)
        timer = setTimeout(onStill, PROGRESS_MS)
      }
      const onEnd = () => {
        stop()
        const length = bytes
        resolve({ length, join: () => Buffer.concat(chunks.splice(0), length), free })
      }
      const onClose = () => fail(new HttpError(400, 'bad_request', 'The body broke off.'))
      this.#arriving.add(arriving)
      request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
    })
  }

  /** Whether `bytes` more may come in, if need be in the place of bodies that stand still. */
  #makeRoom(bytes: number, asking: Arriving): boolean {
    const { all } = this.#limits
    // a body alone may always come in, however small the memory
    const fits = () =>
      this.#bytes + bytes <= all || (this.#arriving.size === 1 && this.#bytes === 0)
    for (const other of this.#arriving) {
      if (fits()) return true
      if (other === asking) continue
      if (performance.now() - other.movedAt < GIVES_WAY_MS) break
      other.fail(noMemory())
    }
    return fits()
  }
}

function tooLarge(limit: number): HttpError {
  return new HttpError(
    413,
    'body_too_large',
    `The body is larger than this server allows (${limit} bytes; its option is bodyLimit).`,
  )
}

function noMemory(): HttpError {
  return new HttpError(
    429,
    'overloaded',
    'The server holds as many bodies as it may. Try again later.',
    { retryAfter: 1 },
  )
}
