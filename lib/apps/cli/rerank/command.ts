import { type Command, Option } from 'commander'
import { type Cli, examples } from '../shared/cli.js'
import { addTableOptions, EMBEDDING, integer } from '../shared/options.js'
import { addTextOptions } from '../shared/texts.js'

const ABOUT = `
With --model RERANKER, a cross-encoder such as bge-reranker-v2-m3, the score is its logit and the
relevance its sigmoid. With an embedder the score is that of its outputs: --by and --weights.
--truncate cuts the end off documents, and of a query what is more than 3/4 of the limit.`

export function rerankCommand(program: Command, cli: Cli): void {
  const command = program
    .command('rerank')
    .summary('Put documents in the order in which they answer a query.')
    .description('Put documents in the order in which they answer a query, best first.')
    .argument('<query>', 'The query.')
  addTextOptions(command)
  command
    .option('-n, --top-n <N>', 'The best so many alone.', integer(1, 1_000_000_000))
    .addOption(
      new Option('--by <SCORE>', 'Of an embedder: which score. Default: hybrid.').choices([
        'dense',
        'sparse',
        'colbert',
        'hybrid',
      ]),
    )
    .option('-w, --weights <D,S,C>', 'Weights of dense, sparse and colbert in hybrid.')
    .option('--json', 'Print JSON instead of a table.')
  addTableOptions(command, EMBEDDING)
  command.addHelpText('after', ABOUT)
  examples(
    command,
    ['bge-m3 rerank "what is a panda?" "hi" "A bear of China."', "by bge-m3's own outputs"],
    [
      'bge-m3 rerank "a query" --input texts.txt --model reranker.gguf -n 10',
      'the best ten, by a re-ranker',
    ],
  )
  cli.action(command, async (args, flags) => {
    const { runRerank } = await import('./run.js')
    return runRerank(cli.io, args, flags)
  })
}
