// The package's entries: `lib/index.ts`, and one for every file in `lib/exports`. What package.json says of
// them (`exports`, `typesVersions`) and what the bundler builds follow from that folder.
//   node scripts/exports.mjs [--write]   without it: fails where package.json says something else
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from './paths.mjs'

/** `{ name, source }` of each: `index` from `lib/index.ts`, `scoring` from `lib/exports/scoring.ts` ... */
export const entries = [
  { name: 'index', source: 'lib/index.ts' },
  ...fs
    .readdirSync(path.join(root, 'lib', 'exports'))
    .sort()
    .map((file) => ({ name: path.basename(file, '.ts'), source: `lib/exports/${file}` })),
]

const subpaths = entries.slice(1).map(({ name }) => name)

function target(name) {
  const dist = (extension) => `./dist/${name}.${extension}`
  return {
    import: { types: dist('d.ts'), default: dist('js') },
    require: { types: dist('d.cts'), default: dist('cjs') },
  }
}

const manifestFields = {
  exports: {
    '.': target('index'),
    ...Object.fromEntries(subpaths.map((name) => [`./${name}`, target(name)])),
    './package.json': './package.json',
  },
  // for `moduleResolution: node10`, which knows no `exports`
  typesVersions: {
    '*': Object.fromEntries(subpaths.map((name) => [name, [`./dist/${name}.d.cts`]])),
  },
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = path.join(root, 'package.json')
  const before = fs.readFileSync(file, 'utf8')
  const after = `${JSON.stringify({ ...JSON.parse(before), ...manifestFields }, null, 2)}\n`
  if (process.argv.includes('--write')) fs.writeFileSync(file, after)
  else if (after !== before) {
    console.error('package.json does not follow lib/exports: node scripts/exports.mjs --write')
    process.exit(1)
  }
}
