/**
 * Finds and loads the addon, once per environment. A failure names the platform, what was tried and
 * the command that mends it.
 */
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { type EmbedderError, ModelLoadError, UnsupportedCpuError } from '../errors.js'
import type { NativeAddon } from './addon.js'
import { packageRoot } from './paths.js'

let loaded: NativeAddon | undefined

/** `linux-x64`, with `-musl` where the C library is musl. */
export function platformName(): string {
  return `${process.platform}-${process.arch}${libc() === 'musl' ? '-musl' : ''}`
}

/** The C library of this process; null off Linux. */
export function libc(): 'glibc' | 'musl' | null {
  if (process.platform !== 'linux') return null
  const report = process.report?.getReport() as
    | { header?: { glibcVersionRuntime?: string } }
    | undefined
  return report?.header?.glibcVersionRuntime ? 'glibc' : 'musl'
}

/** Files that may hold the addon, in the order in which they are tried. */
export function addonCandidates(root = packageRoot(), env = process.env): string[] {
  if (env.BGE_M3_ADDON) return [path.resolve(env.BGE_M3_ADDON)]
  const prebuilds = path.join(root, 'prebuilds', `${process.platform}-${process.arch}`)
  return [
    path.join(root, 'build', 'Release', 'bge_m3_node.node'),
    path.join(prebuilds, libc() === 'musl' ? 'bge-m3-node.musl.node' : 'bge-m3-node.glibc.node'),
    path.join(prebuilds, 'bge-m3-node.node'),
  ]
}

/** The addon; throws `UnsupportedCpuError` or `ModelLoadError` (code `MODEL_LOAD`) with what to do. */
export function loadAddon(candidates?: readonly string[]): NativeAddon {
  if (loaded) return loaded
  const require = createRequire(path.join(packageRoot(), 'package.json'))
  const tried: string[] = []
  // looking for them takes milliseconds (libc asks for a process report), so only the first time
  for (const file of candidates ?? addonCandidates()) {
    if (!fs.existsSync(file)) {
      tried.push(`${file}: not there`)
      continue
    }
    try {
      loaded = require(file) as NativeAddon
    } catch (error) {
      if ((error as { code?: string }).code === 'UNSUPPORTED_CPU') {
        throw new UnsupportedCpuError((error as Error).message)
      }
      tried.push(`${file}: ${(error as Error).message}`)
      continue
    }
    stopWithProcess(loaded)
    return loaded
  }
  throw loadFailure(tried)
}

/**
 * `process.exit()` runs no cleanup hooks, and a compute thread must not outlive the statics it uses.
 * A worker's work is stopped by its environment's own hook.
 */
function stopWithProcess(addon: NativeAddon): void {
  if (isMainThread) process.once('exit', () => addon.shutdown())
}

function loadFailure(tried: string[]): EmbedderError {
  const where = `${platformName()}, Node ${process.version} (N-API ${process.versions.napi})`
  return new ModelLoadError(
    [
      `bge-m3-node's native part could not be loaded on ${where}. Tried:`,
      ...tried.map((line) => `  ${line}`),
      'What to do:',
      '  - reinstall on this machine: npm install bge-m3-node (prebuilt files are inside the package)',
      '  - or build it: npm explore bge-m3-node -- npm run build (needs CMake and a C++17 compiler)',
      '  - in Electron add the package to asarUnpack, in a bundler mark it as external',
    ].join('\n'),
  )
}
