import type { Command } from 'commander'
import { type Cli, examples } from '../shared/cli.js'
import { addChunkOptions } from '../shared/cutting.js'
import { addTableOptions, EMBEDDING, integer } from '../shared/options.js'
import { addMetricsOptions, addStatsOption } from '../shared/watch-options.js'
import { loadQdrantCommand } from './qdrant-command.js'

const POSTGRES_HELP = `
Rows whose vector is NULL are claimed in key order, embedded and written, batch by batch. Several of
these commands may work on one table at once; what one that died had claimed is taken over by others
after --stalled-after seconds. Stopped or killed, run it again: what was written stays. Rows whose text
cannot be embedded, and rows that the database refuses, cost the others nothing: they are named at the
end, and the exit code is then 1; with --error-column they are marked there, and not tried again.

With --follow it goes on with rows as they come. It looks for them every --poll seconds, and at once when
it hears a notice. --triggers creates what gives notice, and empties the vectors of rows whose text
changes; without it a vector that is stale is for you to set to NULL. It needs --error-column.

With --chunk the texts are cut, and their vectors go to a table of chunks, which is created if it is
missing: document, part (from 0), starts and ends (characters), hash, and --dense-column and
--sparse-column. Chunks of a document whose text changes are replaced, those of one that is deleted go
with it.

The tables bge_m3_leases and bge_m3_models are created beside the table, if they are missing. They say
who works on which rows, and which model filled which column: another one is refused without --force.

The connection string may hold a password: give it by DATABASE_URL rather than --url.`

export function loadCommand(program: Command, cli: Cli): void {
  const load = program
    .command('load')
    .summary('Embed into a database: PostgreSQL, Qdrant.')
    .description('Embed into a database.')
  const command = load
    .command('postgres')
    .summary('Fill the vector columns of a PostgreSQL table.')
    .description('Fill the vector columns of a PostgreSQL table (pgvector, or float4[]).')
    .option('--url <URL>', 'Connection string. Default: DATABASE_URL.')
    .requiredOption('--table <NAME>', 'Table, or schema.table.')
    .option('--id <COLUMN>', 'Key column, unique.', 'id')
    .requiredOption('--text <COLUMN>', 'Column of the texts.')
    .option('--dense-column <COLUMN>', 'Column for dense vectors: vector, halfvec or float4[].')
    .option('--sparse-column <COLUMN>', 'Column for lexical weights: sparsevec.')
    .option('--error-column <COLUMN>', 'Text column for the code of a row that failed.')
    .option(
      '--chunk-table <NAME>',
      'With --chunk: where chunks go. Default: the table with _chunks.',
    )
    .option(
      '--batch-rows <ROWS>',
      'Rows that are claimed and written at a time. Default: 64, or 8 with --chunk.',
    )
    .option('--force', 'Fill also columns that another model has filled.')
    .option('--stalled-after <SECONDS>', 'Default: 30.', integer(1, 86_400))
    .option('--sparse-limit <N>', 'Weights kept of a sparse vector. Default: 1000.')
    .option('--follow', 'Go on with rows as they come, until Ctrl-C or SIGTERM.')
    .option(
      '--poll <SECONDS>',
      'Between two looks for rows without a notice. Default: 5.',
      integer(1, 86_400),
    )
    .option('--triggers', 'Create triggers that give notice of rows and empty stale vectors.')
    .option('--index', 'Build HNSW indexes when all rows are done.')
    .option('--m <N>', 'Links of a node of the index.')
    .option('--ef-construction <N>', 'Candidates while the index is built.')
    .option('--distance <NAME>', 'Of the dense index: cosine, ip or l2.')
    .option('--json', 'Print JSON.')
  addMetricsOptions(addStatsOption(addChunkOptions(command)))
  addTableOptions(command, [...EMBEDDING, 'dimensions'])
  command.addHelpText('after', POSTGRES_HELP)
  examples(command, [
    'bge-m3 load postgres --table docs --text body --dense-column embedding --index',
    'with DATABASE_URL set',
  ])
  cli.action(command, async (_args, flags) => {
    const { runLoadPostgres } = await import('./postgres-run.js')
    return runLoadPostgres(cli.io, flags)
  })
  loadQdrantCommand(load, cli)
}
