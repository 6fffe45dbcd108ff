/**
 * Typed errors with stable codes. No message ever holds a text that was given to embed:
 * errors end up in logs.
 */

/**
 * Codes of this package's errors. They do not change; docs/troubleshooting.md says what to do about each.
 *
 * @group Errors
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
  | 'STORE'
  | 'QUEUE'
  | 'WORKER'

/**
 * What an error may carry beside its message.
 *
 * @group Errors
 */
export interface ErrorDetails {
  /** Position of the item in the array that was passed in, when the error belongs to one item. */
  index?: number | undefined
  /** The error behind it. */
  cause?: unknown
}

/**
 * Base of every error this package throws, apart from an `AbortSignal`'s own reason.
 *
 * @group Errors
 */
export class EmbedderError extends Error {
  /** Does not change between versions. */
  readonly code: ErrorCode
  /** Position of the item in the array that was passed in, when the error belongs to one item. */
  readonly index?: number

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = new.target.name
    this.code = code
    if (details.index !== undefined) this.index = details.index
  }
}

/** Whatever copy of `EmbedderError` has it on its prototype is one of ours. */
const OURS = Symbol.for('bge-m3-node.EmbedderError')

/**
 * `instanceof` by code, not by class: the ES module, the CommonJS one and another version in the same program have
 * classes of their own. A class that somebody derives from ours is asked for as always.
 */
function isInstance(this: { code?: unknown }, value: unknown): boolean {
  if (Function.prototype[Symbol.hasInstance].call(this, value)) return true
  const { [OURS]: isOurs, code } = Object(value) as { [OURS]?: true; code?: unknown }
  if (!isOurs) return false
  return this === EmbedderError || (Object.hasOwn(this, 'code') && this.code === code)
}
Object.defineProperty(EmbedderError.prototype, OURS, { value: true })
Object.defineProperty(EmbedderError, Symbol.hasInstance, { value: isInstance })

/**
 * No model, or no heads, at the path that was named, or none was named and none has been pulled.
 *
 * @group Errors
 */
export class ModelNotFoundError extends EmbedderError {
  /** What the code of every such error is. */
  static readonly code = 'MODEL_NOT_FOUND'

  constructor(message: string, details?: ErrorDetails) {
    super('MODEL_NOT_FOUND', message, details)
  }
}

/**
 * A model file that cannot be used, or an addon that cannot be loaded; the message says why.
 *
 * @group Errors
 */
export class ModelLoadError extends EmbedderError {
  /** What the code of every such error is. */
  static readonly code = 'MODEL_LOAD'

  constructor(message: string, details?: ErrorDetails) {
    super('MODEL_LOAD', message, details)
  }
}

/**
 * A file's bytes are not what its checksum says.
 *
 * @group Errors
 */
export class IntegrityError extends EmbedderError {
  /** What the code of every such error is. */
  static readonly code = 'INTEGRITY'

  constructor(message: string, details?: ErrorDetails) {
    super('INTEGRITY', message, details)
  }
}

/**
 * A download did not work: network, token, mirror or space on the disk.
 *
 * @group Errors
 */
export class DownloadError extends EmbedderError {
  /** What the code of every such error is. */
  static readonly code = 'DOWNLOAD'

  constructor(message: string, details?: ErrorDetails) {
    super('DOWNLOAD', message, details)
  }
}

/**
 * An argument, option or text that cannot be used: a mistake of the caller, found before any work.
 *
 * @group Errors
 */
export class InvalidInputError extends EmbedderError {
  /** What the code of every such error is. */
  static readonly code = 'INVALID_INPUT'

  constructor(message: string, details?: ErrorDetails) {
    super('INVALID_INPUT', message, details)
  }
}

/**
 * A text has more tokens than the limit, and `truncate` is `error`.
 *
 * @group Errors
 */
export class InputTooLongError extends EmbedderError {
  /** What the code of every such error is. */
  static readonly code = 'INPUT_TOO_LONG'

  /**
   * Tokens in the text, `<s>` and `</s>` included; more than 32 times `maxTokens` are not counted to the end,
   * and the text has more than so many then.
   */
  readonly tokenCount: number
  /** The most tokens a text may have. */
  readonly maxTokens: number

  constructor(message: string, details: ErrorDetails & { tokenCount: number; maxTokens: number }) {
    super('INPUT_TOO_LONG', message, details)
    this.tokenCount = details.tokenCount
    this.maxTokens = details.maxTokens
  }
}

