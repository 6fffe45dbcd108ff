import type { Command } from 'commander'
import { type Cli, examples } from '../shared/cli.js'
import { addTableOptions, integer } from '../shared/options.js'

const BENCH_HELP = `
Texts of 16, 128 and 512 tokens (those that the model takes), alone and in batches, in turn, without the
cache. "texts/s" and "tokens/s" are of the median round; "best" is the quickest. Other programs that run
meanwhile show in the numbers. To compare with other engines: npm run bench, in a clone.`

export function benchCommand(program: Command, cli: Cli): void {
  const command = program
    .command('bench')
    .summary('Measure how fast this machine embeds.')
    .description('Measure how fast this machine embeds with this model.')
    .option('--rounds <N>', 'Rounds over all shapes. Default: 7.', integer(1, 1000))
    .option('--json', 'Print the measurements as JSON.')
  addTableOptions(command, [
    'model',
    'threads',
    'batchTokens',
    'memoryLimit',
    'cacheDir',
    'logLevel',
  ])
  command.addHelpText('after', BENCH_HELP)
  examples(
    command,
    ['bge-m3 bench', 'a table'],
    ['bge-m3 bench --model all-MiniLM-L6-v2 --threads 1', 'another model, on one thread'],
  )
  cli.action(command, async (_args, flags) => {
    const { runBench } = await import('./run.js')
    return runBench(cli.io, flags)
  })
}
