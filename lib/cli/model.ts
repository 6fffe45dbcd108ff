import type { Command } from 'commander'
import { convertCommand } from './model-convert.js'
import { infoCommand } from './model-info.js'
import { pathCommand } from './model-path.js'
import { pullCommand } from './model-pull.js'
import { standinCommand } from './model-standin.js'
import { verifyCommand } from './model-verify.js'
import type { Cli } from './shared/cli.js'

const COMMANDS = [
  pullCommand,
  pathCommand,
  infoCommand,
  verifyCommand,
  convertCommand,
  standinCommand,
]

export function modelCommand(program: Command, cli: Cli): void {
  const command = program
    .command('model')
    .summary('Fetch, find, inspect and make model files.')
    .description('Fetch, find, inspect and make model files.')
  for (const define of COMMANDS) define(command, cli)
}
