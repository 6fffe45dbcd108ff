/**
 * Finds and loads the addon, once per environment. A failure names the platform, what was tried and
 * the command that mends it.
 */
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { ModelLoadError, UnsupportedCpuError } from '../common/errors.js'
import type { NativeAddon } from './addon.js'
import { loadFailure } from './load-failure.js'
import { addonCandidates, packageRoot } from './paths.js'

export { addonCandidates } from './paths.js'
export { libc, platformName } from './platform.js'

let loaded: NativeAddon | undefined

/** The addon; throws `UnsupportedCpuError` or `ModelLoadError` (code `MODEL_LOAD`) with what to do. */
export function loadAddon(candidates?: readonly string[]): NativeAddon {
  if (loaded) return loaded
  const require = createRequire(path.join(packageRoot(), 'package.json'))
  const tried: string[] = []
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
  throw new ModelLoadError(loadFailure(tried))
}

/**
 * `process.exit()` runs no cleanup hooks, and a compute thread must not outlive the statics it uses.
 * A worker's work is stopped by its environment's own hook.
 */
function stopWithProcess(addon: NativeAddon): void {
  if (isMainThread) process.once('exit', () => addon.shutdown())
}
