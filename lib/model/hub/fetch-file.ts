/** Gets the bytes of one file into a part, whatever the server does. */

import { DownloadError, IntegrityError } from '../../common/errors.js'
import { formatDuration } from '../../common/units.js'
import type { FixedPin } from '../pins.js'
import { checkStatus, lengthOf, linkedSha256, parseContentRange } from './answer.js'
import { refused, type Target, unreachable } from './failures.js'
import { type HttpAnswer, NetworkError, send } from './http.js'
import { fileUrl, publicUrl } from './hub.js'
import type { PullContext } from './options.js'
import type { Part } from './part.js'
import { withRetries } from './retry.js'

export interface FetchContext extends Pick<PullContext, 'patience' | 'signal' | 'logger'> {
  target: Target & { file: FixedPin }
  /** Called after each piece that was written. */
  onBytes: (received: number) => void
}

/**
 * Completes `part` and checks it: when this resolves, its bytes have the pinned length and checksum.
 *
 * @returns the bytes that came over the network
 * @throws IntegrityError when the server has other bytes: the part is empty then
 * @throws DownloadError when they cannot be had: the part keeps what arrived
 */
export async function fetchFile(part: Part, context: FetchContext): Promise<number> {
  const { target, patience, signal, logger } = context
  const traffic = { bytes: 0 }
  // Everything the server said was right, the bytes were not: once more, from the start, if they
  // came from several answers or from an earlier run.
  for (let mayStartOver = true; ; mayStartOver = false) {
    await withRetries(() => attempt(part, context, traffic), {
      patience,
      signal,
      progress: () => part.size,
      giveUp: (error, answered) => unreachable(error, answered, target),
      onRetry: (error, delay) =>
        logger?.info?.(
          `${target.file.name}: ${error.message}; trying again in ${formatDuration(delay)}`,
        ),
    })
    const actual = part.digest()
    if (actual === target.file.sha256) return traffic.bytes
    const isPatchwork = !part.isOnePiece
    await part.reset()
    if (!isPatchwork || !mayStartOver) throw wrongBytes(target, `its sha256 is ${actual}`)
    logger?.warn?.(`${target.file.name}: the resumed download does not fit together, starting anew`)
  }
}

/** One request; returns when the part has its full length. */
async function attempt(
  part: Part,
  { target, patience, signal, onBytes }: FetchContext,
  traffic: { bytes: number },
): Promise<void> {
  const { hub, file } = target
  if (part.size === file.size) return
  const answer = await send(fileUrl(hub, file), {
    ...patience,
    headers: rangeHeaders(part),
    token: hub.token,
    signal,
  })
  try {
    await prepare(part, answer, target)
    for await (const chunk of answer.body) {
      if (part.size + chunk.length > file.size) {
        await part.reset()
        throw wrongBytes(target, 'it is longer')
      }
      await part.append(chunk)
      traffic.bytes += chunk.length
      onBytes(part.size)
    }
  } finally {
    answer.discard()
  }
  if (part.size < file.size) {
    throw new NetworkError('CUT', `the answer ended at byte ${part.size} of ${file.size}`, {
      answered: true,
    })
  }
}

function rangeHeaders(part: Part): Record<string, string> {
  if (part.size === 0) return {}
  // If-Range: the rest if the content is still the same, else all of it. A weak ETag may not be
  // used for that (RFC 9110, 13.1.5); then the checksum at the end has to tell.
  const isStrong = part.etag?.startsWith('"') ?? false
  return {
    range: `bytes=${part.size}-`,
    ...(isStrong && part.etag !== undefined && { 'if-range': part.etag }),
  }
}

/** Looks at an answer's head; when this resolves, its body continues the part. */
async function prepare(part: Part, answer: HttpAnswer, target: Target & { file: FixedPin }) {
  const { file } = target
  const { status, headers } = answer
  if (status === 416) return outOfRange(part, answer, target)
  checkStatus(answer, target)

  const promised = linkedSha256(answer)
  if (promised !== undefined && promised !== file.sha256) {
    throw wrongBytes(target, `the hub says that its sha256 is ${promised}`)
  }
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    throw new DownloadError(
      `${publicUrl(answer.url)} is sent with the encoding ${encoding}, which was not asked for.`,
    )
  }

  // A login page must be caught before it takes the place of what has arrived already.
  if (/^text\/html\b/i.test(headers['content-type'] ?? '')) {
    throw wrongBytes(target, 'it is a web page')
  }

  let start = 0
  let total = lengthOf(headers['content-length'])
  if (status === 206) {
    const range = parseContentRange(headers['content-range'])
    start = range?.start ?? -1
    total = range?.total
  }
  if (total !== undefined && total !== file.size) {
    // If this answer would have continued the part, the part is of the wrong file as well.
    if (status === 206) await part.reset()
    throw wrongBytes(target, `it has ${total} bytes`)
  }
  const etag = headers.etag
  const isOther = part.etag !== undefined && etag !== undefined && part.etag !== etag
  if (start !== 0 && (start !== part.size || isOther)) {
    await part.reset()
    const what = isOther ? 'the content changed on the server' : 'the server sent another range'
    throw new NetworkError('CHANGED', what, { answered: true })
  }
  // Also when a server ignores ranges: it sends everything again.
  if (start === 0) await part.reset()
  else part.isOnePiece = false
  await part.belongsTo(etag)
}

/** 416: the file there ends before our part does, or just where it does. */
async function outOfRange(part: Part, answer: HttpAnswer, target: Target & { file: FixedPin }) {
  const total = parseContentRange(answer.headers['content-range'])?.total
  const asked = part.size
  await part.reset()
  if (total !== undefined && total !== target.file.size) {
    throw wrongBytes(target, `it has ${total} bytes`)
  }
  if (asked === 0) throw refused(416, target)
  throw new NetworkError('HTTP_416', 'the server cannot continue the download', { answered: true })
}

function wrongBytes({ hub, file }: Target & { file: FixedPin }, what: string): IntegrityError {
  return new IntegrityError(
    `${publicUrl(fileUrl(hub, file))} is not the pinned file (${file.size} bytes, sha256 ` +
      `${file.sha256}): ${what}. Nothing of it was kept. ` +
      'A login page of the network, a proxy or an incomplete mirror may have answered in its place: ' +
      'check HF_ENDPOINT and HTTPS_PROXY, and try again.',
  )
}
