/** What becomes of an error: its exit code, and the line that people and programs get. */

import { EmbedderError, type ErrorCode } from '../../../common/errors.js'
import { isError } from '../../../common/realms.js'

export const EXIT = {
  done: 0,
  /** Some items failed; the output says which. Also what has no code of its own. */
  failed: 1,
  usage: 2,
  model: 3,
  interrupted: 130,
} as const

/** A command line that cannot be right. */
export class UsageError extends Error {
  readonly code = 'USAGE'
}

/** Ctrl-C or SIGTERM. */
export class Interrupted extends Error {
  readonly code = 'INTERRUPTED'
  constructor() {
    super('interrupted')
  }
}

/** Whoever read our output left, as `head` does. */
export class OutputClosed extends Error {}

const EXIT_OF_CODE: Partial<Record<ErrorCode, number>> = {
  MODEL_NOT_FOUND: EXIT.model,
  MODEL_LOAD: EXIT.model,
  INTEGRITY: EXIT.model,
  DOWNLOAD: EXIT.model,
  UNSUPPORTED_CPU: EXIT.model,
  // Texts that are too much are errors of their items: this one is about loading.
  MEMORY_LIMIT: EXIT.model,
  // Bad texts, too: so this is about options.
  INVALID_INPUT: EXIT.usage,
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return EXIT.interrupted
  if (error instanceof OutputClosed) return EXIT.done
  if (error instanceof UsageError) return EXIT.usage
  if (error instanceof EmbedderError) return EXIT_OF_CODE[error.code] ?? EXIT.failed
  return EXIT.failed
}

/** The error as `--json` shows it. */
export function describeError(error: unknown): { code: string; message: string } {
  const isOurs =
    error instanceof EmbedderError || error instanceof UsageError || error instanceof Interrupted
  if (isOurs) {
    return { code: error.code, message: error.message }
  }
  const { code, syscall, message } = error as NodeJS.ErrnoException
  if (typeof code === 'string' && typeof syscall === 'string') return { code, message }
  const what = isError(error) ? `${error.name}: ${message}` : String(error)
  return { code: 'INTERNAL', message: `This is a bug: ${what} (BGE_M3_DEBUG=1 shows where)` }
}
