/**
 * HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, upper or lower case. Node 20 does not read them
 * itself. The agents are the ones npm uses (288 kB with all they need; undici's, the other choice,
 * is 2.2 MB and does not run on every Node 20).
 */

import type { Agent } from 'node:http'
import { URL } from 'node:url'
import { HttpProxyAgent } from 'http-proxy-agent'
import { HttpsProxyAgent } from 'https-proxy-agent'
import { getProxyForUrl } from 'proxy-from-env'
import { DownloadError } from '../../common/errors.js'

/** The proxy for a URL by the environment, if any. */
export function proxyOf(url: URL): URL | undefined {
  const text = getProxyForUrl(url.href)
  if (text === '') return undefined
  let proxy: URL
  try {
    proxy = new URL(text)
  } catch {
    throw new DownloadError(`The proxy in the environment for ${url.protocol}// is not a URL.`)
  }
  if (proxy.protocol !== 'http:' && proxy.protocol !== 'https:') {
    throw new DownloadError(
      `The proxy in the environment for ${url.protocol}// has the scheme ${proxy.protocol}//, which ` +
        'is not supported: name an http:// proxy in HTTPS_PROXY, or download the files by hand.',
    )
  }
  return proxy
}

/**
 * The agent for one request; `false` for a direct connection. When `signal` is aborted, a connection
 * to the proxy that is still being made is dropped too, which destroying the request would not do.
 */
export function agentFor(url: URL, proxy: URL | undefined, signal: AbortSignal): Agent | false {
  if (proxy === undefined) return false
  const options = { signal, keepAlive: false }
  return url.protocol === 'https:'
    ? new HttpsProxyAgent(proxy, options)
    : new HttpProxyAgent(proxy, options)
}
