import type { Command } from 'commander'
import { formatSize } from '../../../common/units.js'
import type { ListedModel } from '../../../model/fetch/installed.js'
import { type Cli, examples } from '../shared/cli.js'
import { EXIT } from '../shared/errors.js'
import type { CliIo } from '../shared/io.js'
import { addTableOptions, type Flags, optionValues } from '../shared/options.js'
import { printable } from '../shared/printable.js'
import { table } from '../shared/table.js'

export function listCommand(parent: Command, cli: Cli): void {
  const command = parent
    .command('list')
    .summary('List the models that go by a name, and which are here.')
    .description(
      'List the models that go by a name and those that were fetched: which are on this machine, and how large they are.',
    )
    .option('--json', 'Print JSON.')
  addTableOptions(command, ['cacheDir'])
  examples(
    command,
    ['bge-m3 model list', 'what can be named'],
    ['bge-m3 embed --model all-MiniLM-L6-v2 hello', 'a model by its name'],
  )
  cli.action(command, (_args, flags) => list(cli.io, flags))
}

async function list(io: CliIo, flags: Flags): Promise<number> {
  const { listModels } = await import('../../../model/fetch/installed.js')
  const { cacheDir } = optionValues(flags, io.env)
  const models = await listModels({ cacheDir, env: io.env })
  if (flags.json) {
    const rows = models.map(({ known, ...model }) => ({ ...known, ...model, pins: undefined }))
    io.stdout.write(`${JSON.stringify({ models: rows })}\n`)
    return EXIT.done
  }
  const head = ['model', 'on disk', 'dimensions', 'tokens', 'licence', 'languages']
  io.stdout.write(table([head, ...models.map(row)], [1, 2, 3]))
  return EXIT.done
}

function row({ name, known, runnable, size }: ListedModel): string[] {
  const here = size === undefined ? '-' : formatSize(size)
  const { dimensions = '-', maxTokens = '-', licence = '-', languages = '-' } = known ?? {}
  const about = [dimensions, maxTokens, licence, languages].map(String)
  return [printable(name), runnable === false ? 'cannot run' : here, ...about]
}
