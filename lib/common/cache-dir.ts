/**
 * Where the package keeps things.
 *
 * Everything lives under one cache directory, which may be deleted at any time:
 *
 *     <cacheDir>/models/bge-m3/    what `bge-m3 model pull` fetched: the GGUF and, beside it, the heads
 *     <cacheDir>/build/            llama.cpp's source and objects, and our own build products
 */

import { homedir } from 'node:os'
import { join, posix, resolve, win32 } from 'node:path'
import { pathOf } from './path.js'

const PACKAGE = 'bge-m3-node'

/** What the choice of a cache directory depends on; a parameter so that every platform can be tested. */
export interface HostEnvironment {
  env: Readonly<Record<string, string | undefined>>
  platform: NodeJS.Platform
  home: string
}

/** The platform's cache directory for this package, or the one `BGE_M3_CACHE_DIR` names. */
export function resolveCacheDir({ env, platform, home }: HostEnvironment): string {
  if (env.BGE_M3_CACHE_DIR) return resolve(env.BGE_M3_CACHE_DIR)
  const path = platform === 'win32' ? win32 : posix
  // The XDG specification says to ignore a relative path. People set it on macOS and Windows too.
  const xdg = env.XDG_CACHE_HOME
  if (xdg && path.isAbsolute(xdg)) return path.join(xdg, PACKAGE)
  if (platform === 'win32') {
    return path.join(env.LOCALAPPDATA || path.join(home, 'AppData', 'Local'), PACKAGE)
  }
  const caches =
    platform === 'darwin' ? path.join(home, 'Library', 'Caches') : path.join(home, '.cache')
  return path.join(caches, PACKAGE)
}

/**
 * The package's cache directory. An explicit `override` (the `cacheDir` option) wins over
 * `BGE_M3_CACHE_DIR`, which wins over the platform's default. Nothing is created.
 */
export function cacheDir(override?: string): string {
  if (override !== undefined) pathOf(override, 'The option `cacheDir`')
  if (override) return resolve(override)
  return resolveCacheDir({ env: process.env, platform: process.platform, home: homedir() })
}

/** Where llama.cpp's source and all build products live. */
export function buildDir(override?: string): string {
  return join(cacheDir(override), 'build')
}
