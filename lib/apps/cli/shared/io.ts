/** What a command may touch of the outside; a parameter, so that commands run inside a test. */

import type { Readable, Writable } from 'node:stream'
import type { Environment } from '../../../options/table.js'

export interface TerminalWritable extends Writable {
  isTTY?: boolean
  columns?: number
}

export interface CliIo {
  readonly stdin: Readable & { isTTY?: boolean }
  /** Data, and nothing else. */
  readonly stdout: TerminalWritable
  /** Messages, notes and progress bars. */
  readonly stderr: TerminalWritable
  readonly env: Environment
  /** False where arguments came in other bytes: what stands for them is no text of the user's. */
  readonly argumentsAreUtf8?: boolean
  /** Aborts on Ctrl-C; its reason is an `Interrupted`. */
  readonly signal: AbortSignal
  /** Tells how long, in milliseconds, the command may take to end once `signal` has aborted. */
  onInterrupt?(patience: number): void
}

/** A line for people, on stderr. */
export function say(io: CliIo, line: string): void {
  io.stderr.write(`bge-m3: ${line}\n`)
}
