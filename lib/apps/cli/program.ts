/** The commands and their help texts. */

import { Command } from 'commander'
import { benchCommand } from './bench/command.js'
import { cacheCommand } from './cache/command.js'
import { chunkCommand } from './chunk/command.js'
import { doctorCommand } from './doctor/command.js'
import { embedCommand } from './embed/command.js'
import { evaluateCommand } from './evaluate/command.js'
import { indexCommand } from './index/command.js'
import { loadCommand } from './load/command.js'
import { mcpCommand } from './mcp/command.js'
import { modelCommand } from './model/command.js'
import { queueCommand } from './queue/command.js'
import { reportCommand } from './report/command.js'
import { rerankCommand } from './rerank/command.js'
import { scoreCommand } from './score/command.js'
import { searchCommand } from './search/command.js'
import { serveCommand } from './serve/command.js'
import type { Cli } from './shared/cli.js'
import type { CliIo } from './shared/io.js'
import { packageVersion } from './shared/version.js'
import { tokenizeCommand } from './tokenize/command.js'
import { workerCommand } from './worker/command.js'

const COMMANDS = [
  embedCommand,
  tokenizeCommand,
  chunkCommand,
  scoreCommand,
  rerankCommand,
  evaluateCommand,
  indexCommand,
  searchCommand,
  mcpCommand,
  loadCommand,
  queueCommand,
  workerCommand,
  reportCommand,
  modelCommand,
  cacheCommand,
  serveCommand,
  benchCommand,
  doctorCommand,
]

const ABOUT = `
Exit codes:
  0    done
  1    some items failed; their lines say why
  2    wrong usage, option or environment variable
  3    no usable model, or this machine cannot run it
  130  interrupted

Data goes to stdout, everything else to stderr. Options shown with [BGE_M3_...] can be set by that
environment variable too. \`bge-m3 doctor\` says what is wrong with an installation.`

/** @param setExitCode gets what a command's action resolves to */
export function buildProgram(io: CliIo, setExitCode: (code: number) => void): Command {
  const program = new Command('bge-m3')
    .description('bge-m3 text embeddings (dense, sparse, multi-vector) on this CPU.')
    .version(packageVersion(), '-V, --version', 'Print the version.')
    .helpOption('-h, --help', 'Print help.')
    .helpCommand(false)
    .addHelpText('after', ABOUT)
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'bge-m3: ')),
      getOutHelpWidth: () => helpWidth(io.stdout.columns),
      getErrHelpWidth: () => helpWidth(io.stderr.columns),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
  const cli: Cli = {
    io,
    action(command, run) {
      command.showHelpAfterError(`Try: ${commandLine(command)} --help`)
      command.action(async () => setExitCode(await run(command.args, command.opts())))
    },
  }
  // `copyInheritedSettings` hands on what is configured above
  for (const define of COMMANDS) define(program, cli)
  defineHelp(program)
  return program
}

/** Commander's own answers `help nope` with the help of everything. */
function defineHelp(program: Command): void {
  program
    .command('help')
    .summary('Print help for a command.')
    .argument('[command...]', 'For example: model pull.')
    .action((names: string[]) => {
      let command = program
      for (const name of names) {
        const next = command.commands.find((one) => one.name() === name)
        if (!next) {
          const known = command.commands.map((one) => one.name()).join(', ')
          command.error(`error: There is no command ${JSON.stringify(name)} in: ${known}.`)
        }
        command = next as Command
      }
      command.outputHelp()
    })
}

/** Up to 100 columns, as far as the terminal has them. */
function helpWidth(columns: number | undefined): number {
  return Math.min(columns ?? 100, 100)
}

function commandLine(command: Command): string {
  const parent = command.parent
  return parent ? `${commandLine(parent)} ${command.name()}` : command.name()
}
