// Releases: what a person decides, then what a machine checks.
//   node scripts/release.mjs prepare <patch|minor|major|VERSION>   version and changelog, to be committed
//   node scripts/release.mjs [--dry-run]                           all checks, and npm's own dry run
//   node scripts/release.mjs --publish                             the same, for good (release.yml calls this)
// --only a,b and --skip a,b choose checks; --targets linux-x64,... the platforms that are released;
// --local packs this machine's addon alone, for a rehearsal; --json. Exit code 1 if a check fails, and then
// nothing is published.
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { root as checkout } from './paths.mjs'
import * as checks from './release/checks.mjs'
import { changelogSection, nextVersion, releaseChangelog } from './release/version.mjs'
import { run, say } from './run.mjs'
import { TARGETS } from './targets.mjs'

const CHECKS = { ...checks }
const ORDER = [
  'tree',
  'version',
  'changelog',
  'repository',
  'notices',
  'prebuilds',
  'tests',
  'sbom',
  'pack',
  'publint',
  'types',
  'use',
  'publish',
]

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'dry-run': { type: 'boolean', default: false },
    publish: { type: 'boolean', default: false },
    only: { type: 'string' },
    skip: { type: 'string', default: '' },
    targets: { type: 'string', default: Object.keys(TARGETS).join() },
    local: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    root: { type: 'string', default: checkout }, // another checkout, for tests
  },
})
const root = path.resolve(options.root)
const read = (name) => fs.readFileSync(path.join(root, name), 'utf8')

try {
  if (positionals[0] === 'prepare') prepare(positionals[1] ?? 'patch')
  else if (positionals.length > 0) throw new Error(`There is no command ${positionals[0]}.`)
  else await check()
} catch (error) {
  say(error.message)
  process.exitCode = 2
}

function prepare(to) {
  const manifest = JSON.parse(read('package.json'))
  const version = nextVersion(manifest.version, to)
  const today = new Date().toISOString().slice(0, 10)
  const changelog = releaseChangelog(read('CHANGELOG.md'), version, today)
  const flags = ['--no-git-tag-version', '--allow-same-version', '--ignore-scripts']
  run('npm', ['version', version, ...flags], { quiet: true, cwd: root })
  fs.writeFileSync(path.join(root, 'CHANGELOG.md'), changelog)
  say(`version ${version}. Look at CHANGELOG.md, then:`)
  say(`  git commit -am "chore: release ${version}" && git tag v${version} && git push --tags`)
}

async function check() {
  if (options.publish && options['dry-run']) throw new Error('--publish or --dry-run, not both.')
  if (options.publish && (options.only || options.local || options.skip)) {
    throw new Error('Whoever publishes runs every check.')
  }
  const manifest = JSON.parse(read('package.json'))
  const out = path.join(root, '.build', 'release')
  fs.rmSync(out, { recursive: true, force: true })
  fs.mkdirSync(out, { recursive: true })
  const targets = options.targets.split(',')
  const context = { root, manifest, out, targets, publish: options.publish, local: options.local }
  const only = options.only?.split(',') ?? ORDER
  const skip = options.skip.split(',')
  for (const name of [...only, ...skip.filter(Boolean)]) {
    if (!ORDER.includes(name)) throw new Error(`There is no check ${name}: ${ORDER.join(', ')}.`)
  }
  const results = []
  for (const name of ORDER.filter((name) => only.includes(name) && !skip.includes(name))) {
    const failed = results.some(({ status }) => status === 'failed')
    // a dry run goes on, to show all that is wrong at once; for good, the first failure is the end
    if (failed && (options.publish || name === 'publish')) break
    results.push(await attempt(name, context))
  }
  const notes = changelogSection(read('CHANGELOG.md'), manifest.version)
  if (notes) fs.writeFileSync(path.join(out, 'notes.md'), `${notes}\n`)
  if (options.json) console.log(JSON.stringify(results))
  const ok = results.every(({ status }) => status === 'passed')
  say(ok ? `release ${manifest.version}: all checks passed` : 'NOT RELEASED')
  process.exitCode = ok ? 0 : 1
}

async function attempt(name, context) {
  const from = performance.now()
  let result = { name, status: 'passed' }
  try {
    if (['publint', 'types', 'use', 'publish'].includes(name) && !context.packed) {
      throw new Error('needs the check `pack` before it')
    }
    const detail = await CHECKS[name](context)
    if (detail) result.detail = detail
  } catch (error) {
    result = { name, status: 'failed', detail: error.message }
  }
  const seconds = ((performance.now() - from) / 1000).toFixed(1)
  say(`${result.status} ${name} (${seconds} s)${result.detail ? `: ${result.detail}` : ''}`)
  return result
}
