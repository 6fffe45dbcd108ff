/** A forward proxy for tests: absolute-URI requests and CONNECT, with optional credentials. */

import http from 'node:http'
import net, { type AddressInfo, type Socket } from 'node:net'

export class TestProxy {
  /** "GET http://..." and "CONNECT host:port". */
  readonly seen: string[] = []
  /** What clients must send, as `user:password`. */
  credentials: string | undefined
  /** CONNECT is never answered. */
  isMute = false
  private readonly sockets = new Set<Socket>()
  private readonly server = http.createServer()

  static async start(): Promise<TestProxy> {
    const proxy = new TestProxy()
    const { server } = proxy
    server.on('connection', (socket: Socket) => proxy.track(socket))
    server.on('request', (request, response) => proxy.forward(request, response))
    server.on('connect', (request, socket) => proxy.tunnel(request, socket as Socket))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** Connections that are open now. */
  get open(): number {
    return this.sockets.size
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    await new Promise((resolve) => this.server.close(resolve))
  }

  private track(socket: Socket): void {
    this.sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.delete(socket))
  }

  private isAllowed(request: http.IncomingMessage): boolean {
    if (this.credentials === undefined) return true
    const wanted = `Basic ${Buffer.from(this.credentials).toString('base64')}`
    return request.headers['proxy-authorization'] === wanted
  }

  private forward(request: http.IncomingMessage, response: http.ServerResponse): void {
    this.seen.push(`${request.method} ${request.url}`)
    if (!this.isAllowed(request)) {
      response.writeHead(407, { 'proxy-authenticate': 'Basic' }).end()
      return
    }
    const { 'proxy-authorization': _secret, 'proxy-connection': _hop, ...headers } = request.headers
    const onward = http.request(request.url ?? '', { method: request.method, headers })
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
      answer.on('error', () => response.socket?.end())
    })
    onward.on('error', () => response.destroy())
    request.pipe(onward)
  }

  private tunnel(request: http.IncomingMessage, socket: Socket): void {
    this.seen.push(`CONNECT ${request.url}`)
    if (this.isMute) {
      // The socket is ours now: unread, it would not notice that the client has gone.
      socket.resume()
      socket.on('end', () => socket.end())
      return
    }
    if (!this.isAllowed(request)) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n')
      return
    }
    const [host, port] = (request.url ?? '').split(':')
    const onward = net.connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      onward.pipe(socket)
      socket.pipe(onward)
    })
    onward.on('error', () => socket.destroy())
    socket.on('close', () => onward.destroy())
  }
}
