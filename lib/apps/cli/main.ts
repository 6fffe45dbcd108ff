#!/usr/bin/env node
/** The `bge-m3` command: `runCli` with the process's own streams and signals. */

import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { setTimeout } from '../../common/timers.js'
import { runCli } from './run.js'
import { EXIT, Interrupted } from './shared/errors.js'

/** How long an interrupted run, or a reader that takes nothing, is waited for. */
const PATIENCE_MS = 1500

async function main(): Promise<void> {
  const controller = new AbortController()
  let patience = PATIENCE_MS
  const interrupt = () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted)
    controller.abort(new Interrupted())
    setTimeout(() => process.exit(EXIT.interrupted), patience).unref()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt)

  const { stdin, stdout, stderr, env, argv } = process
  // whoever read this may be gone by the time the last of it is written
  for (const stream of [stdout, stderr]) stream.on('error', () => {})
  const code = await runCli(argv.slice(2), {
    stdin,
    stdout,
    stderr,
    env,
    argumentsAreUtf8: argumentsAreUtf8(argv),
    signal: controller.signal,
    onInterrupt: (milliseconds) => {
      patience = milliseconds
    },
  })
  await Promise.all([flushed(stdout), flushed(stderr)])
  process.exit(code)
}

/** Node puts U+FFFD where they are not, as it stands where somebody wrote it; Linux keeps the bytes. */
function argumentsAreUtf8(argv: readonly string[]): boolean {
  if (!argv.some((argument) => argument.includes('\ufffd'))) return true
  try {
    return isUtf8(readFileSync('/proc/self/cmdline'))
  } catch {
    return true
  }
}

/** When everything written has reached whoever reads it: `process.exit` drops what a pipe still holds. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) resolve()
    else stream.write('', () => resolve())
  })
}

void main()
