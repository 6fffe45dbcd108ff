// Builds llama.cpp's static libraries once and keeps them in the cache, outside any checkout.
// `node scripts/llama-build.mjs --cc gcc --cxx g++ [--toolchain FILE]` prints two lines: source, build folder.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { llamaSource, lock } from './llama-source.mjs'
import { buildCacheDir, root } from './paths.mjs'
import { run, say } from './run.mjs'

const { values: options } = parseArgs({
  options: {
    cc: { type: 'string', default: process.env.CC ?? 'cc' },
    cxx: { type: 'string', default: process.env.CXX ?? 'c++' },
    toolchain: { type: 'string', default: '' },
    flags: { type: 'string', default: '' },
    jobs: { type: 'string', default: process.env.BGE_M3_BUILD_JOBS ?? '' },
  },
})

const source = llamaSource()
const recipe = path.join(root, 'native', 'ggml', 'llama', 'CMakeLists.txt')
const spinWait = path.join(path.dirname(recipe), 'spin_wait.h')

/** Everything that decides what the objects contain. */
function key() {
  const hash = createHash('sha256')
  const add = (name, value) => hash.update(`${name}=${value}\n`)
  add('source', process.env.LLAMA_CPP_DIR ? sourceStamp(source) : lock.integrity)
  add('recipe', fs.readFileSync(recipe, 'utf8'))
  add('spin-wait', fs.existsSync(spinWait) ? fs.readFileSync(spinWait, 'utf8') : '')
  add('toolchain', options.toolchain && fs.readFileSync(options.toolchain, 'utf8'))
  add('flags', options.flags)
  add('platform', `${process.platform}-${process.arch}`)
  for (const compiler of [options.cc, options.cxx]) add('compiler', compilerVersion(compiler))
  return hash.digest('hex').slice(0, 16)
}

function compilerVersion(compiler) {
  try {
    const text = execFileSync(compiler, ['--version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return text.replace(/^\S+ /, '') // the first word is the name it was called by
  } catch (error) {
    throw new Error(
      `No working compiler at '${compiler}' (a C++17 compiler is needed): ${error.message}`,
    )
  }
}

/** A checkout of the user's own may change under us: names, sizes and times stand for its content. */
function sourceStamp(dir) {
  const entries = []
  for (const sub of ['ggml', 'src', 'include']) {
    for (const name of fs.readdirSync(path.join(dir, sub), { recursive: true }).sort()) {
      const stat = fs.statSync(path.join(dir, sub, name))
      if (stat.isFile()) entries.push(`${sub}/${name}:${stat.size}:${stat.mtimeMs}`)
    }
  }
  return createHash('sha256').update(entries.join('\n')).digest('hex')
}

function hasNinja() {
  try {
    execFileSync('ninja', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function build(dir) {
  say(`building llama.cpp ${lock.tag} into ${dir} (a few minutes, once)`)
  const started = Date.now()
  fs.mkdirSync(dir, { recursive: true })
  const release = holdLock(`${dir}.lock`)
  try {
    if (fs.existsSync(path.join(dir, '.complete'))) return
    const configure = [
      '-S',
      path.dirname(recipe),
      '-B',
      dir,
      '-DCMAKE_BUILD_TYPE=Release',
      `-DBGE_LLAMA_SRC=${source}`,
    ]
    if (hasNinja()) configure.push('-G', 'Ninja')
    if (fs.existsSync(spinWait)) {
      // a copy beside the objects, so that the cache does not point into a checkout
      const kept = path.join(dir, 'spin_wait.h')
      fs.copyFileSync(spinWait, kept)
      configure.push(`-DBGE_SPIN_WAIT=${kept}`)
    }
    if (options.toolchain) configure.push(`-DCMAKE_TOOLCHAIN_FILE=${options.toolchain}`)
    else configure.push(`-DCMAKE_C_COMPILER=${options.cc}`, `-DCMAKE_CXX_COMPILER=${options.cxx}`)
    if (options.flags)
      configure.push(`-DCMAKE_C_FLAGS=${options.flags}`, `-DCMAKE_CXX_FLAGS=${options.flags}`)
    run('cmake', configure, { quiet: true })
    const parallel = options.jobs ? ['--parallel', options.jobs] : ['--parallel']
    run('cmake', ['--build', dir, '--target', 'llama', '--config', 'Release', ...parallel], {
      quiet: true,
    })
    for (const name of fs.readdirSync(dir, { recursive: true })) {
      if (/\.(o|obj)$/.test(name)) fs.rmSync(path.join(dir, name), { force: true })
    }
    fs.writeFileSync(path.join(dir, '.complete'), new Date().toISOString())
    say(`built llama.cpp in ${((Date.now() - started) / 1000).toFixed(0)} s`)
  } finally {
    release()
  }
}

/** Two builds at once would write the same objects: the second waits for the first. */
function holdLock(file) {
  const deadline = Date.now() + 30 * 60_000
  for (;;) {
    try {
      fs.writeFileSync(file, String(process.pid), { flag: 'wx' })
      return () => fs.rmSync(file, { force: true })
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      if (!holderAlive(file)) fs.rmSync(file, { force: true })
      else if (Date.now() > deadline)
        throw new Error(`Another build holds ${file}; remove it if none is running.`)
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
    }
  }
}

function holderAlive(file) {
  try {
    process.kill(Number(fs.readFileSync(file, 'utf8')), 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

try {
  const dir = path.join(buildCacheDir(), `llama-${lock.tag}-${key()}`)
  if (!fs.existsSync(path.join(dir, '.complete'))) build(dir)
  process.stdout.write(`${source.replaceAll('\\', '/')}\n${dir.replaceAll('\\', '/')}\n`)
} catch (error) {
  say(error.message)
  process.exit(1)
}
