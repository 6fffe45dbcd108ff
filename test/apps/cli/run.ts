/** Runs a command inside the test, with streams of its own. */

import { PassThrough, Readable } from 'node:stream'
import { runCli } from '../../../lib/apps/cli/run.js'
import { Interrupted } from '../../../lib/apps/cli/shared/errors.js'
import type { TerminalWritable } from '../../../lib/apps/cli/shared/io.js'

export interface CliResult {
  code: number
  stdout: string
  stderr: string
}

export interface CliOptions {
  /** Without it, stdin is a terminal. */
  stdin?: string | Buffer | Readable
  env?: Record<string, string | undefined>
  /** stdout and stderr are terminals. */
  tty?: { stdout?: boolean; stderr?: boolean }
  /** Aborting it is Ctrl-C. */
  signal?: AbortSignal
  /** Called with everything that stdout has so far. */
  onStdout?: (stdout: string) => void
}

class Collector extends PassThrough implements TerminalWritable {
  isTTY = false
  columns = 100
  text = ''
  constructor(onText?: (text: string) => void) {
    super({ encoding: 'utf8' })
    this.on('data', (chunk: string) => {
      this.text += chunk
      onText?.(this.text)
    })
  }
}

export async function cli(argv: string[], options: CliOptions = {}): Promise<CliResult> {
  const { stdin, env = {}, tty = {}, onStdout } = options
  const stdout = new Collector(onStdout)
  const stderr = new Collector()
  stdout.isTTY = tty.stdout ?? false
  stderr.isTTY = tty.stderr ?? false
  const input = stdin instanceof Readable ? stdin : Readable.from(stdin ? [Buffer.from(stdin)] : [])
  const terminal = Object.assign(input, { isTTY: stdin === undefined })
  const signal = options.signal ?? new AbortController().signal
  const code = await runCli(argv, { stdin: terminal, stdout, stderr, env, signal })
  // what was written last is still on its way through the stream
  await new Promise((resolve) => setImmediate(resolve))
  return { code, stdout: stdout.text, stderr: stderr.text }
}

/** An abort signal and Ctrl-C for it. */
export function interruptible(): { signal: AbortSignal; interrupt: () => void } {
  const controller = new AbortController()
  return { signal: controller.signal, interrupt: () => controller.abort(new Interrupted()) }
}

/** The lines of JSON Lines. */
// biome-ignore lint/suspicious/noExplicitAny: tests read members of many shapes
export function jsonLines(text: string): any[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}
