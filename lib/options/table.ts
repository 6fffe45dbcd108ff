/**
 * One table of every load and embed option that can be set from outside: its type, default, doc
 * and environment variable (`BGE_M3_` + the name in capitals: `batchTokens` is
 * `BGE_M3_BATCH_TOKENS`). The `--help` of commands and `doctor` read this table too, and
 * scripts/options.mjs writes `LoadOptions` and docs/environment.md from it. Options that hold functions
 * or objects (`logger`, `signal`, `onProgress`) have no variable and are not here.
 *
 * An option that is passed wins over the environment, which wins over the default. What shapes a result is set
 * from outside for commands and the server alone: a program would get other types than it was written for.
 */

import { InvalidInputError } from '../common/errors.js'
import { noOptions, shown, unknownOption } from '../common/given.js'
import {
  count,
  duration,
  type Kind,
  model,
  name,
  oneOf,
  path,
  pathOrOff,
  prompt,
  setOf,
  sha256,
  size,
  sizeOrOff,
  toggle,
} from './kinds.js'

/**
 * `load`: `Embedder.load`; `embed`: every call that embeds; `both`: a call may override the load;
 * `command`: commands alone.
 */
export type OptionScope = 'load' | 'embed' | 'both' | 'command'

/** Which commands have it as a flag: all that load a model, or all that embed texts they are given. */
export type Flag = 'loads' | 'embeds'

export interface OptionSpec<T, Default extends T | undefined = T | undefined> {
  readonly scope: OptionScope
  readonly kind: Kind<T>
  /** `undefined`: decided elsewhere, as `doc` says. */
  readonly default: Default
  /** For people: what it does and what its default means. */
  readonly doc: string
  readonly flag: Flag | undefined
  /** Results of calls depend on it: its variable speaks to commands and the server, to no program. */
  readonly shapesResult: boolean
}

function spec<T, Default extends T | undefined>(
  scope: OptionScope,
  kind: Kind<T>,
  defaultValue: Default,
  doc: string,
  flag?: Flag,
): OptionSpec<T, Default> {
  return { scope, kind, default: defaultValue, doc, flag, shapesResult: false }
}

function shaping<S extends object>(row: S): S {
  return { ...row, shapesResult: true }
}

const MB = 1_000_000
const GB = 1_000_000_000
const DAY = 86_400_000

/** Bytes of `memoryLimit` where neither anybody nor a container says less. */
export const DEFAULT_MEMORY_LIMIT = 2 * GB

