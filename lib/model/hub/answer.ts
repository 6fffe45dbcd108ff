/** What the head of a hub's answer says. */

import { isSha256 } from '../sidecar.js'
import { refused, type Target } from './failures.js'
import { type HttpAnswer, NetworkError } from './http.js'
import { parseRetryAfter } from './retry.js'

/**
 * @throws NetworkError when the server is busy or broken for now; DownloadError when it refuses
 */
export function checkStatus(answer: HttpAnswer, target: Target): void {
  checkAnswered(answer, (status) => refused(status, target))
}

/** @param refuse the error for a status that no retry can mend */
export function checkAnswered(answer: HttpAnswer, refuse: (status: number) => Error): void {
  const { status, headers } = answer
  if (status === 200 || status === 206) return
  const isPassing = status === 408 || status === 425 || status === 429 || status >= 500
  if (!isPassing || status === 501) throw refuse(status)
  throw new NetworkError(`HTTP_${status}`, `${answer.url.host} answered with status ${status}`, {
    answered: true,
    retryAfter: parseRetryAfter(headers['retry-after']),
  })
}

/** What the hub says the file's checksum is: `x-linked-etag`, in whichever hop has it. */
export function linkedSha256(answer: HttpAnswer): string | undefined {
  return linked(answer, 'x-linked-etag')
    .map((value) => value.replace(/^"|"$/g, ''))
    .find(isSha256)
}

/** What the hub says the file's length is. */
export function linkedSize(answer: HttpAnswer): number | undefined {
  return linked(answer, 'x-linked-size').map(lengthOf)[0]
}

function linked(answer: HttpAnswer, header: string): string[] {
  return answer.hops.map((headers) => headers[header]).filter((value) => typeof value === 'string')
}

/** "bytes 100-199/200", or with an asterisk in place of the range (416) or of the total. */
export function parseContentRange(
  header: string | undefined,
): { start: number | undefined; total: number | undefined } | undefined {
  const match = /^\s*bytes\s+(?:(\d{1,15})-\d{0,15}|\*)\/(\d{1,15}|\*)\s*$/i.exec(header ?? '')
  if (!match) return undefined
  return { start: lengthOf(match[1]), total: lengthOf(match[2]) }
}

/** A count of bytes in a header. */
export function lengthOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
