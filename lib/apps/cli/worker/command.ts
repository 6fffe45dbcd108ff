import { type Command, Option } from 'commander'
import { addQueueOptions, REDIS_HELP } from '../queue/command.js'
import { type Cli, examples } from '../shared/cli.js'
import { addTableOptions, EMBEDDING, integer } from '../shared/options.js'
import { addMetricsOptions, addStatsOption } from '../shared/watch-options.js'

const WORKER_HELP = `
Runs until it is told to end (Ctrl-C, SIGTERM), and then finishes what is under way or gives it back;
with --until-done until every corpus is complete and nothing is left. Any number of workers on any
machines may run at once, with the same model and options. What a worker that died had taken is taken
over by others after --stalled-after seconds. What is written twice is there once.

The table or collection is created if it is missing, the table with a text key; otherwise it is checked
before any work. Qdrant's API key is read from QDRANT_API_KEY.
The database's connection string may hold a password: give it by DATABASE_URL rather than --database.`

export function workerCommand(program: Command, cli: Cli): void {
  const worker = program
    .command('worker')
    .summary('Embed what others put into a queue.')
    .description('Take jobs from a queue (`bge-m3 queue add`), embed them and write to a store.')
  addQueueOptions(worker)
    .addOption(
      new Option('--store <KIND>', 'Where embeddings go.')
        .choices(['postgres', 'qdrant'])
        .default('postgres'),
    )
    .option('--database <URL>', 'Connection string. Default: DATABASE_URL.')
    .option('--table <NAME>', 'Table, or schema.table.')
    .option('--id <COLUMN>', 'Key column, unique.', 'id')
    .option('--text-column <COLUMN>', 'Column for the texts. Default: they are not stored.')
    .option('--dense-column <COLUMN>', 'Column for dense vectors: vector, halfvec or float4[].')
    .option('--sparse-column <COLUMN>', 'Column for lexical weights: sparsevec.')
    .option('--metadata-column <COLUMN>', 'Column for metadata: json or jsonb.')
    .option('--model-column <COLUMN>', 'Text column for the fingerprint of the model.')
    .addOption(
      new Option('--dense-type <TYPE>', 'Of a table that is created. Default: vector.').choices([
        'vector',
        'halfvec',
        'float4[]',
      ]),
    )
    .option(
      '--sparse-limit <N>',
      'Weights kept of a sparse vector. Default: 1000.',
      integer(1, 16_000),
    )
    .option('--force', 'Write also to columns that another model has filled.')
    .option('--qdrant <URL>', 'Address of Qdrant. Default: QDRANT_URL.')
    .option('--collection <NAME>', 'Collection of Qdrant.')
    .option('--dense', 'To Qdrant: dense vectors, the default.')
    .option('--sparse', 'To Qdrant: lexical weights.')
    .option('--colbert', 'To Qdrant: multi-vectors, for reranking.')
    .option('--no-text', 'To Qdrant: keep the texts out of the payloads.')
    .option('--concurrency <N>', 'Jobs at a time. Default: 2.', integer(1, 64))
    .option('--until-done', 'End when everything is done.')
    .option('--skip-stored', 'Do not embed again what the table has.')
    .option('--stalled-after <SECONDS>', 'Default: 30.', integer(1, 86_400))
    .option('--json', 'Print JSON.')
  addMetricsOptions(addStatsOption(worker))
  addTableOptions(worker, [...EMBEDDING, 'dimensions'])
  worker.addHelpText('after', WORKER_HELP + REDIS_HELP)
  examples(
    worker,
    [
      'bge-m3 worker --table docs --text-column body --dense-column embedding',
      'with REDIS_URL and DATABASE_URL set',
    ],
    [
      'bge-m3 worker --store qdrant --collection docs --dense --sparse',
      'with REDIS_URL and QDRANT_URL set',
    ],
  )
  cli.action(worker, async (_args, flags) => {
    const { runWorkerCommand } = await import('./run.js')
    return runWorkerCommand(cli.io, flags)
  })
}
