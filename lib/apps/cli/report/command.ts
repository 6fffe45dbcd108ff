import { type Command, Option } from 'commander'
import { type Cli, examples } from '../shared/cli.js'

const REPORT_HELP = `
The report shows, as far as it is given: whether the vectors are sound, the model and how its run went
(--run), several runs side by side (records as arguments; no --input is needed then), a map of the
embedding space in two and three dimensions, the comparison with another set of the same ids
(--compare), and the figures of bge-m3 evaluate --json (--evaluation). It is one HTML file that needs no
network and no other file. With --texts, starts of texts and metadata are part of it.`

export function reportCommand(program: Command, cli: Cli): void {
  const command = program
    .command('report')
    .summary('Make an HTML report of embeddings.')
    .description('Make an HTML report of embeddings, in one file that works without a network.')
    .argument('[record...]', 'Records of runs, which --stats writes, to show side by side.')
    .option('-i, --input <FILE>', 'Embeddings: JSON Lines as bge-m3 embed writes them, or .npy.')
    .requiredOption('-o, --output <FILE>', 'The HTML file to write.')
    .option('--run <FILE>', 'Record of the run that made them, which --stats writes.')
    .option('--compare <FILE>', 'Embeddings of the same ids to compare with.')
    .option('--evaluation <FILE>', 'What bge-m3 evaluate --json printed.')
    .option('--texts <FILE>', 'The file that was embedded: for search, and metadata for colours.')
    .option('--title <TEXT>', 'Title of the report.')
    .addOption(
      new Option('--map <KIND>', 'pca is quicker and needs no umap-js.')
        .choices(['umap', 'pca', 'none'])
        .default('umap'),
    )
    .option('--seed <N>', 'The same seed gives the same report.', '1')
    .option('--json', 'Print what was made as JSON.')
    .addHelpText('after', REPORT_HELP)
  examples(
    command,
    ['bge-m3 report -i vectors.jsonl -o report.html', 'soundness and a map'],
    [
      'bge-m3 report -i vectors.jsonl --texts corpus.jsonl --run run.json -o report.html',
      'with the run, and search by text',
    ],
    ['bge-m3 report monday.json tuesday.json -o runs.html', 'two runs side by side'],
    ['bge-m3 report -i float32.jsonl --compare int8.jsonl -o report.html', 'two sets side by side'],
  )
  cli.action(command, async (records, flags) => {
    const { runReport } = await import('./run.js')
    return runReport(cli.io, records, flags)
  })
}
