import type { Command } from 'commander'
import { type Cli, examples } from '../shared/cli.js'
import { addTableOptions, integer, LOADING } from '../shared/options.js'

const MCP_HELP = `
Tools:
  search         the best chunks for a query: id, path, lines, score, snippet
  read_chunk     the text of a chunk by its id, and of its neighbours
  index_status   files, chunks and model of the index
They read the index and nothing else: no file is opened, whatever path is asked for. The index may be
brought up to date meanwhile, by \`bge-m3 index\`. Without --port the protocol goes over stdin and stdout,
and the server ends when stdin does. With --port it is streamable HTTP, for this machine alone.

Needs the packages libsql, @modelcontextprotocol/sdk and zod (npm install them).`

export function mcpCommand(program: Command, cli: Cli): void {
  const command = program
    .command('mcp')
    .summary('Serve an index to agents, over the Model Context Protocol.')
    .description(
      'Serve an index that `bge-m3 index` made to agents, over the Model Context Protocol.',
    )
    .requiredOption('-s, --store <DIR>', 'Folder of the index.')
    .option(
      '-p, --port <PORT>',
      'HTTP at http://127.0.0.1:N/mcp; 0 takes a free one.',
      integer(0, 65_535),
    )
  addTableOptions(command, LOADING)
  command.addHelpText('after', MCP_HELP)
  examples(
    command,
    ['bge-m3 mcp --store .bge-m3', 'what an agent starts'],
    ['bge-m3 mcp --store .bge-m3 --port 3333', 'for several agents: http://127.0.0.1:3333/mcp'],
  )
  cli.action(command, async (_args, flags) => {
    const { runMcp } = await import('./run.js')
    return runMcp(cli.io, flags)
  })
}
