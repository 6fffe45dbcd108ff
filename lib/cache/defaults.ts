/** Where the disk tier lies when nothing is said, how large it gets, and how long entries live. */
import { join } from 'node:path'
import { cacheDir } from '../common/cache-dir.js'

export const DEFAULT_DISK_BYTES = 1_000_000_000
/** 30 days. */
export const DEFAULT_TTL_MS = 30 * 86_400_000

/** @param override the `cacheDir` option */
export function embeddingsDir(override?: string): string {
  return join(cacheDir(override), 'embeddings')
}
