/**
 * One table of the server's options: type, default, doc; the flag is the name in kebab-case, the
 * environment variable `BGE_M3_` + the name in capitals. Load options (`model`, `threads` ...) are in
 * `lib/options/table.ts`; a configuration file may hold both.
 */

import { InvalidInputError } from '../../../common/errors.js'
import { shown } from '../../../common/given.js'
import {
  count,
  duration,
  type Kind,
  model,
  oneOf,
  path,
  size,
  toggle,
} from '../../../options/kinds.js'
import { type Environment, environmentName } from '../../../options/table.js'
import { list, text } from './option-kinds.js'

interface ServerOptionSpec<T> {
  readonly kind: Kind<T>
  /** `undefined`: not set. */
  readonly default: T | undefined
  /** What stands for the value in a help text; `undefined` for a toggle. */
  readonly placeholder: string | undefined
  readonly doc: string
}

function spec<T, Default extends T | undefined>(
  kind: Kind<T>,
  defaultValue: Default,
  placeholder: string | undefined,
  doc: string,
): ServerOptionSpec<T> & { readonly default: Default } {
  return { kind, default: defaultValue, placeholder, doc }
}

/** All options of the server: kind, default and help text of each. */
export const SERVER_OPTIONS = {
  host: spec(
    text,
    '127.0.0.1',
    'HOST',
    'Address to listen on; 0.0.0.0 for all. Default: 127.0.0.1.',
  ),
  port: spec(
    count(0, 65_535),
    8080,
    'PORT',
    'Port to listen on; 0 for any that is free. Default: 8080.',
  ),
  apiKey: spec(
    list(text),
    undefined,
    'KEY,...',
    'Keys that clients must have one of; in a command line others on this machine see them, so better in the environment or in --api-key-file. Default: none, everybody may.',
  ),
  apiKeyFile: spec(path, undefined, 'FILE', 'File with a key a line. Default: none.'),
  cors: spec(
    list(text),
    undefined,
    'ORIGIN,...',
    'Origins whose pages may call, or * for all. Default: none.',
  ),
  tlsCert: spec(
    path,
    undefined,
    'FILE',
    'PEM file of the certificate chain: with --tls-key, HTTPS. Default: none.',
  ),
  tlsKey: spec(path, undefined, 'FILE', 'PEM file of the certificate’s key. Default: none.'),
  allowedHosts: spec(
    list(text),
    undefined,
    'HOST,...',
    'Host names that requests may be for, beside localhost and loopback addresses. Default: any; none on a loopback address without a key.',
  ),
  bodyLimit: spec(size(1024), 2_000_000, 'SIZE', 'The largest body of a request. Default: 2MB.'),
  maxItems: spec(count(1, 1_000_000), 2048, 'N', 'The most texts in a request. Default: 2048.'),
  maxRequestTokens: spec(
    count(1, 100_000_000),
    300_000,
    'TOKENS',
    'The most tokens in a request, over all its texts. Default: 300000.',
  ),
  concurrency: spec(
    count(1, 10_000),
    64,
    'N',
    'Requests with the embedder at a time; their texts share batches. Default: 64.',
  ),
  queue: spec(
    count(0, 100_000),
    512,
    'N',
    'Requests that may wait for their turn; more get 429. Default: 512.',
  ),
  maxConnections: spec(count(1, 1_000_000), 4096, 'N', 'Connections at a time. Default: 4096.'),
  requestMemory: spec(
    size(1_000_000),
    256_000_000,
    'SIZE',
    'Memory for bodies, and again for answers, on their way: what is over it waits or gets 429, an answer that is larger by itself 413. Default: 256MB.',
  ),
  requestTimeout: spec(
    duration(1),
    300_000,
    'DURATION',
    'The longest a request may take, waiting included; one line of NDJSON where that is asked for. Default: 5min.',
  ),
  drainTimeout: spec(
    duration(0),
    30_000,
    'DURATION',
    'How long accepted requests may take after SIGTERM. Default: 30s.',
  ),
  servedModelName: spec(
    text,
    undefined,
    'NAME',
    'What answers call the model. Default: the name in its file.',
  ),
  truncate: spec(
    oneOf('error', 'end'),
    undefined,
    'WHAT',
    'A text that is too long, where a request does not say: refused (error), or cut at its end. Default: error.',
  ),
  rerankModel: spec(
    model,
    undefined,
    'MODEL',
    'A re-ranker that /rerank and /predict answer with: GGUF file, name or hf:OWNER/REPOSITORY. Default: none.',
  ),
  rerank: spec(
    oneOf('colbert', 'hybrid', 'dense', 'sparse'),
    'colbert',
    'SCORE',
    'What /rerank scores by without a re-ranker. Default: colbert, or dense for a model without heads.',
  ),
  reference: spec(
    path,
    undefined,
    'FILE',
    'Texts, one a line, that drift is measured against. Default: sixteen built-in sentences.',
  ),
  driftInterval: spec(
    duration(0),
    300_000,
    'DURATION',
    'How often the reference texts are embedded again, if there was work since; 0 for never. Default: 5min.',
  ),
  publicMetrics: spec(toggle, false, undefined, 'GET /metrics needs no key. Default: off.'),
  compress: spec(
    toggle,
    false,
    undefined,
    'Answers as gzip or, where this Node has it, zstd to clients that take them; for slow networks. Default: off.',
  ),
  page: spec(toggle, true, undefined, 'The page at /. Default: on.'),
  docs: spec(
    toggle,
    true,
    undefined,
    'The OpenAPI document at /openapi.json, and /docs, which shows it. Default: on.',
  ),
  logLevel: spec(
    oneOf('silent', 'error', 'warn', 'info', 'debug'),
    'info',
    'LEVEL',
    'What is logged, as JSON lines on stderr; no line holds a text. Default: info.',
  ),
} satisfies Record<string, ServerOptionSpec<unknown>>

