/** The command line as a function: arguments and streams in, exit code out. */

import { CommanderError } from 'commander'
import { isError } from '../../common/realms.js'
import { buildProgram } from './program.js'
import {
  describeError,
  EXIT,
  exitCodeOf,
  Interrupted,
  OutputClosed,
  UsageError,
} from './shared/errors.js'
import { type CliIo, say } from './shared/io.js'
import { inCommandWords } from './shared/wording.js'

/**
 * Runs `bge-m3 ...argv`. Never rejects and never ends the process: errors are a line on stderr, with
 * `--json` also `{"error": {"code", "message"}}` on stdout, and the exit code.
 *
 * @param argv without the program's own name
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  // Whoever read this left; the writing side finds out by itself.
  const ignore = () => {}
  io.stdout.on('error', ignore)
  io.stderr.on('error', ignore)
  let exitCode: number = EXIT.done
  const program = buildProgram(io, (code) => {
    exitCode = code
  })
  try {
    if (io.argumentsAreUtf8 === false) {
      throw new UsageError('An argument is not valid UTF-8: give texts in a file, with --input.')
    }
    await program.parseAsync([...argv], { from: 'user' })
    return exitCode
  } catch (error) {
    return failure(io.signal.aborted ? new Interrupted() : error, argv, io)
  } finally {
    io.stdout.off('error', ignore)
    io.stderr.off('error', ignore)
  }
}

function failure(error: unknown, argv: readonly string[], io: CliIo): number {
  // commander has said what there is to say, unless a program listens
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.done
    const message = error.message.replace(/^error: /, '')
    if (wantsJson(argv)) writeJson(io, { code: 'USAGE', message })
    return EXIT.usage
  }
  if (error instanceof OutputClosed) return EXIT.done
  const { code, message } = describeError(error)
  const described = { code, message: inCommandWords(message, argv, io.env) }
  say(io, described.message)
  if (io.env.BGE_M3_DEBUG && isError(error)) io.stderr.write(`${error.stack}\n`)
  if (wantsJson(argv)) writeJson(io, described)
  return exitCodeOf(error)
}

function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return (end === -1 ? argv : argv.slice(0, end)).includes('--json')
}

function writeJson(io: CliIo, error: { code: string; message: string }): void {
  io.stdout.write(`${JSON.stringify({ error })}\n`)
}
