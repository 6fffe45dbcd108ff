// Builds the addon (CMake through cmake-js) and dist/ (tsup).
//   node scripts/build.mjs [--native] [--js] [--out DIR] [--debug] [--if-needed]
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { GLIBC_FLOOR, symbolProblems } from './check-symbols.mjs'
import { root } from './paths.mjs'
import { run, say } from './run.mjs'
import { hostTarget } from './targets.mjs'

const { values: options } = parseArgs({
  options: {
    native: { type: 'boolean', default: false },
    js: { type: 'boolean', default: false },
    out: { type: 'string', default: path.join(root, 'build', 'Release') },
    debug: { type: 'boolean', default: false },
    'if-needed': { type: 'boolean', default: false },
  },
})
const both = !options.native && !options.js

/** node-gyp wipes build/ before it builds, so CMake's own tree lies beside it. */
const tree = path.join(root, '.build', options.debug ? 'debug' : 'release')

function compile(glibc) {
  const cmakeJs = path.join(root, 'node_modules', 'cmake-js', 'bin', 'cmake-js')
  const config = options.debug ? 'Debug' : 'Release'
  const args = ['--directory', root, '--out', tree, '--config', config]
  args.push(`--CDBGE_GLIBC_FLOOR=${glibc}`)
  // cmake-js configures a tree once and never looks at its settings again
  const cache = path.join(tree, 'CMakeCache.txt')
  const same = new RegExp(`^BGE_GLIBC_FLOOR:STRING=${glibc}$`, 'm')
  const stale = fs.existsSync(cache) && !same.test(fs.readFileSync(cache, 'utf8'))
  for (const command of stale ? ['configure', 'compile'] : ['compile'])
    run(process.execPath, [cmakeJs, command, ...args], { quiet: true, cwd: root })
  return path.join(tree, 'bge_m3_node.node')
}

/** Linked for old systems too, so that what the tests test is what `npm run prebuild` ships. */
function compileAtFloor() {
  if (!/^linux-(x64|arm64)$/.test(hostTarget())) return compile('')
  const built = compile(GLIBC_FLOOR)
  const problems = symbolProblems(built)
  if (problems.length === 0) return built
  say(`linking for this machine's glibc, not for ${GLIBC_FLOOR}: ${problems.join('; ')}`)
  return compile('')
}

function buildNative() {
  const started = Date.now()
  const built = compileAtFloor()
  fs.mkdirSync(options.out, { recursive: true })
  const target = path.join(options.out, 'bge_m3_node.node')
  // never write into a file that a running process has mapped
  const fresh = `${target}.${process.pid}`
  fs.copyFileSync(built, fresh)
  fs.renameSync(fresh, target)
  say(`built the addon in ${((Date.now() - started) / 1000).toFixed(1)} s`)
}

/** Replaces a folder in an instant: programs that run meanwhile find the old one or the new one. */
function swap(fresh, folder) {
  const old = `${fresh}-old`
  if (fs.existsSync(folder)) fs.renameSync(folder, old)
  fs.renameSync(fresh, folder)
  fs.rmSync(old, { recursive: true, force: true })
}

/** Examples are packages of their own, and find this one as they would when it is installed. */
function linkPackage() {
  const link = path.join(root, 'node_modules', 'bge-m3-node')
  if (!fs.existsSync(link)) fs.symlinkSync(root, link, 'junction')
}

function buildJs() {
  const started = Date.now()
  linkPackage()
  const dist = path.join(root, 'dist')
  const fresh = path.join(root, '.build', `dist-${process.pid}`)
  run(
    process.execPath,
    [path.join(root, 'node_modules', 'tsup', 'dist', 'cli-default.js'), '--silent'],
    {
      quiet: true,
      cwd: root,
      env: { ...process.env, BGE_M3_OUT_DIR: path.relative(root, fresh) },
    },
  )
  fs.chmodSync(path.join(fresh, 'cli', 'main.js'), 0o755)
  swap(fresh, dist)
  say(`built dist in ${((Date.now() - started) / 1000).toFixed(1)} s`)
}

/** Names, sizes and times of what goes into a build: cheap, and enough to know that nothing changed. */
function stamp(inputs) {
  const hash = createHash('sha256')
  const visit = (entry) => {
    const stat = fs.statSync(entry, { throwIfNoEntry: false })
    if (!stat) return
    if (stat.isDirectory()) {
      for (const name of fs.readdirSync(entry).sort()) visit(path.join(entry, name))
    } else {
      hash.update(`${path.relative(root, entry)}:${stat.size}:${stat.mtimeMs}\n`)
    }
  }
  for (const input of inputs) visit(path.join(root, input))
  return hash.digest('hex')
}

function unlessUnchanged(name, inputs, output, build) {
  const file = path.join(root, '.build', `${name}.stamp`)
  const now = stamp(inputs)
  const before = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''
  if (options['if-needed'] && before === now && fs.existsSync(path.join(root, output))) return
  build()
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, now)
}

try {
  if (both || options.native) {
    const inputs = [
      'native',
      'cmake',
      'CMakeLists.txt',
      'llama.lock.json',
      'scripts/glibc-floor.mjs',
      'scripts/llama-build.mjs',
      'package-lock.json',
    ]
    unlessUnchanged('native', inputs, 'build/Release/bge_m3_node.node', buildNative)
  }
  if (both || options.js) {
    unlessUnchanged(
      'js',
      ['lib', 'tsup.config.ts', 'scripts/exports.mjs', 'package-lock.json'],
      'dist/index.js',
      buildJs,
    )
  }
} catch (error) {
  say(error.message)
  process.exit(1)
}
