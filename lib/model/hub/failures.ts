/** What to tell people when a download cannot go on: what happened, and what to do next. */

import { DownloadError } from '../../common/errors.js'
import { formatDuration, formatSize } from '../../common/units.js'
import type { FilePin } from '../pins.js'
import type { NetworkError } from './http.js'
import { fileUrl, type Hub, offlineVariable, publicUrl } from './hub.js'

/** The file at stake, for messages. */
export interface Target {
  readonly hub: Hub
  readonly file: FilePin
  /** Where it goes. */
  readonly path: string
}

/** What was asked for, where the hub refuses it. */
export interface Asked {
  readonly hub: Hub
  readonly repository: string
  readonly revision: string
  /** Its address, for messages. */
  readonly where: string
  /** How else it can be had, as a sentence. */
  readonly otherwise: string
}

/** An answer about a file that no retry can mend: 401, 403, 404 and the like. */
export function refused(status: number, target: Target): DownloadError {
  const { hub, file } = target
  const { repository, revision } = file
  const where = publicUrl(fileUrl(hub, file))
  return refusal(status, { hub, repository, revision, where, otherwise: byHand(target) })
}

/** The same about whatever was asked for. */
export function refusal(
  status: number,
  { hub, repository, revision, where, otherwise }: Asked,
): DownloadError {
  switch (status) {
    case 401:
      return new DownloadError(
        `${hub.endpoint.host} refuses ${where} (401). ` +
          (hub.token === undefined
            ? 'It wants a token: set HF_TOKEN. (A hub may also answer 401 for a repository that does not exist.)'
            : 'The token in HF_TOKEN is not valid for it: set a valid one, or unset it for a public model.'),
      )
    case 403:
      return new DownloadError(
        `${hub.endpoint.host} forbids ${where} (403). The token in HF_TOKEN may not read it (a gated ` +
          `model's licence is accepted on ${publicUrl(hub.endpoint)}${repository}), or a proxy or firewall ` +
          `is in the way. ${otherwise}`,
      )
    case 404:
    case 410:
      return new DownloadError(
        `There is no ${where} (${status}). If HF_ENDPOINT names a mirror, it may not carry the ` +
          `repository ${repository} at revision ${revision}; unset it to use the public hub.`,
      )
    case 407:
      return new DownloadError(
        'The proxy wants credentials (407): put them into HTTPS_PROXY as http://USER:PASSWORD@HOST:PORT.',
      )
    default:
      return new DownloadError(`${where} was answered with status ${status}. ${otherwise}`)
  }
}

/** Patience is used up. */
export function unreachable(error: NetworkError, answered: boolean, target: Target): DownloadError {
  return notReached(error, answered, {
    hub: target.hub,
    what: target.file.name,
    otherwise: byHand(target),
  })
}

/** The same about whatever was asked for. */
export function notReached(
  error: NetworkError,
  answered: boolean,
  { hub, what, otherwise }: { hub: Hub; what: string; otherwise: string },
): DownloadError {
  const wait = error.retryAfter
  const hint =
    wait !== undefined && wait > 0
      ? `Try again in ${formatDuration(wait)}; a token in HF_TOKEN raises a hub's limits. `
      : 'What has arrived is kept, and `bge-m3 model pull` goes on from there. '
  const network = answered
    ? hint
    : `Check the network${error.proxied ? ' and the proxy in HTTP_PROXY / HTTPS_PROXY' : ' (behind a proxy, set HTTPS_PROXY)'}, ` +
      'or name a mirror of the hub in HF_ENDPOINT. '
  return new DownloadError(
    `Cannot download ${what} from ${hub.endpoint.host}: ${error.message}. ${network}${otherwise}`,
    { cause: error },
  )
}

/** The network is forbidden and the file is not there. */
export function offline(target: Target): DownloadError {
  const variable = offlineVariable() ?? 'offline'
  return new DownloadError(
    `${target.path} is not there and the network may not be used (${variable}). ` +
      `Unset it for one \`bge-m3 model pull\`. ${byHand(target)}`,
  )
}

export function noSpace(needed: number, available: number, target: Target): DownloadError {
  return new DownloadError(
    `Not enough disk space for ${target.file.name}: ${formatSize(needed)} are needed and ` +
      `${formatSize(available)} are free where ${target.path} goes. Free some, or choose another ` +
      'place with BGE_M3_CACHE_DIR.',
  )
}

/** An error of the file system, made understandable. */
export function storageFailure(error: unknown, path: string): DownloadError {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new DownloadError(
      `The disk is full (${code}): ${path} could not be written whole. Free some space and ` +
        'run `bge-m3 model pull` again, which goes on where it stopped; or choose another place ' +
        'with BGE_M3_CACHE_DIR.',
      { cause: error },
    )
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new DownloadError(
      `May not write ${path} (${code}). Choose another place with BGE_M3_CACHE_DIR.`,
      { cause: error },
    )
  }
  return new DownloadError(`Cannot store ${path} (${code}).`, { cause: error })
}

function byHand({ hub, file, path }: Target): string {
  return `Or fetch ${publicUrl(fileUrl(hub, file))} on any machine and put it at ${path}.`
}
