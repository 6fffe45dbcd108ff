/** What the hub says of a repository: its commit, and the files of it with lengths and checksums. */

import type { URL } from 'node:url'
import { DownloadError } from '../../common/errors.js'
import { isSha256, isSize } from '../sidecar.js'
import { checkAnswered } from './answer.js'
import { notReached, refusal } from './failures.js'
import { send } from './http.js'
import { type Hub, publicUrl, repositoryUrl } from './hub.js'
import type { PullContext } from './options.js'
import { withRetries } from './retry.js'

/** A file of a repository. */
export interface RepositoryFile {
  readonly path: string
  /** Bytes. */
  readonly size: number
  /** Of a large file, whose bytes lie in a store of their own (LFS). */
  readonly sha256: string | undefined
  /** Of a file in git itself: `sha1('blob <size>\0' + bytes)`. */
  readonly gitSha1: string | undefined
}

/** A repository at a revision. */
export interface Repository {
  /** The commit that the revision stands for. */
  readonly commit: string
  /** When it was last changed, as the hub says (ISO 8601); empty where it does not. */
  readonly lastModified: string
  readonly files: readonly RepositoryFile[]
}

type Context = Pick<PullContext, 'hub' | 'patience' | 'signal'>

// the largest repositories have some thousand files
const MAX_ANSWER_BYTES = 16 << 20

/**
 * Asks the hub. One request.
 *
 * @throws DownloadError with what to do next; the signal's reason
 */
export async function askRepository(
  repository: string,
  revision: string,
  context: Context,
): Promise<Repository> {
  const { hub } = context
  const url = repositoryUrl(hub, repository, revision)
  const where = publicUrl(url)
  const otherwise = `Or fetch a GGUF of ${repository} on any machine and name its path.`
  const asked = { hub, repository, revision, where, otherwise }
  const bytes = await download(url, context, {
    what: `the list of files of ${repository}`,
    otherwise,
    limit: MAX_ANSWER_BYTES,
    refuse: (status) => refusal(status, asked),
  })
  const answer = parse(bytes)
  if (answer === undefined) {
    throw new DownloadError(
      `${hub.endpoint.host} does not answer ${where} as a hub does. Check HF_ENDPOINT, and whether a ` +
        `login page of the network is in the way. ${otherwise}`,
    )
  }
  return answer
}

export interface DownloadOptions {
  /** For messages. */
  what: string
  otherwise: string
  /** The most bytes that are taken. */
  limit: number
  refuse: (status: number) => Error
}

/** A small body as a whole. @throws DownloadError; the signal's reason */
export async function download(
  url: URL,
  { hub, patience, signal }: { hub: Hub } & Context,
  { what, otherwise, limit, refuse }: DownloadOptions,
): Promise<Buffer> {
  const attempt = async () => {
    const answer = await send(url, { ...patience, token: hub.token, signal })
    try {
      checkAnswered(answer, refuse)
      const chunks: Buffer[] = []
      let size = 0
      for await (const chunk of answer.body) {
        size += chunk.length
        if (size > limit) {
          throw new DownloadError(`${publicUrl(url)} is longer than the ${limit} bytes expected.`)
        }
        chunks.push(chunk)
      }
      return Buffer.concat(chunks)
    } finally {
      answer.discard()
    }
  }
  return withRetries(attempt, {
    patience,
    signal,
    giveUp: (error, answered) => notReached(error, answered, { hub, what, otherwise }),
  })
}

function parse(bytes: Buffer): Repository | undefined {
  let json: unknown
  try {
    json = JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
  const { sha, siblings, lastModified } = Object(json) as Record<string, unknown>
  if (typeof sha !== 'string' || !/^[\w.-]{1,64}$/.test(sha) || !Array.isArray(siblings)) {
    return undefined
  }
  const files = siblings.map(fileOf).filter((file) => file !== undefined)
  const time = typeof lastModified === 'string' && /^[\w:.+-]{1,40}$/.test(lastModified)
  return { commit: sha, lastModified: time ? (lastModified as string) : '', files }
}

/** Undefined for what has no plain path or no length: nothing of it could be checked. */
function fileOf(sibling: unknown): RepositoryFile | undefined {
  const { rfilename: path, size, blobId, lfs } = Object(sibling) as Record<string, unknown>
  const large = Object(lfs) as Record<string, unknown>
  const bytes = isSize(large.size) ? large.size : size
  if (typeof path !== 'string' || !isPlainPath(path) || !isSize(bytes)) return undefined
  const isGit = typeof blobId === 'string' && /^[0-9a-f]{40}$/.test(blobId)
  const sha256 = isSha256(large.sha256) ? large.sha256 : undefined
  return { path, size: bytes, sha256, gitSha1: isGit && !sha256 ? (blobId as string) : undefined }
}

/** Of names that mean the same on every file system, and nothing above the folder it is put in. */
function isPlainPath(path: string): boolean {
  return path.split('/').every((part) => /^[\w.+@ -]+$/.test(part) && !/^\.{1,2}$/.test(part))
}
