/** Can the cache directory be written? */

import { randomUUID } from 'node:crypto'
import { access, constants, mkdtemp, rm, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { formatSize } from '../../../common/units.js'
import type { Finding } from './finding.js'

export async function storageFindings(directory: string): Promise<Finding[]> {
  const about = { area: 'storage', name: 'Cache' } as const
  const existing = await nearestExisting(directory)
  const error = await writeError(existing)
  if (error !== undefined) {
    return [
      {
        ...about,
        status: 'problem',
        detail: `${directory} cannot be written (${error})`,
        advice: 'Change its permissions, or name another directory in BGE_M3_CACHE_DIR.',
      },
    ]
  }
  const free = await statfs(existing).then((fs) => fs.bavail * fs.bsize)
  const state = existing === directory ? 'can be written' : 'is made when it is needed'
  return [{ ...about, status: 'ok', detail: `${directory} ${state}, ${formatSize(free)} free` }]
}

async function nearestExisting(directory: string): Promise<string> {
  for (let path = directory; ; path = dirname(path)) {
    const found = await access(path, constants.F_OK).then(
      () => true,
      () => false,
    )
    if (found || path === dirname(path)) return path
  }
}

/** By trying: permissions do not tell of read-only file systems and quotas. */
async function writeError(directory: string): Promise<string | undefined> {
  try {
    await rm(await mkdtemp(join(directory, `.bge-m3-${randomUUID().slice(0, 8)}-`)), {
      recursive: true,
    })
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown error'
  }
}
