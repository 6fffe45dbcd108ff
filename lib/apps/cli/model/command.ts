import type { Command } from 'commander'
import type { Cli } from '../shared/cli.js'
import { convertCommand } from './convert.js'
import { infoCommand } from './info.js'
import { pathCommand } from './path.js'
import { pullCommand } from './pull.js'
import { standinCommand } from './standin.js'
import { verifyCommand } from './verify.js'

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
