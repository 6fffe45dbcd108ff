/** Native errors carry a code; this gives them the class of that code. */
import {
  DisposedError,
  EmbedderError,
  InferenceError,
  IntegrityError,
  InvalidInputError,
  MemoryLimitError,
  ModelLoadError,
  ModelNotFoundError,
  UnsupportedCpuError,
} from '../common/errors.js'

const CLASSES = {
  MODEL_NOT_FOUND: ModelNotFoundError,
  MODEL_LOAD: ModelLoadError,
  INTEGRITY: IntegrityError,
  INVALID_INPUT: InvalidInputError,
  MEMORY_LIMIT: MemoryLimitError,
  UNSUPPORTED_CPU: UnsupportedCpuError,
  DISPOSED: DisposedError,
  INFERENCE: InferenceError,
}

/** The native side's code for work that was cancelled; it never reaches a user. */
const CANCELLED = 'CANCELLED'

export function isCancelled(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === CANCELLED
}

/** An `EmbedderError` for anything the native side threw. */
export function fromNative(error: unknown): EmbedderError {
  if (error instanceof EmbedderError) return error
  const { code, message } = error as { code?: string; message?: string }
  const Class = CLASSES[code as keyof typeof CLASSES] ?? InferenceError
  return new Class(message ?? String(error), { cause: error })
}
