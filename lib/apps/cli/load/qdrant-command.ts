import type { Command } from 'commander'
import { type Cli, examples } from '../shared/cli.js'
import { addChunkOptions } from '../shared/cutting.js'
import { addTableOptions, EMBEDDING } from '../shared/options.js'
import { addInputOptions } from '../shared/texts.js'
import { addMetricsOptions, addStatsOption } from '../shared/watch-options.js'

const QDRANT_HELP = `
Input: JSON Lines with "text" and "id" or "_id" (a "title" is put in front of the text), a JSON array of
such objects or of strings, a table with --text-field, or a text a line; a text without an id gets its
index. The collection is created if it is missing, and checked if it is not.

A point's id is made from the item's id, so a text that is loaded twice is stored once. Stopped or killed,
run it again: what is stored with the same text, model and options is skipped. Of items with the same id the
last one stays. Items that could not be embedded are named at the end.

The API key is read from QDRANT_API_KEY, and shown nowhere.`

export function loadQdrantCommand(load: Command, cli: Cli): void {
  const command = load
    .command('qdrant')
    .summary('Fill a Qdrant collection with the texts of a file.')
    .description('Fill a Qdrant collection with the texts of a file.')
    .option('-i, --input <FILE>', 'Read texts from FILE; - is standard input.', '-')
  addInputOptions(command)
    .option('--url <URL>', 'Address, such as http://localhost:6333. Default: QDRANT_URL.')
    .requiredOption('--collection <NAME>', 'Collection to fill.')
    .option('--dense', 'Store dense vectors. [BGE_M3_OUTPUTS]')
    .option('--sparse', 'Store lexical weights.')
    .option('--colbert', 'Store multi-vectors, for reranking.')
    .option('--dense-name <NAME>', 'Name of the dense vector.', 'dense')
    .option('--sparse-name <NAME>', 'Name of the sparse vector.', 'sparse')
    .option('--colbert-name <NAME>', 'Name of the multi-vector.', 'colbert')
    .option('--no-text', 'Keep the texts out of the payloads.')
    .option('--no-create', 'Fail when the collection is missing.')
    .option('--again', 'Embed and write also what is stored already.')
    .option('--batch-points <POINTS>', 'Points of a batch. Default: 64.')
    .option('--max-request-bytes <BYTES>', 'Size of a request at most. Default: 16777216.')
    .option('--json', 'Print JSON.')
  addMetricsOptions(addStatsOption(addChunkOptions(command)))
  addTableOptions(command, [...EMBEDDING, 'dimensions'])
  command.addHelpText('after', QDRANT_HELP)
  examples(
    command,
    [
      'bge-m3 load qdrant -i corpus.jsonl --collection docs --dense --sparse --colbert',
      'with QDRANT_URL set',
    ],
    [
      'bge-m3 load qdrant -i corpus.jsonl --url http://localhost:6333 --collection docs',
      'dense only',
    ],
  )
  cli.action(command, async (_args, flags) => {
    const { runLoadQdrant } = await import('./qdrant-run.js')
    return runLoadQdrant(cli.io, flags)
  })
}
