import type { Command } from 'commander'
import { formatSize } from '../../../common/units.js'
import { type Cli, examples } from '../shared/cli.js'
import { EXIT } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import { addTableOptions, type Flags, optionValues } from '../shared/options.js'

export function rmCommand(parent: Command, cli: Cli): void {
  const command = parent
    .command('rm')
    .summary('Delete a model that was fetched.')
    .description(
      "Delete what was fetched of a model. What lies in Hugging Face's own cache stays there.",
    )
    .argument('<name>', 'A name, or hf:OWNER/REPOSITORY.')
    .option('--json', 'Print JSON.')
  addTableOptions(command, ['cacheDir'])
  examples(command, ['bge-m3 model rm all-MiniLM-L6-v2', 'fetched anew when it is named again'])
  cli.action(command, ([name], flags) => remove(cli.io, name as string, flags))
}

async function remove(io: CliIo, name: string, flags: Flags): Promise<number> {
  const { removeModel } = await import('../../../model/fetch/installed.js')
  const { cacheDir } = optionValues(flags, io.env)
  const removed = await removeModel(name, { cacheDir })
  if (flags.json) io.stdout.write(`${JSON.stringify(removed)}\n`)
  else say(io, `deleted ${removed.directory} (${formatSize(removed.bytes)})`)
  return EXIT.done
}
