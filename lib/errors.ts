/**
 * Typed errors with stable codes. No message ever holds a text that was given to embed:
 * errors end up in logs.
 */

export type ErrorCode =
  | 'MODEL_NOT_FOUND'
  | 'MODEL_LOAD'
  | 'INTEGRITY'
  | 'DOWNLOAD'
  | 'INVALID_INPUT'
  | 'INPUT_TOO_LONG'
  | 'INFERENCE'
  | 'MEMORY_LIMIT'
  | 'TIMEOUT'
  | 'CACHE'
  | 'BATCH'
  | 'UNSUPPORTED_CPU'
  | 'DISPOSED'
  | 'QUEUE_FULL'

export interface ErrorDetails {
  /** Position of the item in the array that was passed in, when the error belongs to one item. */
  index?: number | undefined
  cause?: unknown
}

/** Base of every error this package throws, apart from an `AbortSignal`'s own reason. */
export class EmbedderError extends Error {
  readonly code: ErrorCode
  readonly index?: number

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = new.target.name
    this.code = code
    if (details.index !== undefined) this.index = details.index
  }
}

export class ModelNotFoundError extends EmbedderError {
  constructor(message: string, details?: ErrorDetails) {
    super('MODEL_NOT_FOUND', message, details)
  }
}

export class ModelLoadError extends EmbedderError {
  constructor(message: string, details?: ErrorDetails) {
    super('MODEL_LOAD', message, details)
  }
}

export class IntegrityError extends EmbedderError {
  constructor(message: string, details?: ErrorDetails) {
    super('INTEGRITY', message, details)
  }
}

export class DownloadError extends EmbedderError {
  constructor(message: string, details?: ErrorDetails) {
    super('DOWNLOAD', message, details)
  }
}

export class InvalidInputError extends EmbedderError {
  constructor(message: string, details?: ErrorDetails) {
    super('INVALID_INPUT', message, details)
  }
}

export class InputTooLongError extends EmbedderError {
  /** Tokens in the text, `<s>` and `</s>` included. */
  readonly tokenCount: number
  /** The most tokens a text may have. */
  readonly maxTokens: number

  constructor(message: string, details: ErrorDetails & { tokenCount: number; maxTokens: number }) {
    super('INPUT_TOO_LONG', message, details)
    this.tokenCount = details.tokenCount
    this.maxTokens = details.maxTokens
  }
}

export class InferenceError extends EmbedderError {
  constructor(message: string, details?: ErrorDetails) {
    super('INFERENCE', message, details)
  }
}

export class MemoryLimitError extends EmbedderError {
  constructor(message: string, details?: ErrorDetails) {
    super('MEMORY_LIMIT', message, details)
  }
}

export class TimeoutError extends EmbedderError {
  constructor(message: string, details?: ErrorDetails) {
    super('TIMEOUT', message, details)
  }
}

export class CacheError extends EmbedderError {
  constructor(message: string, details?: ErrorDetails) {
    super('CACHE', message, details)
  }
}

export class UnsupportedCpuError extends EmbedderError {
  constructor(message: string, details?: ErrorDetails) {
    super('UNSUPPORTED_CPU', message, details)
  }
}

export class DisposedError extends EmbedderError {
  constructor(message = 'The embedder was disposed.', details?: ErrorDetails) {
    super('DISPOSED', message, details)
  }
}

export class QueueFullError extends EmbedderError {
  constructor(message: string, details?: ErrorDetails) {
    super('QUEUE_FULL', message, details)
  }
}

/** One item of an array that failed. */
export interface ItemFailure {
  index: number
  error: EmbedderError
}

/** Some items of an array failed: `failures` says which, `results` keeps what finished. */
export class BatchError<T = unknown> extends EmbedderError {
  readonly failures: readonly ItemFailure[]
  /** In input order; `undefined` where the item failed. */
  readonly results: readonly (T | undefined)[]

  constructor(failures: readonly ItemFailure[], results: readonly (T | undefined)[]) {
    const first = failures[0]
    const what = first ? ` The first, at index ${first.index}: ${first.error.message}` : ''
    super('BATCH', `${failures.length} of ${results.length} texts failed.${what}`, {
      cause: first?.error,
    })
    this.failures = failures
    this.results = results
  }
}
