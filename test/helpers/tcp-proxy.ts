/** A TCP proxy in front of a server: adds latency, cuts every connection, swallows what is sent. */

import { once } from 'node:events'
import { createServer, connect as dial, type Socket } from 'node:net'

export interface TcpProxy {
  port: number
  /** Milliseconds that every piece takes longer, each way. */
  delayMs: number
  /** Connections that are there end, and new ones are refused. */
  cut(): void
  /** Connections stay, and nothing passes. */
  swallow(): void
  /** As if nothing had been: what was swallowed is lost, so its connections end. */
  mend(): void
  close(): Promise<void>
}

export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  let state: 'open' | 'cut' | 'swallowing' = 'open'
  const proxy: TcpProxy = {
    port: 0,
    delayMs: 0,
    cut() {
      state = 'cut'
      for (const socket of sockets) socket.destroy()
    },
    swallow() {
      state = 'swallowing'
    },
    mend() {
      if (state === 'swallowing') for (const socket of sockets) socket.destroy()
      state = 'open'
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  const server = createServer((client) => {
    if (state === 'cut') {
      client.destroy()
      return
    }
    const upstream = dial(targetPort, '127.0.0.1')
    const pass = (from: Socket, to: Socket) => {
      sockets.add(from)
      from.setNoDelay(true)
      from.on('error', () => {})
      from.on('data', (data) => {
        if (state === 'swallowing') return
        if (proxy.delayMs === 0) to.write(data)
        else setTimeout(() => !to.destroyed && to.write(data), proxy.delayMs)
      })
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
    pass(client, upstream)
    pass(upstream, client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxy.port = (server.address() as { port: number }).port
  return proxy
}