export const OPTIONS = {
  model: spec(
    'load',
    model,
    undefined,
    'GGUF file, the directory it lies in, a name (`bge-m3 model list`) or hf:OWNER/REPOSITORY. Default: bge-m3.',
    'loads',
  ),
  download: spec(
    'load',
    toggle,
    undefined,
    'Fetch a model that is named and not here. Default: on, unless HF_HUB_OFFLINE or BGE_M3_OFFLINE is set.',
    'loads',
  ),
  heads: spec(
    'load',
    path,
    undefined,
    'Directory of sparse_linear.pt and colbert_linear.pt, or a GGUF that carries the heads. Default: in the model, or beside it.',
    'loads',
  ),
  threads: spec(
    'load',
    count(1, 1024),
    undefined,
    'Compute threads. Default: the real cores this process may use.',
    'loads',
  ),
  maxTokens: shaping(
    spec(
      'both',
      count(3, 1_048_576, 'TOKENS'),
      undefined,
      'The most tokens a text may have, <s> and </s> included. Default: what the model was made for (8192 for bge-m3).',
      'embeds',
    ),
  ),
  batchTokens: spec(
    'load',
    count(1, 1_048_576, 'TOKENS'),
    undefined,
    'Token budget of one batch. Default: the preset decides (512: beyond it packing gains no speed).',
  ),
  memoryLimit: spec(
    'load',
    size(16 * MB),
    undefined,
    'Memory for weights, context, cache, queue and results in flight. Default: 2GB, or what the container leaves.',
  ),
  maxPending: spec(
    'load',
    count(1, 1_000_000_000),
    1_000_000,
    'Texts that may wait; a call beyond that fails with QUEUE_FULL. Default: 1000000.',
  ),
  unloadAfter: spec(
    'load',
    duration(1),
    undefined,
    'Give the weights back after so long without work; the next call reads them again. Default: never, 60s with preset low-memory.',
  ),
  cache: spec(
    'both',
    sizeOrOff(64 * MB),
    undefined,
    'Size of the memory cache, or off; off in a call keeps it from both caches. Default: the preset decides (64MB).',
  ),
  diskCache: spec(
    'load',
    pathOrOff,
    false,
    'Directory of a cache on disk that outlives the process; `on` stands for one in the cache directory. Default: off.',
  ),
  diskCacheSize: spec(
    'load',
    size(1 * MB),
    1 * GB,
    'The most the disk cache may take. Default: 1GB.',
  ),
  cacheTtl: spec(
    'load',
    duration(1),
    30 * DAY,
    'How long a cached embedding is kept. Default: 30d.',
  ),
  cacheDir: spec(
    'load',
    path,
    undefined,
    'Directory for models, builds and caches. Default: the cache directory of the platform.',
    'loads',
  ),
  isa: spec(
    'load',
    name,
    'auto',
    'Instruction set of the kernels, as `bge-m3 doctor` lists them. Default: the best the processor has.',
  ),
  logLevel: spec(
    'command',
    oneOf('silent', 'error', 'warn', 'info', 'debug'),
    'warn',
    'What is logged on stderr, in a program where it gives no logger; what llama.cpp tells of a model is debug. Default: warn.',
    'loads',
  ),
  preset: spec(
    'load',
    oneOf('balanced', 'throughput', 'low-memory'),
    'balanced',
    'Defaults of other options: throughput is batches of 1024 tokens and a cache of 256MB; low-memory is 256 tokens, one batch at a time, a cache of 8MB and unloadAfter 60s. Default: balanced.',
  ),
  fallback: spec(
    'load',
    model,
    undefined,
    'Model that takes over when the first one cannot be used. Default: none.',
  ),
  retry: spec(
    'load',
    count(0, 10),
    1,
    'How often a failed item is tried again, alone. Default: 1.',
  ),
  verify: spec(
    'load',
    oneOf('auto', 'always', 'never'),
    'auto',
    'Checksum of the model file at load: once per change of the file, every time, or never. Default: auto.',
  ),
  sha256: spec(
    'load',
    sha256,
    undefined,
    'What the model file must hash to, whatever `verify` says. Default: what is recorded beside it.',
  ),
  outputs: shaping(
    spec(
      'embed',
      setOf('dense', 'sparse', 'colbert'),
      { dense: true, sparse: false, colbert: false },
      'The outputs to compute. Default: dense.',
    ),
  ),
  prompt: shaping(
    spec(
      'embed',
      prompt,
      undefined,
      "What goes in front of a text: query, passage, another prompt of the model, or { text }. Default: the model's own.",
    ),
  ),
  normalize: shaping(spec('embed', toggle, true, 'Dense vectors have length 1. Default: on.')),
  truncate: shaping(
    spec(
      'embed',
      oneOf('error', 'end'),
      'error',
      'A text over the limit is an error, or loses its end. Default: error.',
      'embeds',
    ),
  ),
  dimensions: shaping(
    spec(
      'embed',
      count(1, 65_536),
      undefined,
      'Cut dense and ColBERT vectors to so many dimensions. Default: all.',
    ),
  ),
  precision: shaping(
    spec(
      'embed',
      oneOf('float32', 'float16', 'int8', 'binary'),
      'float32',
      'Number format of dense and ColBERT vectors. Default: float32.',
    ),
  ),
  priority: spec(
    'embed',
    oneOf('interactive', 'bulk'),
    undefined,
    'Interactive work is computed before bulk work. Default: interactive for embed, bulk for streams.',
  ),
  timeout: spec('embed', duration(1), undefined, 'The longest a call may take. Default: no limit.'),
  onError: shaping(
    spec(
      'embed',
      oneOf('throw', 'collect'),
      undefined,
      'One failed text rejects the call, or is an error among the results. Default: throw, collect for chunks and documents.',
    ),
  ),
} satisfies Record<string, OptionSpec<unknown>>

export type OptionName = keyof typeof OPTIONS

type ValueOf<S> = S extends OptionSpec<infer T, infer _> ? T : never

/** Options that have been read and checked; absent where nothing was said. */
export type OptionValues = {
  [K in OptionName]?: ValueOf<(typeof OPTIONS)[K]> | undefined
}

/** All options, defaults filled in; `undefined` only where the table has no default. */
export type Config = {
  [K in OptionName]: ValueOf<(typeof OPTIONS)[K]> | (typeof OPTIONS)[K]['default']
}

