// Formats, lint, types and the layer rule. `--fix` mends what tools can mend; `--tidy` looks for bugs in
// the C++ as well (a minute; needs the compile commands of a build).
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { root } from './paths.mjs'

const fix = process.argv.includes('--fix')
const bin = (name) => path.join(root, 'node_modules', '.bin', name)
let failed = false

function check(name, command, args) {
  const started = Date.now()
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 })
  const missing = result.error?.code === 'ENOENT'
  const ok = !missing && result.status === 0
  // a tool of Debian's that is not installed is said, and only CI insists on it
  const skipped = missing && !process.env.CI
  console.log(
    `${skipped ? 'skip' : ok ? 'ok  ' : 'FAIL'} ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`,
  )
  if (skipped) console.log(`     ${command} is not installed`)
  else if (!ok) {
    failed = true
    console.log(missing ? `${command} is not installed` : `${result.stdout}${result.stderr}`)
  }
}

const cxx = fs
  .readdirSync(path.join(root, 'native'), { recursive: true })
  .filter((name) => /\.(h|cpp)$/.test(name))
  .map((name) => path.join('native', name))
// tables that a script writes are not people's formatting
const written = cxx.filter((name) => !/unicode_tables/.test(name))

check('biome', bin('biome'), ['check', ...(fix ? ['--write'] : []), '.'])
check('tsc', bin('tsc'), ['-p', '.'])
check('tsc, the page', bin('tsc'), ['-p', path.join('lib', 'apps', 'server', 'page', 'client')])
check('tsc, the report', bin('tsc'), ['-p', path.join('lib', 'apps', 'report', 'page', 'client')])
check('exports', process.execPath, [path.join('scripts', 'exports.mjs')])
check('options', process.execPath, [path.join('scripts', 'options.mjs')])
check('models', process.execPath, [path.join('scripts', 'models.mjs')])
check('chart', process.execPath, [path.join('scripts', 'chart.mjs')])
check('platforms', process.execPath, [path.join('scripts', 'package', 'platforms.mjs')])
check('layers', bin('depcruise'), ['lib', '--config', '.dependency-cruiser.cjs'])
check('house', process.execPath, [path.join('scripts', 'house.mjs'), '--check'])
check('layers of the C++', process.execPath, [path.join('scripts', 'native-layers.mjs')])
check('clang-format', 'clang-format', [fix ? '-i' : '--dry-run', '-Werror', ...written])
if (process.argv.includes('--tidy')) {
  const ours = cxx.filter((name) => /^native.(engine|addon).*\.cpp$/.test(name))
  check('clang-tidy', 'clang-tidy', ['--quiet', '-p', path.join('.build', 'release'), ...ours])
}
process.exit(failed ? 1 : 0)
