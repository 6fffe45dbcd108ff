/** What HTTP itself asks of a server beside its routes: hosts, `Expect`, what is no HTTP, bodies unread. */

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { isIP, type Socket } from 'node:net'
import { performance, sleep } from '../../common/timers.js'
import { HttpError, openaiBody } from './core/errors.js'
import type { ServerConfig } from './core/options.js'

/** Requests whose client waits for `100 Continue` before it sends the body. */
const waiting = new WeakMap<IncomingMessage, ServerResponse>()

/** `100 Continue` comes when a route reads the body: never before a refusal. */
export function expectContinue(server: Server): void {
  server.on('checkContinue', (request, response) => {
    waiting.set(request, response)
    server.emit('request', request, response)
  })
}

/** The body is wanted now. */
export function askForBody(request: IncomingMessage): void {
  waiting.get(request)?.writeContinue()
  waiting.delete(request)
}

/** Of the body of a request that is refused, what is read and thrown away, so that the answer arrives. */
const MOST_DISCARDED = 64_000_000
const DISCARD_MS = 10_000
/** Nothing more is on its way, presumably. */
const STILL_MS = 500

/**
 * Reads what is left of a body that nobody wants. Most clients write all of it before they look for an
 * answer, and one that finds the connection closed in between reports that instead of the answer.
 *
 * @returns whether the connection can take another request
 */
export async function discardBody(request: IncomingMessage): Promise<boolean> {
  const { headers, socket } = request
  const hasBody = Number(headers['content-length'] ?? 0) > 0 || 'transfer-encoding' in headers
  if (!hasBody || request.complete) return true
  if (waiting.has(request)) return false
  const began = performance.now()
  const most = socket.bytesRead + MOST_DISCARDED
  let movedAt = began
  let seen = socket.bytesRead
  request.resume()
  for (;;) {
    await sleep(10)
    if (request.complete) return true
    const now = performance.now()
    if (socket.bytesRead > seen) movedAt = now
    seen = socket.bytesRead
    const isLong = now - began > DISCARD_MS || now - movedAt > STILL_MS
    if (isLong || seen > most || socket.destroyed) return false
  }
}

/** The answer to what is no HTTP request, for Fastify's `clientErrorHandler`. */
export function refuseClient(cause: NodeJS.ErrnoException, socket: Socket): void {
  if (cause.code === 'ECONNRESET' || socket.destroyed) return
  if (socket.writable) {
    const [status, reason] = CLIENT_ERRORS[cause.code ?? ''] ?? [400, 'Bad Request']
    const error = new HttpError(status, 'bad_request', `${reason}: this is no request of HTTP/1.1.`)
    const body = JSON.stringify(openaiBody(error))
    socket.write(
      `HTTP/1.1 ${status} ${reason}\r\nContent-Type: application/json; charset=utf-8\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    )
  }
  socket.destroySoon()
}

const CLIENT_ERRORS: Record<string, [status: number, reason: string]> = {
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
}

/**
 * A check of the `Host` header. A page of another site can make a browser call this machine under that
 * site's name (DNS rebinding); where no key protects a server that only this machine is meant to reach,
 * such names are refused, as are all but those of `allowedHosts` where that is given.
 *
 * @throws HttpError 400, 403
 */
export function hostCheck(
  { host, allowedHosts }: Pick<ServerConfig, 'host' | 'allowedHosts'>,
  hasKeys: boolean,
): (request: IncomingMessage) => void {
  const isChecked = allowedHosts !== undefined || (!hasKeys && isLoopback(host))
  const allowed = new Set(allowedHosts?.map((name) => name.toLowerCase()))
  return ({ headers, rawHeaders }) => {
    const hosts = rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'host')
    if (hosts.length > 1) {
      throw new HttpError(400, 'bad_request', 'The request has more than one Host header.')
    }
    if (!isChecked) return
    const name = hostName(headers.host ?? '')
    if (isLoopback(name) || allowed.has(name)) return
    throw new HttpError(
      403,
      'host_not_allowed',
      'This server does not answer to that host name; its option allowedHosts (--allowed-hosts) adds names.',
    )
  }
}

/** Without port, brackets and the root's dot. */
function hostName(header: string): string {
  return header
    .toLowerCase()
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
}

function isLoopback(host: string): boolean {
  if (host === 'localhost' || host.endsWith('.localhost')) return true
  return (isIP(host) === 4 && host.startsWith('127.')) || host === '::1'
}
