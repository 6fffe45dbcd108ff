// Makes prebuilds/<platform>-<arch>/ through prebuildify: N-API, stripped, one file per platform and libc.
//   node scripts/prebuild.mjs              this machine's; needs no cross tools
//   node scripts/prebuild.mjs TARGET...    those of scripts/targets.mjs
//   node scripts/prebuild.mjs --all        every target; one whose tools are missing is said and left out
// scripts/prebuild-packages.sh installs the cross compilers; zig comes from npm by itself.
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { glibcNeeded, symbolProblems } from './check-symbols.mjs'
import { ensureInstalled } from './install.mjs'
import { root } from './paths.mjs'
import { importProblems } from './pe.mjs'
import { say } from './run.mjs'
import { hostTarget, missingTools, prebuildFile, TARGETS } from './targets.mjs'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { all: { type: 'boolean', default: false } },
})

async function prebuild(name) {
  const started = Date.now()
  const { platform, arch, libc, strip } = TARGETS[name]
  const prebuildify = promisify(createRequire(import.meta.url)('prebuildify'))
  // a working folder of its own: prebuildify takes what lies in its build/Release
  const work = path.join(root, '.build', 'prebuild', name)
  fs.mkdirSync(work, { recursive: true })
  const script = path.join(root, 'scripts', 'prebuild-compile.mjs')
  process.env.BGE_M3_TARGET = name
  await prebuildify({
    cwd: work,
    out: root,
    name: 'bge-m3-node',
    napi: true,
    platform,
    arch,
    libc,
    tagLibc: libc ?? false,
    strip: true,
    // zig's linker strips what it links
    stripBin: name === hostTarget() ? 'strip' : (strip ?? 'true'),
    nodeGyp: process.platform === 'win32' ? `node "${script}"` : script,
  })
  const file = prebuildFile(name)
  const problems = problemsOf(file, TARGETS[name])
  if (problems.length > 0) {
    fs.rmSync(file)
    throw new Error(`${name} is not fit to ship:\n  ${problems.join('\n  ')}`)
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(0)
  const floor = libc === 'glibc' ? `, glibc >= ${glibcNeeded(file)}` : ''
  const megabytes = (fs.statSync(file).size / 1e6).toFixed(2)
  say(`${path.relative(root, file)}: ${megabytes} MB${floor}, in ${seconds} s`)
}

function problemsOf(file, { platform, libc }) {
  if (platform === 'linux') return symbolProblems(file, { libc })
  if (platform === 'win32') return importProblems(file)
  return []
}

function howToMend(name, missing) {
  return TARGETS[name].atHome
    ? `needs ${missing.join(', ')}: .github/workflows/prebuild.yml has one`
    : `${missing.join(', ')} not installed: bash scripts/prebuild-packages.sh`
}

const names = options.all
  ? Object.keys(TARGETS)
  : positionals.length > 0
    ? positionals
    : [hostTarget()]
const failed = []
const leftOut = []
ensureInstalled()
for (const name of names) {
  try {
    if (!TARGETS[name])
      throw new Error(`There is no target ${name}; there are ${Object.keys(TARGETS).join(', ')}.`)
    const missing = missingTools(name)
    if (missing.length > 0) throw new Error(howToMend(name, missing))
    await prebuild(name)
  } catch (error) {
    // what no tool can build here is no failure of `--all`
    if (options.all && TARGETS[name]?.atHome) leftOut.push(name)
    else failed.push(name)
    say(`${name}: ${error.message}`)
  }
}
if (leftOut.length > 0) say(`left out: ${leftOut.join(', ')}`)
if (failed.length > 0) say(`NOT MADE: ${failed.join(', ')}`)
process.exit(failed.length > 0 ? 1 : 0)
