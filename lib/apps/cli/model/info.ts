import type { Command } from 'commander'
import { formatSize } from '../../../common/units.js'
import type { ModelInspection } from '../../../model/inspect.js'
import { isRunnable, type NamedModel } from '../../../model/names.js'
import { NO_PROMPTS, type Prompts } from '../../../model/prompts.js'
import type { HubReference } from '../../../model/reference.js'
import { type Cli, examples } from '../shared/cli.js'
import { EXIT } from '../shared/errors.js'
import type { CliIo } from '../shared/io.js'
import { addTableOptions, type Flags, optionValues } from '../shared/options.js'
import { printable } from '../shared/printable.js'
import { table } from '../shared/table.js'

export function infoCommand(parent: Command, cli: Cli): void {
  const command = parent
    .command('info')
    .summary('Print what a model file says about itself.')
    .description(
      'Print what the header of a model file says, and which heads go with it. Without a MODEL: the one that would be loaded.',
    )
    .argument('[model]', 'A GGUF file, the directory it lies in, or a name.')
    .option('--json', 'Print JSON.')
  addTableOptions(command, ['model', 'heads', 'cacheDir'])
  examples(
    command,
    ['bge-m3 model info', 'the model that would be loaded'],
    ['bge-m3 model info multilingual-e5-base', 'a model by its name, also where it is not here'],
    ['bge-m3 model info other.gguf --json', 'any GGUF'],
  )
  cli.action(command, ([file], flags) => info(cli.io, file, flags))
}

async function info(io: CliIo, file: string | undefined, flags: Flags): Promise<number> {
  const { lookFor, notFetched } = await import('../../../model/locations.js')
  const { inspectModel } = await import('../../../model/inspect.js')
  const { settingsOf } = await import('../../../model/file-settings.js')
  const { loadHeads } = await import('../../../model/heads.js')
  const { model, heads, cacheDir } = optionValues(flags, io.env)
  const { path, hub } = await lookFor(file ?? model, { cacheDir, env: io.env })
  if (path === undefined) {
    if (hub?.known === undefined) throw notFetched(hub as HubReference, { cacheDir })
    const { pins: _, ...known } = hub.known
    io.stdout.write(flags.json ? `${JSON.stringify(known)}\n` : table(describedRow(hub.known)))
    return EXIT.done
  }
  const inspection = await inspectModel(path)
  const { dim } = inspection
  const found = dim === undefined ? undefined : await loadHeads({ model: path, dim, heads })
  const headPaths = found?.paths ?? []
  const { prompts, maxTokens } = await settingsOf(path)
  io.stdout.write(
    flags.json
      ? `${JSON.stringify({ ...inspection, maxTokens, headPaths, prompts })}\n`
      : table(described({ ...inspection, maxTokens }, headPaths, prompts)),
  )
  return EXIT.done
}

const promptNames = (prompts: Prompts = NO_PROMPTS): string =>
  Object.entries(prompts.texts)
    .map(([name, text]) => `${printable(name)} ${JSON.stringify(text)}`)
    .join(', ') || 'none'

/** Of a model that is not here. */
function describedRow(model: NamedModel): string[][] {
  const { name, repository, architecture, dimensions, maxTokens, pooling } = model
  return [
    ['file', `not here: \`bge-m3 model pull ${name}\``],
    ['name', name],
    ['repository', repository],
    [
      'architecture',
      `${architecture}${isRunnable(model) ? '' : ', which this version cannot run'}`,
    ],
    ['dimensions', String(dimensions)],
    ['most tokens', String(maxTokens)],
    ['pooling', pooling],
    ['prompts', promptNames(model.prompts)],
    ['licence', model.licence],
    ['languages', model.languages],
  ]
}

function described(
  model: ModelInspection,
  headPaths: readonly string[],
  prompts: Prompts,
): string[][] {
  const { attentionHeads, contextLength, ffn, maxTokens, modules, parameters } = model
  const from = headPaths.filter((path) => path !== model.path)
  const heads = headPaths.length === 0 ? 'none: dense only' : from.join(', ') || 'in the file'
  const rows: [string, string | number | undefined][] = [
    ['file', model.path],
    ['size', formatSize(model.sizeBytes)],
    ['name', model.name],
    ['architecture', model.arch],
    ['layers', model.layers],
    ['dimensions', model.dimensions],
    ['attention heads', attentionHeads],
    ['feed-forward', ffn],
    ['most tokens', maxTokens ?? contextLength],
    ['vocabulary', model.vocabSize && `${model.vocabSize} tokens (${model.tokenizer})`],
    ['pooling', model.pooling],
    ['modules after it', modules.join(', ') || 'none'],
    ['weights', `${(parameters / 1e6).toFixed(1)} M, most of them ${model.fileType}`],
    ['prompts', promptNames(prompts)],
    ['sparse and ColBERT heads', heads],
    ['stand-in', model.standin ? 'YES: random weights, embeddings mean nothing' : 'no'],
  ]
  return rows.map(([name, value]) => [name, value === undefined ? '-' : String(value)])
}
