// What follows from the table of options (lib/options/table.ts): the type `LoadOptions`, and the table in
// docs/environment.md.
//   node scripts/options.mjs [--write]   without it: fails where a file says something else
import fs from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'
import { root } from './paths.mjs'

const { outputFiles } = await build({
  entryPoints: [path.join(root, 'lib', 'options', 'table.ts')],
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'node',
})
const source = Buffer.from(outputFiles[0].text).toString('base64')
const { OPTIONS, environmentName } = await import(`data:text/javascript;base64,${source}`)
const rows = Object.entries(OPTIONS)

/** `fallback` may be a function too, which no variable can hold. */
const types = { fallback: 'string | URL | FallbackFunction' }

const member = ([name, { kind, doc }]) =>
  `  /** ${doc} */\n  ${name}?: ${types[name] ?? kind.type} | undefined\n`

const loadOptions = `/** The options of \`Embedder.load\`. Written by scripts/options.mjs from the table: change that. */
import type { URL } from 'node:url'
import type { AbortSignalLike } from '../common/abort.js'
import type {
  DownloadProgress,
  FallbackFunction,
  Goals,
  Logger,
  MemoryReading,
} from '../common/types.js'

/** Options of \`Embedder.load\`. */
export interface LoadOptions {
${rows
  .filter(([, { scope }]) => scope === 'load' || scope === 'both')
  .map(member)
  .join(
    '',
  )}  /** Read the weights on first use instead of now. The file is checked for being there either way. */
  lazy?: boolean | undefined
  /**
   * Goals in units. They are measured at load, which takes as long as some 15 texts, and set batchTokens,
   * memoryLimit and cache where these are not given; \`info.plan\` says which are met.
   */
  optimizeFor?: Goals | undefined
  /** Where warnings and llama.cpp's own log go. Default: stderr, from the level of BGE_M3_LOG_LEVEL (warn) on. */
  logger?: Logger | undefined
  /** Called as a model is fetched or converted; with bytes, rate and time left. */
  onProgress?: ((progress: DownloadProgress) => void) | undefined
  /** Called when memory gets short and batches smaller, and when there is enough again. */
  onMemory?: ((reading: MemoryReading) => void) | undefined
  /** Gives up loading; the call rejects with its reason. */
  signal?: AbortSignalLike | undefined
}
`

const choices = ({ allowed }) => (/^one/.test(allowed) ? ` O${allowed.slice(1)}.` : '')
const whose = (shapesResult) => (shapesResult ? ' Commands and the server only.' : '')
const cell = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
const variables = [
  '| variable | option | |',
  '|---|---|---|',
  ...rows.map(
    ([name, { doc, kind, shapesResult }]) =>
      `| \`${environmentName(name)}\` | \`${name}\` | ${cell(doc)}${choices(kind)}${whose(shapesResult)} |`,
  ),
].join('\n')

const BEGIN = '<!-- from lib/options/table.ts, by scripts/options.mjs -->'
const END = '<!-- end -->'
const page = (text) => {
  const [before, rest] = text.split(BEGIN)
  return `${before}${BEGIN}\n${variables}\n${END}${rest?.split(END)[1]}`
}

const written = {
  'lib/options/types.ts': () => loadOptions,
  'docs/environment.md': page,
}
for (const [name, next] of Object.entries(written)) {
  const file = path.join(root, name)
  const before = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''
  const after = next(before)
  if (process.argv.includes('--write')) fs.writeFileSync(file, after)
  else if (after !== before) {
    console.error(`${name} does not follow the table of options: node scripts/options.mjs --write`)
    process.exitCode = 1
  }
}
