/** Servers of the stand-in inside the test, what they logged, and clients for them. */
import { Writable } from 'node:stream'
import { afterEach } from 'vitest'
import type { ServedEmbedder } from '../../../lib/apps/server/core/served.js'
import { createServer, type Server, type ServerOptions } from '../../../lib/exports/server.js'
import { standinPath } from '../../helpers/standins.js'

export interface Answer {
  status: number
  headers: Headers
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests read members of many shapes
  json: any
}

export interface TestServer {
  server: Server
  url: string
  /** Everything that was logged so far. */
  log(): string
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>
  get(path: string, headers?: Record<string, string>): Promise<Answer>
  close(): Promise<boolean>
}

export interface CallOptions {
  body?: string | Uint8Array | undefined
  headers?: Record<string, string>
  signal?: AbortSignal
}

/** A server with the tiny stand-in on a free port, without the page unless asked for. */
export async function testServer(options: ServerOptions = {}): Promise<TestServer> {
  const lines: string[] = []
  const logStream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  const load = options.embedder ? {} : { load: { model: await standinPath({ size: 'tiny' }) } }
  const server = await createServer({ port: 0, page: false, logStream, ...load, ...options }, {})
  const { url } = await server.start()
  const call = async (
    method: string,
    path: string,
    { body, headers, signal }: CallOptions = {},
  ) => {
    const response = await fetch(url + path, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body }),
      ...(signal && { signal }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, json: jsonOf(text) }
  }
  return {
    server,
    url,
    log: () => lines.join(''),
    call,
    post: (path, body, headers = {}) => call('POST', path, { body: JSON.stringify(body), headers }),
    get: (path, headers = {}) => call('GET', path, { headers }),
    close: () => server.close(),
  }
}

/** `testServer`, whose servers are closed when the test has ended. */
export function useServers(): typeof testServer {
  const open: TestServer[] = []
  afterEach(async () => {
    await Promise.all(open.splice(0).map((served) => served.close()))
  })
  return async (options) => {
    const served = await testServer(options)
    open.push(served)
    return served
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The embedder with some of it replaced. */
export function withOverrides(
  embedder: ServedEmbedder,
  overrides: Partial<ServedEmbedder>,
): ServedEmbedder {
  return new Proxy(embedder, {
    get(target, name) {
      if (name in overrides) return overrides[name as keyof ServedEmbedder]
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