export type Environment = Readonly<Record<string, string | undefined>>

export const OPTION_NAMES = Object.keys(OPTIONS) as readonly OptionName[]

const namesIn = (...scopes: readonly OptionScope[]): readonly string[] =>
  OPTION_NAMES.filter((name) => scopes.includes(OPTIONS[name].scope))
/** What `Embedder.load` takes. */
export const LOAD_NAMES = [
  ...namesIn('load', 'both'),
  'lazy',
  'optimizeFor',
  'logger',
  'onProgress',
  'onMemory',
  'signal',
]
/** What every call that embeds takes. */
export const CALL_NAMES = [...namesIn('embed', 'both'), 'calibration', 'signal', 'onProgress']

/** `batchTokens` -> `BGE_M3_BATCH_TOKENS`. */
export function environmentName(option: string): string {
  return `BGE_M3_${option.replace(/[A-Z]/g, (capital) => `_${capital}`).toUpperCase()}`
}

/** Variables that are set, and that a program does not follow. */
export function unheardVariables(env: Environment = process.env): string[] {
  return OPTION_NAMES.filter((option) => OPTIONS[option].shapesResult)
    .map(environmentName)
    .filter((variable) => env[variable])
}

/**
 * The options that the environment sets for commands and the server. A variable that is empty counts as not
 * set.
 *
 * @throws InvalidInputError that names the variable and what it may hold
 */
export function readEnvironment(env: Environment = process.env): OptionValues {
  return readVariables(env, OPTION_NAMES)
}

function readVariables(env: Environment, options: readonly OptionName[]): OptionValues {
  const values: Record<string, unknown> = {}
  for (const option of options) {
    const variable = environmentName(option)
    const text = env[variable]
    if (text) values[option] = parseOption(option, text, variable)
  }
  return values as OptionValues
}

/**
 * An option's value from text, as the environment or the command line gives it.
 *
 * @param label how the user named it, such as `--threads` or `BGE_M3_THREADS`
 */
export function parseOption<K extends OptionName>(
  option: K,
  text: string,
  label: string,
): NonNullable<OptionValues[K]> {
  const { kind } = OPTIONS[option]
  const value = kind.parse(text)
  if (value === undefined) {
    // Settings are not users' texts, so they may be shown; but a long one was hardly meant as one.
    const given = text.length <= 60 ? `, not ${JSON.stringify(text)}` : ''
    throw new InvalidInputError(`${label} must be ${kind.allowed}${given}.`)
  }
  return value as NonNullable<OptionValues[K]>
}

/**
 * Checks the options of this table among those that a program passed; others (`logger`, `signal`)
 * are left to their users, and an option that is `undefined` counts as not given.
 *
 * @param allowed the names that there are, and what takes them: any other is refused
 * @throws InvalidInputError that names the option and what it may be
 */
export function checkOptions(
  given: object,
  allowed?: { names: readonly string[]; of: string },
): OptionValues {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw noOptions(given, allowed?.of ?? 'the embedder')
  }
  const values: Record<string, unknown> = {}
  // what was given, and not the whole table: every call comes by
  for (const [option, value] of Object.entries(given)) {
    if (value === undefined) continue
    if (allowed && !allowed.names.includes(option)) {
      throw unknownOption(option, allowed.names, allowed.of)
    }
    if (!Object.hasOwn(OPTIONS, option)) continue
    const { kind } = OPTIONS[option as OptionName]
    const checked = kind.check(value)
    if (checked === undefined) {
      throw new InvalidInputError(
        `The option \`${option}\` must be ${kind.allowed}, not ${shown(value)}.`,
      )
    }
    values[option] = checked
  }
  return values as OptionValues
}

/** For a program: what was passed, else what the environment says, else the defaults. */
export function resolveOptions(given: object = {}, env: Environment = process.env): Config {
  const fromEnvironment = readVariables(
    env,
    OPTION_NAMES.filter((option) => !OPTIONS[option].shapesResult),
  )
  const passed = checkOptions(given)
  // the variable's checksum is not of a model that a program names
  if (passed.model !== undefined) delete fromEnvironment.sha256
  const entries = OPTION_NAMES.map((option) => [
    option,
    passed[option] ?? fromEnvironment[option] ?? OPTIONS[option].default,
  ])
  return Object.fromEntries(entries) as Config
}
