/** Asks the hub for the length and checksum of a file that has none pinned. */

import { join } from 'node:path'
import { DownloadError } from '../../common/errors.js'
import type { FilePin, FixedPin } from '../pins.js'
import { readSidecar } from '../sidecar.js'
import { checkStatus, lengthOf, linkedSha256, linkedSize } from './answer.js'
import { offline, unreachable } from './failures.js'
import { send } from './http.js'
import { fileUrl, publicUrl } from './hub.js'
import type { PullContext } from './options.js'
import { withRetries } from './retry.js'

/**
 * The pin itself if it is fixed; else what the hub says now, or, offline, what was recorded when
 * the same revision was pulled.
 */
export async function resolvePin(file: FilePin, context: PullContext): Promise<FixedPin> {
  if (file.size !== undefined && file.sha256 !== undefined) return file as FixedPin
  const { hub, dir, patience, signal } = context
  const path = join(dir, file.name)
  const target = { hub, file, path }
  if (hub.offline) {
    const known = await readSidecar(path)
    if (known?.repository !== file.repository || known.revision !== file.revision) {
      throw offline(target)
    }
    return { ...file, size: known.size, sha256: known.sha256 }
  }

  const url = fileUrl(hub, file)
  const ask = async () => {
    // The redirect tells; where it leads, a HEAD may not be welcome.
    const answer = await send(url, {
      ...patience,
      method: 'HEAD',
      stayHome: true,
      token: hub.token,
      signal,
    })
    answer.discard()
    if (linkedSha256(answer) === undefined) checkStatus(answer, target)
    return answer
  }
  const answer = await withRetries(ask, {
    patience,
    signal,
    giveUp: (error, answered) => unreachable(error, answered, target),
  })
  const sha256 = linkedSha256(answer)
  const size = linkedSize(answer) ?? lengthOf(answer.headers['content-length'])
  if (sha256 === undefined || size === undefined) {
    throw new DownloadError(
      `${hub.endpoint.host} does not say what ${publicUrl(url)} must hash to, so it could not be ` +
        'checked. Name its size and sha256, or use the public hub (unset HF_ENDPOINT).',
    )
  }
  return { ...file, size, sha256 }
}
