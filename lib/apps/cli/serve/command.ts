import { type Command, Option } from 'commander'
import { environmentName, OPTION_NAMES, OPTIONS } from '../../../options/table.js'
import {
  parseServerOption,
  SERVER_OPTION_NAMES,
  SERVER_OPTIONS,
} from '../../server/core/options.js'
import { type Cli, examples } from '../shared/cli.js'
import { addTableOptions } from '../shared/options.js'

const SERVE_HELP = `
Endpoints: POST /v1/embeddings (OpenAI's), /embed, /embed_sparse, /rerank, /tokenize (TEI's),
/v1/embed_all, /similarity; GET /health, /ready, /metrics, /stats, /docs, and a page at /.
A flag wins over the environment, the environment over the file that --config names. On SIGTERM or
Ctrl-C what was accepted is answered and the exit code is 0; a second one ends at once.`

const kebab = (name: string) => name.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`)

export function serveCommand(program: Command, cli: Cli): void {
  const command = program
    .command('serve')
    .summary('Serve embeddings over HTTP.')
    .description('Serve embeddings over HTTP, in the ways of OpenAI and text-embeddings-inference.')
    .option(
      '--config <FILE>',
      'JSON file of options, named as here: {"port": 8080, "maxItems": 64}.',
    )
  for (const name of SERVER_OPTION_NAMES) {
    const { doc, kind, placeholder } = SERVER_OPTIONS[name]
    const variable = `[${environmentName(name)}]`
    if (placeholder === undefined) {
      command.addOption(new Option(`--no-${kebab(name)}`, `Leave out: ${doc} ${variable}`))
      continue
    }
    const flag = `--${kebab(name)}`
    const choices = kind.allowed.startsWith('one of') ? ` (${kind.allowed})` : ''
    command.addOption(
      new Option(`${flag} <${placeholder}>`, `${doc}${choices} ${variable}`)
        // the value stays text, so that it is parsed in one place, with the environment's
        .argParser((text) => {
          parseServerOption(name, text, flag)
          return text
        }),
    )
  }
  addTableOptions(
    command,
    OPTION_NAMES.filter((name) => ['load', 'both'].includes(OPTIONS[name].scope)),
  )
  command.addHelpText('after', SERVE_HELP)
  examples(
    command,
    ['bge-m3 serve', 'http://127.0.0.1:8080, for this machine'],
    ['BGE_M3_API_KEY=secret bge-m3 serve --host 0.0.0.0', 'for the network, with a key'],
    ['bge-m3 serve --tls-cert cert.pem --tls-key key.pem --port 8443', 'HTTPS'],
  )
  cli.action(command, async (_args, flags) => {
    const { runServe } = await import('./run.js')
    return runServe(cli.io, flags)
  })
}
