import type { Command } from 'commander'
import type { Cli } from '../shared/cli.js'
import { checkCommand } from './check.js'
import { convertCommand } from './convert.js'
import { infoCommand } from './info.js'
import { listCommand } from './list.js'
import { pathCommand } from './path.js'
import { pullCommand } from './pull.js'
import { rmCommand } from './rm.js'
import { standinCommand } from './standin.js'
import { verifyCommand } from './verify.js'

const COMMANDS = [
  listCommand,
  pullCommand,
  pathCommand,
  infoCommand,
  verifyCommand,
  checkCommand,
  rmCommand,
  convertCommand,
  standinCommand,
]

export function modelCommand(program: Command, cli: Cli): void {
  const command = program
    .command('model')
    .summary('List, fetch, find, inspect and make models.')
    .description('List, fetch, find, inspect and make models.')
  for (const define of COMMANDS) define(command, cli)
}
