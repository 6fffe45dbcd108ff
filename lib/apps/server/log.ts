/** Structured logs, one JSON line each, that hold nothing a client sent. */

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Logger as Pino } from 'pino'
import { EmbedderError } from '../../common/errors.js'
import { isError } from '../../common/realms.js'
import type { Logger } from '../../common/types.js'
import type { HttpError } from './core/errors.js'
import { loggedId } from './request-id.js'

export type PinoLogger = Pino

/** The embedder's log, in the server's. */
export function embedderLogger(log: Pino): Logger {
  return {
    debug: (message) => log.debug(message.trimEnd()),
    info: (message) => log.info(message.trimEnd()),
    warn: (message) => log.warn(message.trimEnd()),
    error: (message) => log.error(message.trimEnd()),
  }
}

/** One line a request: which route, how it ended, how long it took, and how much work it was. */
export function logRequest(
  log: Pino,
  request: FastifyRequest,
  {
    route,
    method,
    status,
    milliseconds,
  }: { route: string; method: string; status: number; milliseconds: number },
): void {
  const { work } = request
  const line = {
    requestId: loggedId(request.id),
    method,
    route,
    status,
    ms: Math.round(milliseconds * 10) / 10,
    ...(work && { texts: work.texts, tokens: work.tokens, waitedMs: Math.round(work.waitedMs) }),
  }
  if (status >= 500 && status !== 503) log.error(line, 'request')
  else log.info(line, 'request')
}

/** What went wrong inside, for 5xx; ours say what, and of others only kind and place are told. */
export function logFailure(
  log: Pino,
  request: FastifyRequest,
  reply: FastifyReply,
  error: HttpError,
): void {
  if (error.status < 500 || error.status === 503) return
  const { cause } = error
  const kind = isError(cause) ? cause.name : error.name
  const isOurs = cause instanceof EmbedderError
  log.error(
    {
      requestId: loggedId(request.id),
      route: request.routeOptions.url ?? 'unknown',
      status: reply.statusCode,
      code: error.code,
      kind,
      ...(isOurs && { detail: cause.message }),
      ...(!isOurs && isError(cause) && { at: placesOf(cause) }),
    },
    'failure',
  )
}

/** The stack without the message: a foreign error may quote what it was given. */
function placesOf({ stack = '' }: Error): string[] {
  return stack
    .split('\n')
    .filter((line) => /^ {4}at /.test(line))
    .slice(0, 8)
    .map((line) => line.trim())
}
