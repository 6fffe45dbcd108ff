import type { Command } from 'commander'
import { type Cli, examples } from '../shared/cli.js'
import type { CliIo } from '../shared/io.js'
import { addTableOptions, type Flags } from '../shared/options.js'

type Run = typeof import('./run.js')
type Action = (run: Run, io: CliIo, args: readonly string[], flags: Flags) => Promise<number>

export function cacheCommand(program: Command, cli: Cli): void {
  const parent = program
    .command('cache')
    .summary('Look at, empty, export and import the disk cache.')
    .description('Look at, empty, export and import the cache of embeddings on disk.')

  const add = (usage: string, summary: string, description: string, action: Action): Command => {
    const command = parent.command(usage).summary(summary).description(description)
    command.option(
      '--dir <DIR>',
      'The cache. Default: `embeddings` in the cache directory. [BGE_M3_DISK_CACHE]',
    )
    addTableOptions(command, ['cacheDir'])
    command.option('--json', 'Print JSON.')
    cli.action(command, async (args, flags) =>
      action(await import('./run.js'), cli.io, args, flags),
    )
    return command
  }

  const stats = add(
    'stats',
    'Print what is in the cache.',
    'Print how many embeddings of which model are in the cache, and how large it is.',
    (run, io, _args, flags) => run.stats(io, flags),
  )
  examples(stats, ['bge-m3 cache stats', 'entries, bytes, uses and ages, by model'])

  const clear = add(
    'clear',
    'Remove entries.',
    'Remove all entries, or those that are named.',
    (run, io, _args, flags) => run.clear(io, flags),
  )
  clear
    .option('--all', 'Remove everything. This is the default.')
    .option('--expired', 'Remove what is older than --older-than only.')
    .option('--older-than <DURATION>', 'The age, such as 7d. Default: 30d. [BGE_M3_CACHE_TTL]')
    .option('--fingerprint <F>', "Remove one model's entries only; `stats` prints fingerprints.")
  examples(
    clear,
    ['bge-m3 cache clear', 'everything'],
    ['bge-m3 cache clear --expired --older-than 7d', 'what was made more than a week ago'],
  )

  const exported = add(
    'export',
    'Write all entries to a file.',
    'Write all entries to a file that `import` reads, here or on another machine. It holds no texts.',
    (run, io, args, flags) => run.exportCache(io, args, flags),
  ).argument('<file>', 'The file to write.')
  examples(exported, ['bge-m3 cache export embeddings.cache', 'one file with a checksum'])

  const imported = add(
    'import',
    'Add the entries of a file that `export` wrote.',
    'Add the entries of a file that `export` wrote. The file is checked whole before any of it is used. Entries are used for the texts they are said to be of: import only what you trust.',
    (run, io, args, flags) => run.importCache(io, args, flags),
  ).argument('<file>', 'The file to read.')
  examples(imported, ['bge-m3 cache import embeddings.cache', 'the other way'])

  const path = add(
    'path',
    'Print where the cache lies.',
    'Print where the cache lies.',
    (run, io, _args, flags) => run.printPath(io, flags),
  )
  examples(path, ['bge-m3 cache path', 'it need not exist'])
}