/** Names of the server's options. */
export type ServerOptionName = keyof typeof SERVER_OPTIONS

type Table = typeof SERVER_OPTIONS
type ValueOf<S> = S extends ServerOptionSpec<infer T> ? T : never

/** Options that have been read and checked; absent where nothing was said. */
export type ServerOptionValues = { [K in ServerOptionName]?: ValueOf<Table[K]> | undefined }

/** All options, defaults filled in; `undefined` only where the table has no default. */
export type ServerConfig = {
  readonly [K in ServerOptionName]: ValueOf<Table[K]> | Table[K]['default']
}

export const SERVER_OPTION_NAMES = Object.keys(SERVER_OPTIONS) as readonly ServerOptionName[]

/**
 * An option's value from text, as the environment or the command line gives it.
 *
 * @throws InvalidInputError that names `label` and what it may hold
 */
export function parseServerOption(name: ServerOptionName, value: string, label: string): unknown {
  const { kind } = SERVER_OPTIONS[name]
  const parsed = kind.parse(value)
  if (parsed !== undefined) return parsed
  // keys are secrets
  const shown = name === 'apiKey' || value.length > 60 ? '' : `, not ${JSON.stringify(value)}`
  throw new InvalidInputError(`${label} must be ${kind.allowed}${shown}.`)
}

/** The options that the environment sets. A variable that is empty counts as not set. */
export function readServerEnvironment(env: Environment = process.env): ServerOptionValues {
  const values: Record<string, unknown> = {}
  for (const name of SERVER_OPTION_NAMES) {
    const variable = environmentName(name)
    const value = env[variable]
    if (value) values[name] = parseServerOption(name, value, variable)
  }
  return values as ServerOptionValues
}

/**
 * Checks the options of this table among those that a program or a file gives.
 *
 * @param label how to name one of them in an error
 */
export function checkServerOptions(
  given: Readonly<Record<string, unknown>>,
  label = (name: string) => `The option \`${name}\``,
): ServerOptionValues {
  const values: Record<string, unknown> = {}
  for (const name of SERVER_OPTION_NAMES) {
    const value = given[name]
    if (value === undefined) continue
    const { kind } = SERVER_OPTIONS[name]
    const checked = kind.check(value)
    if (checked === undefined) {
      // keys are secrets
      const not = name === 'apiKey' ? '' : `, not ${shown(value)}`
      throw new InvalidInputError(`${label(name)} must be ${kind.allowed}${not}.`)
    }
    values[name] = checked
  }
  return values as ServerOptionValues
}

/** The first of `layers` that says something wins, and the defaults come last. */
export function mergeServerOptions(...layers: readonly ServerOptionValues[]): ServerConfig {
  const entries = SERVER_OPTION_NAMES.map((name) => [
    name,
    layers.find((layer) => layer[name] !== undefined)?.[name] ?? SERVER_OPTIONS[name].default,
  ])
  return Object.fromEntries(entries) as ServerConfig
}
