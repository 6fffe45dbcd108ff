import type { Command } from 'commander'
import { formatSize } from '../../../common/units.js'
import { type Cli, examples } from '../shared/cli.js'
import { EXIT } from '../shared/errors.js'
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
    .summary('Download bge-m3 (635 MB) and its heads.')
    .description('Download bge-m3 in Q8_0 (635 MB) and its two heads from the hub.')
    .option('--dir <DIR>', 'Put the files into DIR instead of the cache directory.')
    .option(
      '--revision <REVISION>',
      "Another revision of the model's repository than the pinned one.",
    )
    .option('--force', 'Replace files of the same names that this command did not put there.')
    .option('--json', 'Print JSON.')
  addTableOptions(command, ['cacheDir', 'logLevel'])
  command.addHelpText('after', ABOUT)
  examples(
    command,
    ['bge-m3 model pull', 'once per machine'],
    ['bge-m3 model pull --dir ./models', 'beside a program; load it with BGE_M3_MODEL=./models'],
  )
  cli.action(command, (_args, flags) => pull(cli.io, flags))
}

async function pull(io: CliIo, flags: Flags): Promise<number> {
  const { pullModel } = await import('../../../model/hub/pull.js')
  const { PullProgress } = await import('./pull-progress.js')
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
