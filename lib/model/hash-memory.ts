/** Which files were hashed, so that an unchanged one need not be hashed again. */

import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../common/atomic-file.js'
import { cacheDir } from '../common/cache-dir.js'
import { ModelLoadError } from '../common/errors.js'
import { isSha256 } from './sidecar.js'

/** What tells an unchanged file: a change of the content changes mtime and ctime, a new file inode. */
export interface Identity {
  readonly key: string
  readonly size: number
  /** Nanoseconds, in decimal. */
  readonly mtime: string
  readonly ctime: string
  /** Milliseconds: the later of the two. */
  readonly changed: number
}

/** @throws ModelLoadError when it is not a file; else the file system's own errors */
export async function identify(path: string): Promise<Identity> {
  const found = await stat(path, { bigint: true })
  if (!found.isFile()) throw new ModelLoadError(`${path} is not a file.`)
  return {
    key: `${found.dev}:${found.ino}`,
    size: Number(found.size),
    mtime: String(found.mtimeNs),
    ctime: String(found.ctimeNs),
    changed: Math.max(Number(found.mtimeMs), Number(found.ctimeMs)),
  }
}

/** A file system may give two changes within this time the same time stamp (FAT: 2 s). */
const TIME_STAMP_GRAIN_MS = 2_000
const MAX_REMEMBERED = 64

/** Whether nothing can have changed between two looks at a file, nor will without being seen. */
export function isSettled(
  before: Identity,
  { key, size, mtime, ctime, changed }: Identity,
): boolean {
  const isSame =
    key === before.key && size === before.size && mtime === before.mtime && ctime === before.ctime
  // A change right after the hash could leave the time stamps as they are.
  return isSame && Math.abs(Date.now() - changed) >= TIME_STAMP_GRAIN_MS
}

interface Remembered {
  size: number
  mtime: string
  ctime: string
  sha256: string
}

/**
 * `integrity.json` in the cache directory: which files were hashed, and what they were then. Written
 * by whole-file replacement: when two processes write at once, one entry is lost and hashed again.
 * Where it cannot be read or written, every load hashes.
 */
export class HashMemory {
  private readonly path: string

  constructor(override?: string) {
    this.path = join(cacheDir(override), 'integrity.json')
  }

  async recall(now: Identity): Promise<string | undefined> {
    const entry = (await this.read()).get(now.key)
    const unchanged =
      entry?.size === now.size && entry.mtime === now.mtime && entry.ctime === now.ctime
    return unchanged ? entry.sha256 : undefined
  }

  /** Remembers a hash that was made between two looks at the file, if nothing can have changed. */
  async remember(before: Identity, after: Identity, sha256: string): Promise<void> {
    if (!isSettled(before, after)) return
    const { key, size, mtime, ctime } = after
    const entries = await this.read()
    entries.delete(key)
    entries.set(key, { size, mtime, ctime, sha256 })
    const files = Object.fromEntries([...entries].slice(-MAX_REMEMBERED))
    try {
      await writeFileAtomic(this.path, `${JSON.stringify({ version: 1, files })}\n`)
    } catch {
      // A read-only cache directory costs a second per load and nothing else.
    }
  }

  private async read(): Promise<Map<string, Remembered>> {
    try {
      const content = JSON.parse(await readFile(this.path, 'utf8')) as unknown
      const { version, files } = content as { version?: unknown; files?: unknown }
      if (version !== 1 || typeof files !== 'object' || files === null) return new Map()
      return new Map(Object.entries(files).filter((entry) => isRemembered(entry[1])))
    } catch {
      return new Map()
    }
  }
}

function isRemembered(value: unknown): value is Remembered {
  if (typeof value !== 'object' || value === null) return false
  const { size, mtime, ctime, sha256 } = value as Record<string, unknown>
  return (
    typeof size === 'number' &&
    typeof mtime === 'string' &&
    typeof ctime === 'string' &&
    isSha256(sha256)
  )
}
