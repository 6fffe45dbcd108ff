/** Files that are whole or not there, whatever happens to the process or the machine. */

import { randomUUID } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface AtomicWriteOptions {
  /** Default: readable and writable by the owner only. */
  mode?: number
  /** Must outlast a power cut (an fsync, which takes a disk tens of milliseconds). */
  durable?: boolean
}

/**
 * Writes a small file so that readers see the old content or the new, never a part.
 * Creates the directory.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  { mode = 0o600, durable = false }: AtomicWriteOptions = {},
): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const temporary = `${path}.${randomUUID().slice(0, 8)}.tmp`
  try {
    const handle = await open(temporary, 'wx', mode)
    try {
      await handle.writeFile(content)
      if (durable) await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** Makes renames in a directory outlast a power cut. Does nothing where directories have no fsync. */
export async function syncDirectory(directory: string): Promise<void> {
  try {
    const handle = await open(directory, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch {
    // Windows and some network file systems refuse; the rename itself is still atomic there.
  }
}
