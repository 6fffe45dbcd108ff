/** The two ways to an agent: stdin and stdout, or HTTP on this machine. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { optional } from '../../../common/optional.js'
import { UsageError } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'

const SDK = '@modelcontextprotocol/sdk'
const LOOPBACK = '127.0.0.1'
const PATH = '/mcp'
/** Agents on one machine; each waits for the others' searches. */
const MOST_CONNECTIONS = 64

/** Something that serves until it is closed. */
export interface Serving {
  /** Resolves when whoever asked is gone. */
  ended: Promise<void>
  close(): Promise<void>
}

/** One agent, on the process's own streams; ends when stdin does. */
export async function serveStdio(io: CliIo, server: McpServer): Promise<Serving> {
  const { StdioServerTransport } = await optional(
    SDK,
    'bge-m3 mcp',
    () => import('@modelcontextprotocol/sdk/server/stdio.js'),
  )
  const transport = new StdioServerTransport(io.stdin, io.stdout)
  const ended = new Promise<void>((resolve) => {
    io.stdin.once('end', resolve)
    io.stdin.once('close', resolve)
    server.server.onclose = resolve
  })
  // the error may hold a piece of what was sent
  server.server.onerror = () => say(io, 'a message that is none of the protocol was left out.')
  await server.connect(transport)
  return { ended, close: () => server.close() }
}

/**
 * Any number of agents, over streamable HTTP without sessions: a request brings all that it needs. Only names
 * of this machine are answered to, so that no page in a browser can ask under a name of its own.
 *
 * @param makeServer for each request
 */
export async function serveHttp(
  io: CliIo,
  port: number,
  makeServer: () => Promise<McpServer>,
): Promise<Serving> {
  const { StreamableHTTPServerTransport } = await optional(
    SDK,
    'bge-m3 mcp',
    () => import('@modelcontextprotocol/sdk/server/streamableHttp.js'),
  )
  const answer = async (request: IncomingMessage, response: ServerResponse, names: string[]) => {
    const transport = new StreamableHTTPServerTransport({
      enableJsonResponse: true,
      enableDnsRebindingProtection: true,
      allowedHosts: names,
      allowedOrigins: names.map((name) => `http://${name}`),
    })
    const server = await makeServer()
    response.once('close', () => void server.close())
    await server.connect(transport as Transport)
    await transport.handleRequest(request, response)
  }
  const unanswered = new Set<ServerResponse>()
  const http = createServer((request, response) => {
    unanswered.add(response)
    for (const event of ['finish', 'close']) {
      response.once(event, () => unanswered.delete(response))
    }
    const { port } = http.address() as AddressInfo
    if (request.url?.split('?')[0] !== PATH) {
      refuse(response, 404, `The protocol is spoken at ${PATH}.`)
      return
    }
    if (request.method !== 'POST') {
      // there are no sessions, so nothing to listen to or to end
      refuse(response, 405, 'Only POST is allowed.', { allow: 'POST' })
      return
    }
    answer(request, response, [`${LOOPBACK}:${port}`, `localhost:${port}`]).catch(() => {
      if (response.headersSent) response.destroy()
      else refuse(response, 500, 'Internal error.')
    })
  })
  http.maxConnections = MOST_CONNECTIONS
  await listen(http, port)
  say(io, `listening on http://${LOOPBACK}:${(http.address() as AddressInfo).port}${PATH}`)
  return {
    ended: new Promise<void>((resolve) => http.once('close', resolve)),
    async close() {
      const closed = new Promise((resolve) => http.close(resolve))
      http.closeIdleConnections()
      const answered = [...unanswered].map((response) => once(response, 'close'))
      await Promise.allSettled(answered)
      // of a request that was refused the rest may still be on its way
      http.closeAllConnections()
      await closed
    },
  }
}

function listen(http: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once('error', ({ code }: NodeJS.ErrnoException) =>
      reject(new UsageError(`Port ${port} of ${LOOPBACK} cannot be used (${code}).`)),
    )
    http.listen(port, LOOPBACK, resolve)
  })
}

function refuse(
  response: ServerResponse,
  status: number,
  message: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { ...headers, 'content-type': 'application/json' })
  response.end(JSON.stringify({ jsonrpc: '2.0', error: { code: -32000, message }, id: null }))
}
