/** The hub: which one, with what token, and where a file is on it. */

import { URL } from 'node:url'
import { InvalidInputError } from '../../common/errors.js'
import type { FilePin } from '../pins.js'

const PUBLIC_HUB = 'https://huggingface.co'

export interface Hub {
  readonly endpoint: URL
  readonly token: string | undefined
  readonly offline: boolean
}

export interface HubOptions {
  endpoint?: string | undefined
  token?: string | undefined
  offline?: boolean | undefined
}

/** Options, else the variables that Hugging Face's own tools read, else the public hub. */
export function findHub(
  options: HubOptions,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Hub {
  const fromOption = options.endpoint !== undefined
  const text = options.endpoint ?? (env.HF_ENDPOINT || PUBLIC_HUB)
  const token = (options.token ?? env.HF_TOKEN)?.trim() || undefined
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new InvalidInputError(
      `${options.token === undefined ? 'HF_TOKEN' : 'The option `token`'} must be a token without blanks.`,
    )
  }
  return {
    endpoint: parseEndpoint(text, fromOption ? 'The option `endpoint`' : 'HF_ENDPOINT'),
    token,
    offline: options.offline ?? offlineVariable(env) !== undefined,
  }
}

/** The variable that forbids the network, if one does. */
export function offlineVariable(
  env: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  return ['HF_HUB_OFFLINE', 'BGE_M3_OFFLINE'].find((name) =>
    /^(1|on|yes|true)$/i.test(env[name]?.trim() ?? ''),
  )
}

function parseEndpoint(text: string, source: string): URL {
  let url: URL
  try {
    url = new URL(text.trim())
  } catch {
    throw new InvalidInputError(`${source} must be a URL such as ${PUBLIC_HUB}.`)
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw new InvalidInputError(`${source} must start with https:// or http://.`)
  }
  url.search = ''
  url.hash = ''
  return url
}

/** `<endpoint>/<repository>/resolve/<revision>/<path>`; an endpoint may have a path of its own. */
export function fileUrl(hub: Hub, file: FilePin): URL {
  const encode = (path: string) => path.split('/').map(encodeURIComponent).join('/')
  const url = new URL(hub.endpoint)
  url.pathname = [
    url.pathname.replace(/\/+$/, ''),
    encode(file.repository),
    'resolve',
    // A branch may have a slash in its name, which is not a separator here.
    encodeURIComponent(file.revision),
    encode(file.path ?? file.name),
  ].join('/')
  return url
}

/** What the hub says of a repository at a revision: `<endpoint>/api/models/<repository>/revision/<revision>`. */
export function repositoryUrl(hub: Hub, repository: string, revision: string): URL {
  const url = new URL(hub.endpoint)
  const name = repository.split('/').map(encodeURIComponent).join('/')
  const base = url.pathname.replace(/\/+$/, '')
  url.pathname = `${base}/api/models/${name}/revision/${encodeURIComponent(revision)}`
  // with the sizes and checksums of its files
  url.search = '?blobs=true'
  return url
}

/** A URL for messages and records: without credentials, and without the query, which may be a signature. */
export function publicUrl(url: URL): string {
  return `${url.origin}${url.pathname}`
}
