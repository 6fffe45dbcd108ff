// Builds the addon (CMake through cmake-js) and dist/ (tsup).
//   node scripts/build.mjs [--native] [--js] [--out DIR] [--debug] [--if-needed]
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { root } from './paths.mjs'
import { run, say } from './run.mjs'

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

function buildNative() {
  const started = Date.now()
  const cmakeJs = path.join(root, 'node_modules', 'cmake-js', 'bin', 'cmake-js')
  const config = options.debug ? 'Debug' : 'Release'
  const args = [cmakeJs, 'compile', '--directory', root, '--out', tree, '--config', config]
  run(process.execPath, args, { quiet: true, cwd: root })
  const built = path.join(tree, 'bge_m3_node.node')
  fs.mkdirSync(options.out, { recursive: true })
  const target = path.join(options.out, 'bge_m3_node.node')
  // never write into a file that a running process has mapped
  fs.rmSync(target, { force: true })
  fs.copyFileSync(built, target)
  say(`built the addon in ${((Date.now() - started) / 1000).toFixed(1)} s`)
}

/** Replaces a folder in an instant: programs that run meanwhile find the old one or the new one. */
function swap(fresh, folder) {
  const old = `${fresh}-old`
  if (fs.existsSync(folder)) fs.renameSync(folder, old)
  fs.renameSync(fresh, folder)
  fs.rmSync(old, { recursive: true, force: true })
}

function buildJs() {
  const started = Date.now()
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
      'scripts/llama-build.mjs',
      'package-lock.json',
    ]
    unlessUnchanged('native', inputs, 'build/Release/bge_m3_node.node', buildNative)
  }
  if (both || options.js) {
    unlessUnchanged('js', ['lib', 'tsup.config.ts', 'package-lock.json'], 'dist/index.js', buildJs)
  }
} catch (error) {
  say(error.message)
  process.exit(1)
}
