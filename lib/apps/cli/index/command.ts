import type { Command } from 'commander'
import { type Cli, examples } from '../shared/cli.js'
import { addTableOptions, LOADING } from '../shared/options.js'
import { addStatsOption } from '../shared/watch-options.js'

const INDEX_HELP = `
Looks at every text (.txt .md .rst .adoc .org .tex ..., and names without an ending), Markdown and HTML
(.html .htm .xhtml) file under DIR, cuts it into chunks, and embeds what the index does not know. The
second time only new texts are embedded, and what is gone is taken out. Stopped or killed, run it again:
it goes on where it was. \`bge-m3 search\` works meanwhile.

Left out: hidden files, node_modules, what git would leave out (.gitignore, and .ignore), symbolic links,
binary files, files over 10 MB, other endings. The summary says how many of each.

Needs the package libsql (npm install libsql), and for HTML htmlparser2.`

const collect = (value: string, before: string[] = []) => [...before, value]

export function indexCommand(program: Command, cli: Cli): void {
  const command = program
    .command('index')
    .summary('Index the files of a folder for search.')
    .description('Index the text, Markdown and HTML files of a folder for search.')
    .argument('<dir>', 'The folder, or one file.')
    .requiredOption('-s, --store <DIR>', 'Folder of the index; made if it is not there.')
    .option('--include <PATTERN>', 'Also files such as *.js; may be repeated.', collect)
    .option('--exclude <PATTERN>', 'Leave out files such as drafts/**; may be repeated.', collect)
    .option('--hidden', 'Also files and folders whose names begin with a dot.')
    .option('--no-gitignore', 'Do not obey .gitignore and .ignore files.')
    .option('--follow', 'Follow symbolic links.')
    .option('--max-file-size <SIZE>', 'Leave out larger files. Default: 10MB.')
    .option('--chunk-tokens <TOKENS>', 'The most tokens of a chunk. Default: 500, or as before.')
    .option('--overlap <TOKENS>', 'Tokens that a chunk repeats. Default: 50, or as before.')
    .option('--rebuild', 'Empty the index first: for another model or other chunks.')
    .option('--forget', 'Take what lies under <dir> out of the index, and do nothing else.')
    .option('--json', 'Print JSON.')
  addStatsOption(command)
  addTableOptions(command, [...LOADING, 'batchTokens'])
  command.addHelpText('after', INDEX_HELP)
  examples(
    command,
    ['bge-m3 index docs --store .bge-m3', 'then: bge-m3 search "a question" --store .bge-m3'],
    ['bge-m3 index . --store ../notes.index --exclude "drafts/**" --include "*.log"', 'patterns'],
  )
  cli.action(command, async (args, flags) => {
    const { runIndex } = await import('./run.js')
    return runIndex(cli.io, args, flags)
  })
}
