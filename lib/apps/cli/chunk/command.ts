import type { Command } from 'commander'
import { DEFAULT_MAX_TOKENS } from '../../../chunking/chunk-text.js'
import { type Cli, examples } from '../shared/cli.js'
import { addTableOptions, integer } from '../shared/options.js'
import { addTextOptions } from '../shared/texts.js'

const OUTPUT_HELP = `
Output: JSON Lines, a line per chunk, which "bge-m3 embed -i" reads:
  {"id": "a#0", "document": "a", "part": 0, "start": 0, "end": 1980, "tokenCount": 412, "text": ...}
"start" and "end" are UTF-16 units of the text. A chunk ends behind a paragraph, else a sentence, a
line, a word. No weights are loaded: the model's tokenizer alone counts.`

export function chunkCommand(program: Command, cli: Cli): void {
  const command = program
    .command('chunk')
    .summary('Cut long texts into chunks.')
    .description("Cut long texts into chunks of so many of the model's tokens.")
  addTextOptions(command)
    .option('-o, --output <FILE>', 'Write to FILE instead of standard output.')
    .option(
      '--max-tokens <TOKENS>',
      `The most tokens of a chunk, <s> and </s> included. Default: ${DEFAULT_MAX_TOKENS}, or what the model takes.`,
      integer(3, 1e9),
    )
    .option(
      '--overlap <TOKENS>',
      'Tokens that a chunk repeats of the one before. Default: 50.',
      integer(0, 1e9),
    )
    .option('--fields', 'Repeat the other members or columns of each record.')
  addTableOptions(command, ['model', 'cacheDir', 'logLevel'])
  command.addHelpText('after', OUTPUT_HELP)
  examples(
    command,
    ['bge-m3 chunk -i books.jsonl -o chunks.jsonl', 'chunks of at most 500 tokens'],
    ['bge-m3 chunk --max-tokens 200 --overlap 0 < guide.txt', 'a chunk a line, none repeated'],
  )
  cli.action(command, async (texts, flags) => {
    const { runChunk } = await import('./run.js')
    return runChunk(cli.io, texts, flags)
  })
}
