import type { Command } from 'commander'
import { type Cli, examples } from '../shared/cli.js'
import { addTableOptions, EMBEDDING, integer } from '../shared/options.js'
import { addStatsOption } from '../shared/watch-options.js'

const FILES_HELP = `
Retrieval (--corpus, --queries, --qrels: the layout of BEIR):
  corpus   JSON Lines with "_id" (or "id"), "text" and, put in front of it, "title"
  queries  JSON Lines with "_id" and "text"; only those that are judged count
  qrels    lines of query-id, corpus-id, score (with or without a header), or TREC's four columns; a
           score above zero is relevant
Measures are recall@1, @10 and @100, nDCG@10 and MRR@10 as trec_eval defines them, and in --json
accuracy@1 and @10 (its success), precision@10 and MAP@100 too. Dense and sparse rank the whole corpus;
colbert, hybrid and reranker (with --rerank) put in order the --candidates best documents by dense +
sparse: what their nDCG is above that of dense is what they bring. The corpus streams by (once more for
colbert, and for a re-ranker), so memory does not grow with its texts.

Similarity (--sts): TSV with the columns sentence1, sentence2, score (with a header in any order, or
these three), or JSON Lines with these members. Spearman's and Pearson's correlation.

Golden sets (--golden FILE with --input TEXTS): --save writes what the texts give now; without it the
texts are embedded again and compared, and the exit code is 1 if any drifted (1 - cosine) beyond
--tolerance, is missing, or has another text. The file holds ids, vectors and checksums of the texts.

Intervals are 95 % bootstrap intervals over queries or pairs.`

export function evaluateCommand(program: Command, cli: Cli): void {
  const command = program
    .command('evaluate')
    .summary('Measure how well the model retrieves, or whether it still gives what it gave.')
    .description(
      'Measure retrieval and similarity on data sets given as files, all outputs side by side; or compare with a golden set.',
    )
    .option('--corpus <FILE>', 'Documents, JSON Lines.')
    .option('--queries <FILE>', 'Queries, JSON Lines.')
    .option('--qrels <FILE>', 'Which documents are relevant to which queries.')
    .option('--sts <FILE>', 'Pairs of sentences with a similarity score.')
    .option('--golden <FILE>', 'Compare with this golden set, or with --save write it.')
    .option('-i, --input <FILE>', 'The texts of the golden set: JSON Lines, or a text a line.')
    .option('--save', 'Write the golden set.')
    .option('--colbert', 'Keep ColBERT in a golden set too (2 kB a token and more).')
    .option('--no-colbert', 'Leave ColBERT out: one pass over the corpus instead of two.')
    .option('--tolerance <DRIFT>', "The largest 1 - cosine that passes. Default: the golden set's.")
    .option(
      '-w, --weights <D,S,C>',
      'Weights of dense, sparse and colbert in hybrid. Default: 1,1,1.',
    )
    .option('--rerank <MODEL>', 'Also put the candidates in order by this re-ranker.')
    .option('--candidates <N>', 'Documents of a query to put in order.', integer(1, 10_000), 100)
    .option(
      '--ignore-unknown',
      'Take judged documents that are not there as not found, and leave out such queries.',
    )
    .option('--exclude-self', 'A query does not find the document with its own id.')
    .option(
      '--seed <N>',
      'Another seed draws other samples for the confidence intervals.',
      integer(0, 0xffffffff),
      0,
    )
    .option('--json', 'Print JSON instead of a table.')
  addStatsOption(command)
  addTableOptions(command, [...EMBEDDING, 'batchTokens'])
  command.addHelpText('after', FILES_HELP)
  examples(
    command,
    [
      'bge-m3 evaluate --corpus corpus.jsonl --queries queries.jsonl --qrels qrels/test.tsv --truncate',
      'a data set of BEIR',
    ],
    [
      'bge-m3 evaluate --corpus c.jsonl --queries q.jsonl --qrels r.tsv --rerank reranker.gguf',
      'nDCG before and after a re-ranker',
    ],
    ['bge-m3 evaluate --sts sts.tsv --json', 'similarity, for a program'],
    ['bge-m3 evaluate --golden golden.json --input texts.jsonl --save', 'once'],
    ['bge-m3 evaluate --golden golden.json --input texts.jsonl', 'in CI: exit code 1 on a change'],
  )
  cli.action(command, async (_args, flags) => {
    const { runEvaluate } = await import('./run.js')
    return runEvaluate(cli.io, flags)
  })
}
