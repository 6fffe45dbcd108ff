/** How a command plugs into the program. */

import type { Command } from 'commander'
import type { CliIo } from './io.js'
import type { Flags } from './options.js'

export interface Cli {
  readonly io: CliIo
  /**
   * Makes `run` the action of a command; what it resolves to is the exit code. It gets the command's
   * arguments and its flags. Whatever is heavy is imported inside of it, so that `--help` is quick.
   */
  action(command: Command, run: (args: readonly string[], flags: Flags) => Promise<number>): void
}

/** Adds `examples` under a command's help, each with a word on what it does. */
export function examples(command: Command, ...pairs: readonly (readonly [string, string])[]): void {
  const lines = pairs.map(([line, what]) => `  # ${what}\n  $ ${line}`)
  command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`)
}
