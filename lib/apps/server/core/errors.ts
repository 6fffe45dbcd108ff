/** What goes wrong, as HTTP status and body. No message holds anything that a client sent. */

import type { FastifyError } from 'fastify'
import {
  BatchError,
  EmbedderError,
  type ErrorCode,
  InputTooLongError,
} from '../../../common/errors.js'

/** Whose error body a route answers with. */
export type ErrorStyle = 'openai' | 'tei' | 'ollama'

interface HttpErrorDetails {
  /** The member of the body that is wrong. */
  param?: string | undefined
  /** Seconds. */
  retryAfter?: number | undefined
  cause?: unknown
}

/** An error with its status and a code that programs can rely on. */
export class HttpError extends Error {
  readonly status: number
  readonly code: string
  readonly param: string | undefined
  readonly retryAfter: number | undefined

  constructor(status: number, code: string, message: string, details: HttpErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'HttpError'
    this.status = status
    this.code = code
    this.param = details.param
    this.retryAfter = details.retryAfter
  }
}

/** The client hung up: there is nobody to answer. The status is only for logs and metrics. */
export class ClientGoneError extends HttpError {
  constructor() {
    super(499, 'client_gone', 'The client closed the connection.')
  }
}

const STATUS_OF_CODE: Record<ErrorCode, number> = {
  INVALID_INPUT: 400,
  INPUT_TOO_LONG: 400,
  QUEUE_FULL: 429,
  TIMEOUT: 504,
  DISPOSED: 503,
  MEMORY_LIMIT: 503,
  MODEL_NOT_FOUND: 503,
  MODEL_LOAD: 503,
  INTEGRITY: 503,
  DOWNLOAD: 503,
  UNSUPPORTED_CPU: 503,
  INFERENCE: 500,
  CACHE: 500,
  STORE: 500,
  WORKER: 503,
  QUEUE: 500,
  BATCH: 500,
}

/** Any error as one that has a status. */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error
  if (error instanceof BatchError && error.failures[0]) return toHttpError(error.failures[0].error)
  if (error instanceof EmbedderError) return fromEmbedder(error)
  const { validation, statusCode, code } = error as Partial<FastifyError>
  // of alternatives that all failed the last one tells of them together
  const violation = validation?.find(({ keyword }) => keyword === 'anyOf') ?? validation?.[0]
  if (violation) return fromValidation(violation)
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new HttpError(statusCode, ...fromFastify(code ?? ''))
  }
  return new HttpError(500, 'internal', 'The server made a mistake; its log says more.', {
    cause: error,
  })
}

function fromEmbedder(error: EmbedderError): HttpError {
  const status = STATUS_OF_CODE[error.code]
  const code =
    error.code === 'INPUT_TOO_LONG' ? 'context_length_exceeded' : error.code.toLowerCase()
  const message =
    error instanceof InputTooLongError
      ? `${inWireWords(error.message)} This model's maximum context length is ${error.maxTokens} tokens.`
      : inWireWords(error.message)
  return new HttpError(status, code, message, {
    retryAfter: status === 503 || status === 429 ? 5 : undefined,
    cause: error,
  })
}

/** The library's words for options are no words of a body. */
function inWireWords(message: string): string {
  return message
    .replace(/[Tt]he option `(\w+)`/g, "'$1'")
    .replace(", or pass truncate: 'end'", TRUNCATE_HINT)
    .replace("Pass truncate: 'document' or 'longest'", 'Send "truncate": true')
}

/** Only for endpoints that take it. */
export const TRUNCATE_HINT = ', or send "truncate": true'

interface Violation {
  keyword?: string
  instancePath?: string
  params?: Record<string, unknown>
  message?: string | undefined
  parentSchema?: { description?: string }
}

