/**
 * One GET or HEAD over node:http(s): redirects, proxies, deadlines, and nothing else. Bodies are
 * handed on as they come; every failure of the network is a `NetworkError`.
 */

import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import https from 'node:https'
import { URL } from 'node:url'
import { type AbortSignalLike, abortReason, throwIfAborted } from '../../common/abort.js'
import { DownloadError } from '../../common/errors.js'
import { clearTimeout, setTimeout } from '../../common/timers.js'
import { Body } from './body.js'
import { publicUrl } from './hub.js'
import type { Patience } from './options.js'
import { agentFor, proxyOf } from './proxy.js'

export interface NetworkErrorDetails {
  /** Whether the connection went through a proxy from the environment. */
  proxied?: boolean
  /** The server answered at least the start of something: it exists and can be reached. */
  answered?: boolean
  /** Milliseconds that the server asks us to wait. */
  retryAfter?: number | undefined
  cause?: unknown
}

/** The network failed, or the server broke off or is busy; trying again may help. */
export class NetworkError extends Error {
  /** Node's error code (`ECONNRESET`), or `STALLED`, `NO_ANSWER`, `CUT`, `HTTP_503`. */
  readonly code: string
  readonly proxied: boolean
  readonly answered: boolean
  readonly retryAfter: number | undefined

  constructor(code: string, message: string, details: NetworkErrorDetails = {}) {
    super(message, { cause: details.cause })
    this.name = 'NetworkError'
    this.code = code
    this.proxied = details.proxied ?? false
    this.answered = details.answered ?? false
    this.retryAfter = details.retryAfter
  }
}

export interface HttpRequest extends Pick<Patience, 'responseTimeout' | 'stallTimeout'> {
  method?: 'GET' | 'HEAD'
  headers?: Readonly<Record<string, string>>
  /** Sent as a bearer token to the first URL's origin only. */
  token?: string | undefined
  signal?: AbortSignalLike | undefined
  /** A redirect to another origin is the answer itself. */
  stayHome?: boolean
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Of the last hop. */
  readonly url: URL
  /** All hops' headers: a hub tells of a file in the redirect to where the bytes are. */
  readonly hops: readonly IncomingHttpHeaders[]
  /** The body; must be read to its end or left early (`break`), or `discard`ed. */
  readonly body: AsyncIterable<Buffer>
  discard(): void
}

const MAX_REDIRECTS = 10
const REDIRECTS = new Set([301, 302, 303, 307, 308])

/**
 * @throws NetworkError; DownloadError when no retry can help; the signal's reason
 */
export async function send(start: URL, request: HttpRequest): Promise<HttpAnswer> {
  const hops: IncomingHttpHeaders[] = []
  let url = start
  for (;;) {
    const exchange = new Exchange(url, url.origin === start.origin, request)
    const { message, body } = await exchange.answer()
    hops.push(message.headers)
    const status = message.statusCode ?? 0
    const { location } = message.headers
    const target =
      REDIRECTS.has(status) && location !== undefined ? redirectTarget(location, url) : undefined
    if (target === undefined || (request.stayHome && target.origin !== start.origin)) {
      const discard = () => exchange.end()
      return { status, headers: message.headers, url, hops, body: exchange.read(body), discard }
    }
    exchange.end()
    if (hops.length > MAX_REDIRECTS) {
      throw new DownloadError(`${publicUrl(start)} redirects more than ${MAX_REDIRECTS} times.`)
    }
    url = target
  }
}

function redirectTarget(location: string, from: URL): URL {
  const target = URL.canParse(location, from.href) ? new URL(location, from) : undefined
  if (target?.protocol !== 'https:' && target?.protocol !== 'http:') {
    throw new DownloadError(
      `${publicUrl(from)} redirects to something that is not an HTTP address.`,
    )
  }
  return target
}

/** One request and its answer, with one switch that ends it from anywhere. */
class Exchange {
  private readonly switch = new AbortController()
  private readonly proxy: URL | undefined
  private readonly onAbort = () => this.switch.abort(this.request.signal?.reason)
  private timer: NodeJS.Timeout | undefined
  private answered = false

  constructor(
    private readonly url: URL,
    private readonly isHome: boolean,
    private readonly request: HttpRequest,
  ) {
    this.proxy = proxyOf(url)
    throwIfAborted(request.signal)
    request.signal?.addEventListener('abort', this.onAbort, { once: true })
  }

  answer(): Promise<{ message: IncomingMessage; body: Body }> {
    const { url, request } = this
    const headers: Record<string, string> = {
      'user-agent': 'bge-m3-node',
      // A compressed answer has other lengths and ranges than the file.
      'accept-encoding': 'identity',
      ...request.headers,
    }
    if (this.isHome && request.token) headers.authorization = `Bearer ${request.token}`
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => {
        reject(this.explain(error))
        this.end()
      }
      this.expect(request.responseTimeout, 'NO_ANSWER', 'did not answer')
      try {
        const sent = (url.protocol === 'https:' ? https : http).request(url, {
          method: request.method ?? 'GET',
          headers,
          agent: agentFor(url, this.proxy, this.switch.signal),
          signal: this.switch.signal,
        })
        // Stays for good: a server that says more than its answer must not cause an uncaught error.
        sent.on('error', (error) => this.answered || fail(error))
        sent.on('response', (message) => {
          this.relax()
          this.answered = true
          resolve({ message, body: new Body(message) })
        })
        sent.end()
      } catch (error) {
        fail(error)
      }
    })
  }

  async *read(body: Body): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        // The clock runs only while we wait: a slow disk is not a stalled server.
        this.expect(this.request.stallTimeout, 'STALLED', 'sent nothing')
        const chunk = await body.next()
        this.relax()
        throwIfAborted(this.request.signal)
        if (chunk === undefined) return
        yield chunk
      }
    } catch (error) {
      throw this.explain(error)
    } finally {
      this.end()
    }
  }

  /** Closes the connection and lets go of everything. */
  end(): void {
    this.relax()
    this.request.signal?.removeEventListener?.('abort', this.onAbort)
    this.switch.abort(new Error('ended'))
  }

  private expect(milliseconds: number, code: string, what: string): void {
    this.timer = setTimeout(() => {
      const seconds = Math.round(milliseconds / 100) / 10
      this.switch.abort(this.failure(code, `${this.url.host} ${what} for ${seconds} s`))
    }, milliseconds)
  }

  private relax(): void {
    clearTimeout(this.timer)
  }

  private explain(error: unknown): unknown {
    if (this.request.signal?.aborted) return abortReason(this.request.signal)
    const { reason } = this.switch.signal
    if (reason instanceof NetworkError) return reason
    if (error instanceof DownloadError || error instanceof NetworkError) return error
    const code = (error as NodeJS.ErrnoException).code ?? 'NETWORK'
    const via = this.proxy ? `${this.url.host} through the proxy ${this.proxy.host}` : this.url.host
    if (isCertificateError(code)) {
      return new DownloadError(
        `The certificate of ${via} is not trusted (${code}). If a proxy of your network signs ` +
          'connections itself, name its certificate in NODE_EXTRA_CA_CERTS.',
        { cause: error },
      )
    }
    return this.failure(code, `the connection to ${via} failed (${code})`, error)
  }

  private failure(code: string, message: string, cause?: unknown): NetworkError {
    const { answered } = this
    return new NetworkError(code, message, { answered, cause, proxied: this.proxy !== undefined })
  }
}

function isCertificateError(code: string): boolean {
  return /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT_|INVALID_CA|HOSTNAME_)/.test(
    code,
  )
}
