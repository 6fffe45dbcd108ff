import type { Command } from 'commander'
import { type Cli, examples } from '../shared/cli.js'
import { addTableOptions } from '../shared/options.js'
import { addTextOptions } from '../shared/texts.js'

const OUTPUT_HELP = `
Output: JSON Lines, a line per text in input order:
  {"id": ..., "ids": [...], "truncated": false}
with the ids that go through the model, <s> and </s> included, and with --pieces
  "pieces": [{"piece": "▁What", "start": 0, "end": 4}, ...]
No text is too long here, unless --max-tokens says so; --truncate alone cuts at what the model takes.`

export function tokenizeCommand(program: Command, cli: Cli): void {
  const command = program
    .command('tokenize')
    .summary("Turn texts into the model's token ids.")
    .description("Turn texts into the model's token ids.")
  addTextOptions(command)
    .option('-o, --output <FILE>', 'Write to FILE instead of standard output.')
    .option('--pieces', "Also each token's piece, and its place in the text, in UTF-16 units.")
  addTableOptions(command, ['model', 'maxTokens', 'truncate', 'cacheDir', 'logLevel'])
  command.addHelpText('after', OUTPUT_HELP)
  examples(
    command,
    ['bge-m3 tokenize "What is BGE M3?"', 'the ids of one text'],
    ['bge-m3 tokenize -i corpus.jsonl --max-tokens 512', 'texts over 512 tokens are errors'],
  )
  cli.action(command, async (texts, flags) => {
    const { runTokenize } = await import('./run.js')
    return runTokenize(cli.io, texts, flags)
  })
}
