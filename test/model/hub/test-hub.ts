/**
 * A hub for tests: a real HTTP server that serves files as a hub does (resolve URLs, ETags, ranges,
 * redirects to where the bytes are), and misbehaves on request.
 */

import { createHash } from 'node:crypto'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { FixedPin } from '../../../lib/model/pins.js'

/** Handles one request; returns false to leave it to the next behaviour, or to the well-behaved server. */
export type Behaviour = (
  request: IncomingMessage,
  response: ServerResponse,
  hub: TestHub,
) => boolean | undefined | Promise<boolean | undefined>

export interface SeenRequest {
  method: string
  url: string
  headers: http.IncomingHttpHeaders
}

export class TestHub {
  readonly files = new Map<string, Buffer>()
  readonly seen: SeenRequest[] = []
  /** Bytes of bodies that were handed to sockets. */
  served = 0
  /** One per request, in turn; then `always`; then the well-behaved server. */
  plan: Behaviour[] = []
  always: Behaviour | undefined
  etag: ((content: Buffer) => string | undefined) | undefined
  private readonly sockets = new Set<Socket>()

  private constructor(private readonly server: http.Server) {
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => this.sockets.delete(socket))
    })
    server.on('request', (request, response) => void this.handle(request, response))
  }

  static async start(tls?: { key: string; cert: string }): Promise<TestHub> {
    const server = tls ? https.createServer(tls) : http.createServer()
    const hub = new TestHub(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return hub
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  get endpoint(): string {
    return `${this.server instanceof https.Server ? 'https' : 'http'}://127.0.0.1:${this.port}`
  }

  /** Serves `content` and returns its pin. */
  add(name: string, content: Buffer, repository = 'test/model', revision = 'r1'): FixedPin {
    this.files.set(`/${repository}/resolve/${revision}/${name}`, content)
    return { name, repository, revision, size: content.length, sha256: sha256(content) }
  }

  /**
   * Serves a repository as the hub has it, at `main` and at its commit: what it says of the files, and the
   * files. Names of weights are large ones, with a sha256; the others lie in git, with its own checksum.
   */
  publish(
    repository: string,
    contents: Readonly<Record<string, Buffer>>,
    seed = repository,
  ): string {
    const commit = createHash('sha1').update(seed).digest('hex')
    const siblings = Object.entries(contents).map(([path, content]) => {
      const { length: size } = content
      const blobId = createHash('sha1').update(`blob ${size}\0`).update(content).digest('hex')
      const isLarge = /\.(gguf|safetensors|bin|pt|model)$/.test(path)
      const lfs = { sha256: sha256(content), size, pointerSize: 134 }
      return { rfilename: path, size, blobId, ...(isLarge && { lfs }) }
    })
    const about = {
      id: repository,
      sha: commit,
      lastModified: '2024-07-03T14:50:10.000Z',
      siblings,
    }
    for (const revision of ['main', commit]) {
      this.files.set(
        `/api/models/${repository}/revision/${revision}`,
        Buffer.from(JSON.stringify(about)),
      )
      for (const [path, content] of Object.entries(contents)) {
        this.files.set(`/${repository}/resolve/${revision}/${path}`, content)
      }
    }
    return commit
  }

  get downloads(): SeenRequest[] {
    return this.seen.filter((request) => request.method === 'GET')
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise((resolve) => this.server.close(resolve))
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request
    this.seen.push({ method, url, headers })
    response.on('error', () => {})
    const behaviour = this.plan.shift() ?? this.always
    if (behaviour !== undefined && (await behaviour(request, response, this)) !== false) return
    this.serve(request, response)
  }

  contentOf(request: IncomingMessage): Buffer | undefined {
    return this.files.get(decodeURIComponent(new URL(request.url ?? '', 'http://x').pathname))
  }

  /** As a good server does. `limit` cuts the connection after so many bytes of body. */
  serve(
    request: IncomingMessage,
    response: ServerResponse,
    { content = this.contentOf(request), limit = Number.POSITIVE_INFINITY } = {},
  ): void {
    if (content === undefined) {
      response.writeHead(404).end()
      return
    }
    const etag = this.etag ? this.etag(content) : `"${sha256(content).slice(0, 16)}"`
    const start = rangeStart(request, etag)
    const common = { 'accept-ranges': 'bytes', ...(etag && { etag }) }
    if (start !== undefined && start >= content.length) {
      response.writeHead(416, { 'content-range': `bytes */${content.length}`, ...common }).end()
      return
    }
    const body = content.subarray(start ?? 0)
    const head = { 'content-length': body.length, ...common }
    if (start === undefined) response.writeHead(200, head)
    else {
      const range = `bytes ${start}-${content.length - 1}/${content.length}`
      response.writeHead(206, { 'content-range': range, ...head })
    }
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    if (limit >= body.length) {
      this.served += body.length
      response.end(body)
    } else cut(response, body.subarray(0, limit), this)
  }
}

function rangeStart(request: IncomingMessage, etag: string | undefined): number | undefined {
  const match = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')
  if (!match) return undefined
  const condition = request.headers['if-range']
  return condition !== undefined && condition !== etag ? undefined : Number(match[1])
}

/** Sends these bytes and no more; a FIN, not a reset, which could overtake them. */
function cut(response: ServerResponse, bytes: Buffer, hub: TestHub): void {
  hub.served += bytes.length
  response.flushHeaders()
  const end = () => response.socket?.end()
  if (bytes.length > 0) response.write(bytes, end)
  else setImmediate(end)
}

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

/** The connection ends after so many bytes of body. */
export function cutAfter(limit: number): Behaviour {
  return (request, response, hub) => {
    hub.serve(request, response, { limit })
    return true
  }
}

/** Sends some bytes, then nothing more, and keeps the connection. */
export function stallAfter(bytes: number): Behaviour {
  return (request, response, hub) => {
    const content = hub.contentOf(request) ?? Buffer.alloc(0)
    const start = rangeStart(request, undefined) ?? 0
    const range = `bytes ${start}-${content.length - 1}/${content.length}`
    response.writeHead(start > 0 ? 206 : 200, {
      'content-length': content.length - start,
      ...(start > 0 && { 'content-range': range }),
    })
    if (bytes === 0) response.flushHeaders()
    else response.write(content.subarray(start, start + bytes))
    return true
  }
}

/** Never answers. */
export const silence: Behaviour = () => true

/** Ends the connection before an answer. */
export const hangUp: Behaviour = (request) => {
  request.socket.destroy()
  return true
}

export function status(code: number, headers: http.OutgoingHttpHeaders = {}, body = ''): Behaviour {
  return (_request, response) => {
    response.writeHead(code, headers).end(body)
    return true
  }
}

/** Answers every request with all of `content`, whatever was asked for. */
export function ignoreRange(headers: http.OutgoingHttpHeaders = {}, limit?: number): Behaviour {
  return (request, response, hub) => {
    const content = hub.contentOf(request) ?? Buffer.alloc(0)
    response.writeHead(200, { 'content-length': content.length, ...headers })
    if (limit === undefined) response.end(content)
    else cut(response, content.subarray(0, limit), hub)
    return true
  }
}

/** Sends `content` in place of the file, without saying how long it is. */
export function chunked(content: Buffer, headers: http.OutgoingHttpHeaders = {}): Behaviour {
  return (_request, response) => {
    response.writeHead(200, headers)
    response.write(content)
    response.end()
    return true
  }
}

/** Sends the answer slowly: `bytes` every `milliseconds`. */
export function trickle(
  bytes: number,
  milliseconds: number,
  onSent?: (sent: number) => void,
): Behaviour {
  return async (request, response, hub) => {
    const content = hub.contentOf(request)
    if (content === undefined) return false
    const etag = `"${sha256(content).slice(0, 16)}"`
    const start = rangeStart(request, etag)
    const range = `bytes ${start}-${content.length - 1}/${content.length}`
    const head = { etag, 'content-length': content.length - (start ?? 0) }
    response.writeHead(start === undefined ? 200 : 206, {
      ...head,
      ...(start !== undefined && { 'content-range': range }),
    })
    for (let at = start ?? 0; at < content.length && !response.destroyed; at += bytes) {
      const piece = content.subarray(at, at + bytes)
      response.write(piece)
      hub.served += piece.length
      onSent?.(Math.min(at + bytes, content.length))
      await new Promise((resolve) => setTimeout(resolve, milliseconds))
    }
    response.end()
    return true
  }
}
