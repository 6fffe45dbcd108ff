import { type Command, Option } from 'commander'
import { type Cli, examples } from '../shared/cli.js'
import { addTableOptions, LOADING } from '../shared/options.js'
import { addStatsOption } from '../shared/watch-options.js'

const SEARCH_HELP = `
Modes:
  hybrid   the best by meaning and by words, in one order (default)
  dense    by meaning: cosine of the dense vectors, exact
  sparse   by words: sum of the products of the weights of shared tokens, exact
The score is FlagEmbedding's: sparse+dense, dense or sparse; with --rerank colbert+sparse+dense;
with --rerank MODEL the relevance that the re-ranker sees, 0 to 1. With
--fusion rrf it is a sum of reciprocal ranks. Without --model the model is used that made the index.`

export function searchCommand(program: Command, cli: Cli): void {
  const command = program
    .command('search')
    .summary('Search an index of files.')
    .description('Search an index that `bge-m3 index` made.')
    .argument('<query>', 'What to look for.')
    .requiredOption('-s, --store <DIR>', 'Folder of the index.')
    .option('-n, --limit <N>', 'The most hits. Default: 10.')
    .addOption(new Option('--mode <MODE>', 'How to rank.').choices(['hybrid', 'dense', 'sparse']))
    .addOption(
      new Option('--fusion <HOW>', 'How hybrid joins its two lists. Default: weighted.').choices([
        'weighted',
        'rrf',
      ]),
    )
    .option('-w, --weights <D,S,C>', 'Weights of dense, sparse and colbert. Default: 1,1,1.')
    .option('--rerank [MODEL]', 'Put the best in order by a re-ranker, or without one by ColBERT.')
    .option('--candidates <N>', 'How many --rerank puts in order. Default: 20.')
    .option('--json', 'Print JSON.')
  addStatsOption(command)
  addTableOptions(command, LOADING)
  command.addHelpText('after', SEARCH_HELP)
  examples(
    command,
    ['bge-m3 search "how do I resume?" --store .bge-m3', 'ten hits: path:line, score, text'],
    ['bge-m3 search "error 1034" --store .bge-m3 --mode sparse -n 3', 'by words'],
    ['bge-m3 search "a question" --store .bge-m3 --rerank --json', 'for a program'],
    ['bge-m3 search "a question" --store .bge-m3 --rerank reranker.gguf', 'by a cross-encoder'],
  )
  cli.action(command, async (args, flags) => {
    const { runSearch } = await import('./run.js')
    return runSearch(cli.io, args, flags)
  })
}
