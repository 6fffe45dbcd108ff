// Where builds keep what outlives a checkout. Mirrors lib/common/cache-dir.ts, which is not built yet
// when these scripts run.
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')

export function cacheDir(env = process.env) {
  if (env.BGE_M3_CACHE_DIR) return path.resolve(env.BGE_M3_CACHE_DIR)
  if (env.XDG_CACHE_HOME && path.isAbsolute(env.XDG_CACHE_HOME))
    return path.join(env.XDG_CACHE_HOME, 'bge-m3-node')
  if (process.platform === 'darwin')
    return path.join(os.homedir(), 'Library', 'Caches', 'bge-m3-node')
  if (process.platform === 'win32' && env.LOCALAPPDATA)
    return path.join(env.LOCALAPPDATA, 'bge-m3-node')
  return path.join(os.homedir(), '.cache', 'bge-m3-node')
}

export const buildCacheDir = () => path.join(cacheDir(), 'build')
