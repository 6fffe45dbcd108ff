import { type Command, Option } from 'commander'
import { type Cli, examples } from '../shared/cli.js'
import { addChunkOptions } from '../shared/cutting.js'
import { addTableOptions, EMBEDDING } from '../shared/options.js'
import { addTextOptions } from '../shared/texts.js'
import { addStatsOption } from '../shared/watch-options.js'

const OUTPUT_HELP = `
Output: JSON Lines, a line per text in input order:
  {"id": ..., "dense": [...], "sparse": {"indices": [...], "values": [...]}, "colbert": [[...], ...], "tokenCount": n}
or, for a text that failed, {"id": ..., "error": {"code", "message"}}. Without --dense, --sparse or
--colbert it is dense alone. --format npy writes the dense vectors as a NumPy matrix (float32 or
float16); a text that failed is a row of NaN.

With --chunk a line is a chunk: "id" is that of the text with #0, #1 ..., and "document", "part", "start"
and "end" say where it lies, in UTF-16 units.

Beside an --output FILE, FILE.meta.json names the model, its fingerprint and the options.

--resume keeps the whole items that a run which was killed or interrupted left in --output, cuts off what
is torn, and goes on with the same input. It refuses a FILE that another input, model or options made:
some embeddings are made again and must be equal to the byte.`

export function embedCommand(program: Command, cli: Cli): void {
  const command = program
    .command('embed')
    .summary('Turn texts into embeddings.')
    .description('Turn texts into embeddings.')
  addTextOptions(command)
    .option('-o, --output <FILE>', 'Write to FILE instead of standard output.')
    .addOption(
      new Option('-f, --format <FORMAT>', 'Output format.')
        .choices(['jsonl', 'npy'])
        .default('jsonl'),
    )
    .option('--resume', 'Go on with FILE where a run that was cut off ended.')
    .option('--dense', 'Give dense vectors: one per text. [BGE_M3_OUTPUTS]')
    .option('--sparse', 'Give sparse weights: one per distinct token.')
    .option('--colbert', 'Give multi-vectors: one per token.')
    .option('--fields', 'Repeat the other members or columns of each record.')
    .option('--min-quality <SCORE>', 'Vectors whose soundness (0 to 1) is below it are failures.')
    .option('--no-header', 'Do not say in FILE.meta.json which model and options made FILE.')
  addStatsOption(addChunkOptions(command))
  addTableOptions(command, [
    ...EMBEDDING,
    'prompt',
    'batchTokens',
    'dimensions',
    'precision',
    'normalize',
  ])
  command.addHelpText('after', OUTPUT_HELP)
  examples(
    command,
    ['bge-m3 embed "What is BGE M3?"', 'one text, its dense vector on stdout'],
    ['bge-m3 embed -i corpus.jsonl -o vectors.jsonl --dense --sparse', 'a corpus, two outputs'],
    ['bge-m3 embed -i books.jsonl -o vectors.jsonl --chunk', 'long texts, a vector a chunk'],
    ['bge-m3 embed -i lines.txt -o vectors.npy -f npy', 'a matrix for NumPy'],
    ['bge-m3 embed -i corpus.jsonl -o vectors.jsonl --resume', 'go on after a crash, or begin'],
    ['cat lines.txt | bge-m3 embed --truncate | head -n 1', 'in a pipe; long texts are cut'],
  )
  cli.action(command, async (texts, flags) => {
    const { runEmbed } = await import('./run.js')
    return runEmbed(cli.io, texts, flags)
  })
}
