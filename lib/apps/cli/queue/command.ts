import type { Command } from 'commander'
import { type Cli, examples } from '../shared/cli.js'
import { addChunkOptions } from '../shared/cutting.js'
import { addTableOptions, integer } from '../shared/options.js'
import { addTextOptions } from '../shared/texts.js'

const ADD_HELP = `
The texts are cut into jobs by tokens. The same input makes the same jobs, and a job that is there or
done is not made again: after a crash run it anew. It waits while --max-waiting jobs are not taken yet.
Of two texts with one id the first counts. Texts that can go into no job are listed, and the exit code
is then 1.`

export const REDIS_HELP = `
The address of Redis or Valkey (redis://, rediss:// for TLS) may hold a password: give it by REDIS_URL
rather than --redis.`

const STATUS_HELP = `
Counts are exact: what was done twice, because a worker died, is counted once. The rate is that of all
workers over the last minute, and the time left follows from it. --failures lists texts that have no
embedding and jobs that failed, by id and code, and never a text.`

/** Where the queue is. */
export function addQueueOptions(command: Command): Command {
  return command
    .option('--redis <URL>', 'Redis or Valkey. Default: REDIS_URL, else redis://localhost:6379.')
    .option('--queue <NAME>', 'Name of the queue. Default: bge-m3.')
    .option('--prefix <TEXT>', 'Of all keys. Default: bull; with Redis Cluster {bull}.')
}

export function queueCommand(program: Command, cli: Cli): void {
  const queue = program
    .command('queue')
    .summary('Bring a corpus to workers on many machines, and watch them.')
    .description('Bring a corpus to workers on many machines (`bge-m3 worker`), and watch them.')
  addCommand(queue, cli)
  statusCommand(queue, cli)

  const retry = addQueueOptions(
    queue.command('retry').summary('Try failed jobs again.').description('Try failed jobs again.'),
  )
  retry.option('--json', 'Print JSON.').addHelpText('after', REDIS_HELP)
  examples(retry, ['bge-m3 queue retry', 'after what was wrong is mended'])
  cli.action(retry, async (_args, flags) => {
    const { runQueueRetry } = await import('./run.js')
    return runQueueRetry(cli.io, flags)
  })

  const clear = addQueueOptions(
    queue
      .command('clear')
      .summary('Remove a queue; what is stored stays.')
      .description('Remove a queue with all its jobs and counts. What is stored stays.'),
  )
  clear.option('--json', 'Print JSON.').addHelpText('after', REDIS_HELP)
  examples(clear, ['bge-m3 queue clear --queue old', 'of one queue, the others stay'])
  cli.action(clear, async (_args, flags) => {
    const { runQueueClear } = await import('./run.js')
    return runQueueClear(cli.io, flags)
  })
}

function addCommand(queue: Command, cli: Cli): void {
  const add = queue
    .command('add')
    .summary('Cut a corpus into jobs for the workers.')
    .description('Cut a corpus into jobs for the workers.')
  addQueueOptions(addTextOptions(add))
    .option('--job-tokens <TOKENS>', 'Tokens of a job. Default: 8192.', integer(1, 1_000_000))
    .option('--max-waiting <N>', 'Jobs that may wait. Default: 500.', integer(1, 1_000_000))
    .option('--attempts <N>', 'Tries of a job. Default: 5.', integer(1, 1000))
    .option('--corpus <NAME>', 'Tells inputs of one queue apart. Default: the input.')
    .option('--json', 'Print JSON.')
  addChunkOptions(add)
  addTableOptions(add, ['model', 'heads', 'maxTokens', 'cacheDir', 'logLevel'])
  add.addHelpText('after', ADD_HELP + REDIS_HELP)
  examples(add, ['bge-m3 queue add -i corpus.jsonl', 'with REDIS_URL set'])
  cli.action(add, async (texts, flags) => {
    const { runQueueAdd } = await import('./add-run.js')
    return runQueueAdd(cli.io, texts, flags)
  })
}

function statusCommand(queue: Command, cli: Cli): void {
  const status = addQueueOptions(
    queue
      .command('status')
      .summary('Show what is done and left, the rate, and the workers.')
      .description('Show what is done and left, the rate of all workers, and the time left.'),
  )
    .option('--watch', 'Again every second, until everything is done.')
    .option('--failures', 'List what failed, by id and code.')
    .option('--json', 'Print JSON; with --watch a line each time.')
    .addHelpText('after', STATUS_HELP + REDIS_HELP)
  examples(status, ['bge-m3 queue status --watch', 'until everything is done'])
  cli.action(status, async (_args, flags) => {
    const { runQueueStatus } = await import('./run.js')
    return runQueueStatus(cli.io, flags)
  })
}
