import type { Command } from 'commander'
import { formatSize } from '../../../common/units.js'
import { type Cli, examples } from '../shared/cli.js'
import { EXIT, UsageError } from '../shared/errors.js'
import { fetchingOf } from '../shared/fetching.js'
import { type CliIo, say } from '../shared/io.js'
import { loggerOf } from '../shared/logger.js'
import { addTableOptions, type Flags, optionValues } from '../shared/options.js'

const ABOUT = `
A pull that is cut off goes on where it stopped when it is run again, and the checksum of every file is
checked before it is put in its place. HF_ENDPOINT names a mirror, HF_TOKEN a token,
HF_HUB_OFFLINE=1 forbids the network; HTTPS_PROXY, HTTP_PROXY and NO_PROXY are respected.`

export function pullCommand(parent: Command, cli: Cli): void {
  const command = parent
    .command('pull')
    .summary('Download a model: bge-m3 (635 MB) and its heads, or another.')
    .description(
      'Download a model from the hub: a GGUF of it, in Q8_0 where there is one, else the official checkpoint, which is converted here. Without a NAME: bge-m3 in Q8_0 (635 MB) and its two heads.',
    )
    .argument('[name]', 'A name (`bge-m3 model list`), NAME:f16, OWNER/REPOSITORY or hf:...')
    .option('--dir <DIR>', 'Put the files of bge-m3 into DIR instead of the cache directory.')
    .option('--revision <REVISION>', 'Another revision of the GGUF of bge-m3 than the pinned one.')
    .option('--force', 'Replace files of the same names that this command did not put there.')
    .option('--json', 'Print JSON.')
  addTableOptions(command, ['cacheDir', 'logLevel'])
  command.addHelpText('after', ABOUT)
  examples(
    command,
    ['bge-m3 model pull', 'once per machine'],
    ['bge-m3 model pull multilingual-e5-base', 'converted from the official checkpoint'],
    ['bge-m3 model pull hf:OWNER/REPOSITORY@REVISION/file.gguf', 'any GGUF of the hub'],
    ['bge-m3 model pull --dir ./models', 'beside a program; load it with BGE_M3_MODEL=./models'],
  )
  cli.action(command, ([name], flags) => pull(cli.io, name, flags))
}

async function pull(io: CliIo, name: string | undefined, flags: Flags): Promise<number> {
  const { hubReferenceOf } = await import('../../../model/fetch/installed.js')
  const { pinsOf } = await import('../../../model/locations.js')
  const reference = name === undefined ? undefined : hubReferenceOf(name)
  if (reference === undefined || pinsOf(reference)) return pullPinned(io, flags)
  const ofOthers = ['dir', 'revision', 'force'].find((flag) => flags[flag] !== undefined)
  if (ofOthers !== undefined) {
    throw new UsageError(
      `--${ofOthers} is for bge-m3 alone; a revision is named as hf:OWNER/REPOSITORY@REVISION.`,
    )
  }
  const { pullNamed } = await import('../../../model/fetch/pull-named.js')
  const fetching = fetchingOf(io, optionValues(flags, io.env))
  try {
    const result = await pullNamed(reference, fetching.options)
    fetching.stop()
    if (flags.json) io.stdout.write(`${JSON.stringify(result)}\n`)
    else {
      if (result.status === 'present') say(io, `${result.path} is there already, checksum right`)
      io.stdout.write(`${result.path}\n`)
    }
    return EXIT.done
  } finally {
    fetching.stop()
  }
}

async function pullPinned(io: CliIo, flags: Flags): Promise<number> {
  const { pullModel } = await import('../../../model/hub/pull.js')
  const { PullProgress } = await import('../shared/pull-progress.js')
  const { cacheDir, logLevel } = optionValues(flags, io.env)
  const { dir, revision, force } = flags as { dir?: string; revision?: string; force?: boolean }
  const progress = new PullProgress(io)
  try {
    const { signal } = io
    const logger = loggerOf(io, logLevel)
    const onProgress = progress.update.bind(progress)
    const result = await pullModel({ dir, revision, force, cacheDir, signal, logger, onProgress })
    progress.stop()
    if (flags.json) {
      io.stdout.write(`${JSON.stringify(result)}\n`)
      return EXIT.done
    }
    for (const { path, size, status } of result.files) {
      const what = status === 'present' ? 'is there already' : 'downloaded'
      say(io, `${path} (${formatSize(size)}) ${what}, checksum right`)
    }
    io.stdout.write(`${result.model ?? result.dir}\n`)
    return EXIT.done
  } finally {
    progress.stop()
  }
}
