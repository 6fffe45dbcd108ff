/** Errors among results: finding them, naming their text, telling whose they are. */
import { EmbedderError, type ErrorCode, type ItemFailure } from './errors.js'

export function withoutErrors<T>(result: T | EmbedderError): T | undefined {
  return result instanceof EmbedderError ? undefined : result
}

export function failuresOf(results: readonly unknown[]): ItemFailure[] {
  const failures: ItemFailure[] = []
  results.forEach((result, index) => {
    if (result instanceof EmbedderError) failures.push({ index, error: result })
  })
  return failures
}

/** The same error, saying which text it belongs to. */
export function withIndex(error: EmbedderError, index: number | undefined): EmbedderError {
  if (index === undefined || error.index !== undefined) return error
  const Class = error.constructor as new (message: string, details: object) => EmbedderError
  return new Class(`The text at index ${index}: ${error.message}`, { index, cause: error.cause })
}

/** Failures of the model; what is wrong with a text or an option is wrong for every model. */
const OF_THE_MODEL: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'MODEL_NOT_FOUND',
  'MODEL_LOAD',
  'INTEGRITY',
  'INFERENCE',
  'MEMORY_LIMIT',
])

/** Whether another model may do better. */
export function isModelFailure(error: unknown): error is EmbedderError {
  return error instanceof EmbedderError && OF_THE_MODEL.has(error.code)
}
