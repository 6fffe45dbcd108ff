import type { Command } from 'commander'
import { ModelNotFoundError } from '../../../common/errors.js'
import type { CheckedModel } from '../../../model/fetch/check.js'
import { type Cli, examples } from '../shared/cli.js'
import { EXIT } from '../shared/errors.js'
import type { CliIo } from '../shared/io.js'
import { loggerOf } from '../shared/logger.js'
import { addTableOptions, type Flags, optionValues } from '../shared/options.js'

export function checkCommand(parent: Command, cli: Cli): void {
  const command = parent
    .command('check')
    .summary('Ask the hub for newer revisions of the models that are here.')
    .description(
      'Ask the hub whether the repositories that models were fetched from have a newer revision. Nothing is fetched: other weights give other vectors.',
    )
    .argument('[name...]', 'Names. Default: every model that was fetched.')
    .option('--json', 'Print JSON.')
  addTableOptions(command, ['cacheDir', 'logLevel'])
  examples(command, ['bge-m3 model check', 'all that are here'])
  cli.action(command, (names, flags) => check(cli.io, names, flags))
}

async function check(io: CliIo, names: readonly string[], flags: Flags): Promise<number> {
  const { hubReferenceOf, listModels } = await import('../../../model/fetch/installed.js')
  const { checkRevision } = await import('../../../model/fetch/check.js')
  const { folderOf } = await import('../../../model/reference.js')
  const { cacheDir, logLevel } = optionValues(flags, io.env)
  const here = (await listModels({ cacheDir, env: io.env })).filter(({ path }) => path)
  const wanted = names.map((name) => {
    const folder = folderOf(hubReferenceOf(name)).replace('+', ':')
    const found = here.find((model) => [folder, folder.replace(':', '+')].includes(model.name))
    if (found === undefined) throw new ModelNotFoundError(`${name} is not here.`)
    return found
  })
  const options = { cacheDir, signal: io.signal, logger: loggerOf(io, logLevel) }
  const checked: CheckedModel[] = []
  for (const model of names.length > 0 ? wanted : here) {
    const result = await checkRevision(model, options)
    if (result !== undefined) checked.push(result)
    else if (!flags.json) io.stdout.write(`${model.name}: no revision was recorded\n`)
  }
  io.stdout.write(
    flags.json ? `${JSON.stringify({ models: checked })}\n` : checked.map(line).join(''),
  )
  return EXIT.done
}

function line({ name, repository, revision, newest, lastModified, upToDate }: CheckedModel) {
  if (upToDate) return `${name}: up to date with ${repository} (${revision.slice(0, 12)})\n`
  const since = lastModified && ` of ${lastModified.slice(0, 10)}`
  return `${name}: ${repository} has ${newest.slice(0, 12)}${since}, here is ${revision.slice(0, 12)}\n`
}
