import type { Command } from 'commander'
import { type Cli, examples } from '../shared/cli.js'
import { addTableOptions, optionValues } from '../shared/options.js'

export function pathCommand(parent: Command, cli: Cli): void {
  const command = parent
    .command('path')
    .summary('Print which model file would be loaded.')
    .description(
      'Print the path of the model that would be loaded: what --model names, else BGE_M3_MODEL, else what `bge-m3 model pull` fetched.',
    )
    .option('--json', 'Print JSON.')
  addTableOptions(command, ['model', 'cacheDir'])
  examples(command, ['bge-m3 model path', 'where the model lies'])
  cli.action(command, async (_args, flags) => {
    const { findModel } = await import('../../../model/locations.js')
    const { io } = cli
    const { model, cacheDir } = optionValues(flags, io.env)
    const path = await findModel(model, { cacheDir, env: io.env })
    io.stdout.write(flags.json ? `${JSON.stringify({ path })}\n` : `${path}\n`)
    return 0
  })
}
