/** Files of a repository into a folder of ours, whole and checked. */

import { basename } from 'node:path'
import { DownloadError, IntegrityError } from '../../common/errors.js'
import type { PullResult } from '../hub/options.js'
import { pullModel } from '../hub/pull.js'
import type { Repository, RepositoryFile } from '../hub/repository.js'
import type { FixedPin } from '../pins.js'
import type { HubReference } from '../reference.js'
import type { FetchContext } from './context.js'

export function pullInto(
  dir: string,
  files: readonly FixedPin[],
  { options, signal, logger, report, forbidden }: FetchContext,
): Promise<PullResult> {
  const { endpoint, token, patience } = options
  const offline = forbidden !== undefined
  const network = { endpoint, token, patience, offline }
  return pullModel({ dir, files, ...network, signal, logger, onProgress: report, force: true })
}

/**
 * A file as the hub describes it, at the commit that it was described at.
 *
 * @throws IntegrityError when it is not what the table of names knows; DownloadError without a checksum
 */
export function fixedPin(
  { known }: HubReference,
  repository: string,
  { commit }: Repository,
  { path, size, sha256 }: RepositoryFile,
): FixedPin {
  if (sha256 === undefined) {
    throw new DownloadError(
      `The hub does not say what ${path} of ${repository} must hash to, so it could not be checked.`,
    )
  }
  const expected = repository === known?.repository ? known.sha256?.[path] : undefined
  if (expected !== undefined && expected !== sha256) {
    throw new IntegrityError(
      `${repository} has another ${path} than this version knows (sha256 ${sha256}, not ${expected}). ` +
        `To take it as it is, name it by its revision: hf:${repository}@${commit}.`,
    )
  }
  return { name: basename(path), path, repository, revision: commit, size, sha256 }
}
