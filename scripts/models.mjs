// What follows from the table of models (lib/model/names.ts): the tables in docs/models.md.
//   node scripts/models.mjs [--write]   without it: fails where the page says something else
import fs from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'
import { root } from './paths.mjs'

const { outputFiles } = await build({
  entryPoints: [path.join(root, 'lib', 'model', 'names.ts')],
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'node',
})
const source = Buffer.from(outputFiles[0].text).toString('base64')
const { NAMED_MODELS, isRunnable } = await import(`data:text/javascript;base64,${source}`)

const table = (head, align, rows) =>
  [head, align, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
const name = ({ name, repository }) => `[${name}](https://huggingface.co/${repository})`
const number = (value) => value.toLocaleString('en-US')
const runs = (model) => (isRunnable(model) ? 'yes' : `no: ${model.architecture}`)
const fetched = ({ ggufRepository }) => (ggufRepository ? 'a GGUF' : 'the checkpoint, converted')

const embedders = NAMED_MODELS.filter(({ pooling }) => pooling !== 'rank')
const rankers = NAMED_MODELS.filter(({ pooling }) => pooling === 'rank')

const tables = {
  embedders: table(
    [
      'name',
      'numbers',
      'tokens',
      'pooling',
      'prompts',
      'licence',
      'languages',
      'is fetched as',
      'runs',
    ],
    ['---', '---:', '---:', '---', '---', '---', '---', '---', '---'],
    embedders.map((model) => [
      name(model),
      number(model.dimensions),
      number(model.maxTokens),
      model.pooling,
      Object.keys(model.prompts?.texts ?? {}).join(', ') || 'none',
      model.licence,
      model.languages,
      fetched(model),
      runs(model),
    ]),
  ),
  rerankers: table(
    ['name', 'tokens', 'licence', 'languages', 'is fetched as', 'runs'],
    ['---', '---:', '---', '---', '---', '---'],
    rankers.map((model) => [
      name(model),
      number(model.maxTokens),
      model.licence,
      model.languages,
      fetched(model),
      runs(model),
    ]),
  ),
  prompts: table(
    ['name', 'prompt', 'text'],
    ['---', '---', '---'],
    embedders.flatMap(({ name, prompts }) =>
      Object.entries(prompts?.texts ?? {}).map(([role, text]) => [
        name,
        `\`${role}\``,
        `\`${JSON.stringify(text).replaceAll('|', '\\|')}\``,
      ]),
    ),
  ),
}

const file = path.join(root, 'docs', 'models.md')
const before = fs.readFileSync(file, 'utf8')
let after = before
for (const [what, text] of Object.entries(tables)) {
  const begin = `<!-- ${what}: from lib/model/names.ts, by scripts/models.mjs -->`
  const [head, rest] = after.split(begin)
  const [, tail] = rest?.split(/<!-- end -->(.*)/s) ?? []
  if (tail === undefined) throw new Error(`docs/models.md has no place for ${what}`)
  after = `${head}${begin}\n\n${text}\n\n<!-- end -->${tail}`
}
if (process.argv.includes('--write')) fs.writeFileSync(file, after)
else if (after !== before) {
  console.error(
    'docs/models.md does not follow the table of models: node scripts/models.mjs --write',
  )
  process.exitCode = 1
}