/** The schema's own words; never the value, and never a name that the client made up. */
function fromValidation(violation: Violation): HttpError {
  const { keyword, instancePath = '', params = {}, parentSchema } = violation
  const path = instancePath.split('/').slice(1)
  const missing = keyword === 'required' ? String(params.missingProperty) : undefined
  const param = path[0] ?? missing
  const where = [...path, ...(missing ? [missing] : [])]
    .map((part, i) => (/^\d+$/.test(part) ? `[${part}]` : i === 0 ? part : `.${part}`))
    .join('')
  if (missing) return invalid(`'${where}' is required.`, 'missing_field', param)
  if (keyword === 'additionalProperties') {
    return invalid('The body has a field that this endpoint does not know.', 'unknown_field', param)
  }
  const must = parentSchema?.description && (keyword === 'anyOf' || keyword === 'type')
  const words = must ? `must be: ${parentSchema.description}` : `${violation.message ?? 'is wrong'}`
  return invalid(
    `${where === '' ? 'The body' : `'${where}'`} ${words.replace(/\.?$/, '.')}`,
    'invalid_value',
    param,
  )
}

function invalid(message: string, code: string, param: string | undefined): HttpError {
  return new HttpError(400, code, message, { param })
}

function fromFastify(code: string): [code: string, message: string] {
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return ['body_too_large', 'The body is larger than this server allows.']
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return ['unsupported_media_type', 'The body must be application/json.']
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return ['empty_body', 'The body is empty; it must be JSON.']
    default:
      return ['bad_request', 'The body is not valid JSON, or the request is malformed.']
  }
}

/**
 * The error of a query or of one of the texts that were embedded after it, by the names that they have
 * for the client: 'The passage at index 2'.
 *
 * @param name what one of the texts is called
 * @param param the member of the body they are in
 */
export function ofQueryOr(name: string, param: string, error: unknown): unknown {
  if (!(error instanceof EmbedderError) || error.index === undefined) return error
  const { status, code, retryAfter } = toHttpError(error)
  const at = error.index - 1
  const who = at < 0 ? 'The query' : `The ${name} at index ${at}`
  const message = inWireWords(error.message).replace(/^The text( at index \d+)?/, who)
  const where = at < 0 ? 'query' : `${param}[${at}]`
  return new HttpError(status, code, message, { param: where, retryAfter, cause: error })
}

/**
 * The error of a query or of one of the documents beside it, as a re-ranker says it.
 *
 * @param param the member of the body that the documents are in
 */
export function ofPair(param: string, error: unknown): unknown {
  const [first] = error instanceof BatchError ? error.failures : []
  const cause = first?.error ?? error
  if (!(cause instanceof EmbedderError)) return error
  const { status, code, message, retryAfter } = toHttpError(cause)
  if (status !== 400) return cause
  const where = first ? `${param}[${first.index}]` : 'query'
  return new HttpError(status, code, message, { param: where, retryAfter, cause })
}

/**
 * OpenAI's body, which is ours, too.
 *
 * @param param the member that holds the texts, for errors that name none
 */
export function openaiBody(error: HttpError, param?: string): object {
  return {
    error: {
      message: error.message,
      type: openaiType(error.status),
      param: error.param ?? (error.status === 400 ? (param ?? null) : null),
      code: error.code,
    },
  }
}

function openaiType(status: number): string {
  if (status === 401) return 'authentication_error'
  if (status === 429) return 'rate_limit_error'
  return status < 500 ? 'invalid_request_error' : 'server_error'
}

/** Ollama's body. */
export function ollamaBody(error: HttpError): object {
  return { error: error.message }
}

/** TEI's body: `error_type` is one of its six words. */
export function teiBody(error: HttpError): object {
  return { error: error.message, error_type: teiType(error) }
}

function teiType({ status, code }: HttpError): string {
  if (status === 429) return 'Overloaded'
  if (status === 503) return 'Unhealthy'
  if (status >= 500) return 'Backend'
  if (code === 'empty') return 'Empty'
  return 'Validation'
}

/** TEI answers what does not validate with 413 or 422, an empty batch with 400, a failed model with 424. */
export function teiStatus({ status, code }: HttpError): number {
  if (status === 500) return 424
  if (status !== 400 || code === 'empty' || code === 'bad_request' || code === 'empty_body')
    return status
  return code === 'context_length_exceeded' || code === 'too_many_items' ? 413 : 422
}
