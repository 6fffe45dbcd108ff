import type { Command } from 'commander'
import { type Cli, examples } from '../shared/cli.js'
import { addTableOptions } from '../shared/options.js'

const ABOUT = `
Exit codes: 0 when nothing is wrong, 3 when only the model is, 1 otherwise.`

export function doctorCommand(program: Command, cli: Cli): void {
  const command = program
    .command('doctor')
    .summary('Say what is wrong with this installation, and what to do.')
    .description(
      'Look at Node, the processor, memory, the native part, the model, the cache directory and the environment; say what is wrong and what to do.',
    )
    .option('--online', 'Also ask whether the hub can be reached.')
    .option('--json', 'Print JSON.')
  addTableOptions(command, ['model', 'heads', 'cacheDir'])
  command.addHelpText('after', ABOUT)
  examples(
    command,
    ['bge-m3 doctor', 'first thing to run when something is odd'],
    ['bge-m3 doctor --json', 'for a bug report'],
  )
  cli.action(command, async (_args, flags) => {
    const { runDoctor } = await import('./run.js')
    return runDoctor(cli.io, flags)
  })
}
