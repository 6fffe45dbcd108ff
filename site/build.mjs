// `npm run docs`: the documentation site, into .build/site.
//   --no-reference   without the API reference, which takes most of the time
//   --draft          undocumented symbols and broken links are warnings
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Application, LogLevel } from 'typedoc'
import { build } from 'vitepress'
import { mendAnchors } from './anchors.mjs'
import { checkSite } from './check.mjs'
import { built, entryPoints, root, staged } from './paths.mjs'
import { stage } from './stage.mjs'

const { values: options } = parseArgs({
  options: {
    'no-reference': { type: 'boolean', default: false },
    draft: { type: 'boolean', default: false },
  },
})

/** One page a class, interface and function under `reference/`. Fails for what has no comment. */
async function reference() {
  const out = path.join(staged, 'reference')
  const entries = entryPoints()
  const app = await Application.bootstrapWithPlugins({
    options: path.join(root, 'site', 'typedoc.json'),
    entryPoints: entries.map(({ source }) => path.join(root, source)),
    out,
    docsRoot: staged,
    logLevel: LogLevel.Warn,
  })
  const project = await app.convert()
  if (!project) throw new Error('typedoc could not read the sources')
  // modules by the name they are imported by; TypeDoc names them after their files
  for (const module of project.children ?? []) {
    const entry = entries.find(({ source }) => moduleName(source) === module.name)
    if (entry) module.name = entry.name
  }
  app.validate(project)
  if (!options.draft && (app.logger.hasErrors() || app.logger.hasWarnings()))
    throw new Error('public symbols without a comment, or links to nothing: see above')
  await app.generateOutputs(project)
  mendAnchors(out)
}

/** `lib/exports/postgres.ts` -> `exports/postgres`, `lib/index.ts` -> `index` */
const moduleName = (source) => source.replace(/^lib\//, '').replace(/\.ts$/, '')

const started = Date.now()
const elapsed = () => `${((Date.now() - started) / 1000).toFixed(1)} s`
stage()
fs.mkdirSync(path.join(staged, '.vitepress'), { recursive: true })
if (!options['no-reference']) await reference()
console.error(`staged ${elapsed()}`)
fs.writeFileSync(
  path.join(staged, '.vitepress', 'config.mjs'),
  `export { default } from ${JSON.stringify(path.join(root, 'site', 'config.mjs'))}\n`,
)
fs.mkdirSync(path.join(staged, '.vitepress', 'theme'), { recursive: true })
fs.writeFileSync(
  path.join(staged, '.vitepress', 'theme', 'index.mjs'),
  `export { default } from ${JSON.stringify(path.join(root, 'site', 'theme', 'index.mjs'))}\n`,
)
await build(staged, { outDir: built })
const problems = checkSite(built)
for (const problem of problems) console.error(problem)
console.error(`${path.relative(root, built)} ${elapsed()}, ${problems.length} broken links`)
process.exit(problems.length && !options.draft ? 1 : 0)
