import type { Command } from 'commander'
import { type Cli, examples } from '../shared/cli.js'
import { addTableOptions, EMBEDDING } from '../shared/options.js'
import { addStatsOption } from '../shared/watch-options.js'

const MODES_HELP = `
The scores are FlagEmbedding's five:
  dense                  inner product of the dense vectors
  sparse                 sum, over the tokens in both, of the product of their weights
  colbert                mean, over the query's tokens, of the best match in the passage
  sparse+dense           weighted mean of the two
  colbert+sparse+dense   weighted mean of the three
A model without heads scores dense only.`

export function scoreCommand(program: Command, cli: Cli): void {
  const command = program
    .command('score')
    .summary('Score passages against a query.')
    .description('Score passages against a query, in all modes the model has.')
    .argument('<query>', 'The query.')
    .argument('<passage...>', 'The passages.')
    .option(
      '-w, --weights <D,S,C>',
      'Weights of dense, sparse and colbert in the means. Default: 1,1,1.',
    )
    .option('--json', 'Print JSON instead of a table.')
  addStatsOption(command)
  addTableOptions(command, EMBEDDING)
  command.addHelpText('after', MODES_HELP)
  examples(
    command,
    ['bge-m3 score "capital of France" "Paris is in France." "Bread is baked."', 'a table'],
    ['bge-m3 score --weights 0.4,0.2,0.4 --json "a query" "a passage"', "the model card's weights"],
  )
  cli.action(command, async (args, flags) => {
    const { runScore } = await import('./run.js')
    return runScore(cli.io, args, flags)
  })
}