/**
 * The engine failed on a text, or gave numbers that are not finite.
 *
 * @group Errors
 */
export class InferenceError extends EmbedderError {
  /** What the code of every such error is. */
  static readonly code = 'INFERENCE'

  constructor(message: string, details?: ErrorDetails) {
    super('INFERENCE', message, details)
  }
}

/**
 * The work cannot fit the memory limit, or the system refused memory.
 *
 * @group Errors
 */
export class MemoryLimitError extends EmbedderError {
  /** What the code of every such error is. */
  static readonly code = 'MEMORY_LIMIT'

  constructor(message: string, details?: ErrorDetails) {
    super('MEMORY_LIMIT', message, details)
  }
}

/**
 * The call took longer than its `timeout`.
 *
 * @group Errors
 */
export class TimeoutError extends EmbedderError {
  /** What the code of every such error is. */
  static readonly code = 'TIMEOUT'

  constructor(message: string, details?: ErrorDetails) {
    super('TIMEOUT', message, details)
  }
}

/**
 * A cache could not be exported or imported. Embedding never fails for a cache.
 *
 * @group Errors
 */
export class CacheError extends EmbedderError {
  /** What the code of every such error is. */
  static readonly code = 'CACHE'

  constructor(message: string, details?: ErrorDetails) {
    super('CACHE', message, details)
  }
}

/**
 * The x86-64 processor lacks instructions that the addon needs (x86-64-v3: AVX2, FMA, F16C, BMI2).
 *
 * @group Errors
 */
export class UnsupportedCpuError extends EmbedderError {
  /** What the code of every such error is. */
  static readonly code = 'UNSUPPORTED_CPU'

  constructor(message: string, details?: ErrorDetails) {
    super('UNSUPPORTED_CPU', message, details)
  }
}

/**
 * The embedder was disposed of before the call, or while it was under way.
 *
 * @group Errors
 */
export class DisposedError extends EmbedderError {
  /** What the code of every such error is. */
  static readonly code = 'DISPOSED'

  constructor(message = 'The embedder was disposed.', details?: ErrorDetails) {
    super('DISPOSED', message, details)
  }
}

/**
 * More texts would wait than `maxPending` allows.
 *
 * @group Errors
 */
export class QueueFullError extends EmbedderError {
  /** What the code of every such error is. */
  static readonly code = 'QUEUE_FULL'

  constructor(message: string, details?: ErrorDetails) {
    super('QUEUE_FULL', message, details)
  }
}

/**
 * A store would not take embeddings, or could not be reached.
 *
 * @group Errors
 */
export class StoreError extends EmbedderError {
  /** What the code of every such error is. */
  static readonly code = 'STORE'

  /** The same may work later: a server that restarts, a deadlock. */
  readonly transient: boolean
  /** It is one of the chunks that it will not take, by its id or its text; others may be fine. */
  readonly refused: boolean
  /** PostgreSQL's code of what went wrong, such as `23514`, where it gave one. */
  readonly sqlState?: string

  constructor(
    message: string,
    details: ErrorDetails & { transient?: boolean; refused?: boolean; sqlState?: string } = {},
  ) {
    super('STORE', message, details)
    this.transient = details.transient ?? false
    this.refused = details.refused ?? false
    if (details.sqlState !== undefined) this.sqlState = details.sqlState
  }
}

/**
 * The distributed queue cannot be reached, or refuses.
 *
 * @group Errors
 */
export class QueueError extends EmbedderError {
  /** What the code of every such error is. */
  static readonly code = 'QUEUE'

  constructor(message: string, details?: ErrorDetails) {
    super('QUEUE', message, details)
  }
}

/**
 * The thread or process that an embedder runs in ended, or cannot be reached.
 *
 * @group Errors
 */
export class WorkerError extends EmbedderError {
  /** What the code of every such error is. */
  static readonly code = 'WORKER'

  constructor(message: string, details?: ErrorDetails) {
    super('WORKER', message, details)
  }
}

/**
 * One item of an array that failed.
 *
 * @group Errors
 */
export interface ItemFailure {
  /** Position in the array that was passed in. */
  index: number
  /** Why it failed. */
  error: EmbedderError
}

/**
 * Some items of an array failed: `failures` says which, `results` keeps what finished.
 *
 * @group Errors
 */
export class BatchError<T = unknown> extends EmbedderError {
  /** What the code of every such error is. */
  static readonly code = 'BATCH'

  /** Those that failed, and why. */
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
