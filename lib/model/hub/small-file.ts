/** Small files of a repository, which git itself keeps: fetched whole and checked by git's own checksum. */

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../../common/atomic-file.js'
import { DownloadError, IntegrityError } from '../../common/errors.js'
import { refused } from './failures.js'
import { fileUrl, publicUrl } from './hub.js'
import type { PullContext } from './options.js'
import { download, type RepositoryFile } from './repository.js'

/** Git keeps no larger ones on a hub: those are LFS's. */
const MAX_BYTES = 64 << 20

export interface SmallFile {
  repository: string
  commit: string
  file: RepositoryFile
}

/**
 * Puts the file under `dir`, by its path in the repository, unless it is there.
 *
 * @throws DownloadError, IntegrityError; the signal's reason
 */
export async function fetchSmallFile(
  { repository, commit, file }: SmallFile,
  context: Pick<PullContext, 'hub' | 'patience' | 'signal' | 'dir'>,
): Promise<void> {
  const { hub, dir } = context
  const path = join(dir, file.path)
  const present = await readFile(path).catch(() => undefined)
  if (present !== undefined && isRight(present, file)) return
  const pin = { name: file.path, repository, revision: commit }
  const url = fileUrl(hub, pin)
  const otherwise = `Or fetch ${publicUrl(url)} on any machine.`
  if (file.gitSha1 === undefined || file.size > MAX_BYTES) {
    throw new DownloadError(
      `${hub.endpoint.host} does not say what ${publicUrl(url)} must hash to, so it could not be checked.`,
    )
  }
  const bytes = await download(url, context, {
    what: file.path,
    otherwise,
    limit: file.size,
    refuse: (status) => refused(status, { hub, file: pin, path }),
  })
  if (!isRight(bytes, file)) {
    throw new IntegrityError(
      `${publicUrl(url)} is not what the hub says it is (${file.size} bytes, git's sha1 ${file.gitSha1}). ` +
        'A login page of the network, a proxy or an incomplete mirror may have answered in its place.',
    )
  }
  await writeFileAtomic(path, bytes, { mode: 0o644 })
}

function isRight(bytes: Buffer, { size, gitSha1 }: RepositoryFile): boolean {
  if (bytes.length !== size) return false
  return createHash('sha1').update(`blob ${size}\0`).update(bytes).digest('hex') === gitSha1
}
