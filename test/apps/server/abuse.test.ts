/** What one client may try that must cost the others nothing: over raw sockets, as no client library would. */
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { checkJsonBounds } from '../../../lib/apps/server/core/json-bounds.js'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { tinyPath } from '../../helpers/standins.js'
import { until } from '../../helpers/until.js'
import { type TestServer, useServers } from './helper.js'

let embedder: Embedder
// its end is registered before that of the sockets, and so comes after it
const serve = useServers()
const sockets: net.Socket[] = []
beforeAll(async () => {
  embedder = await Embedder.load({ model: await tinyPath() })
})
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
})
afterAll(() => embedder.dispose())

const port = (served: TestServer) => Number(new URL(served.url).port)

/** A socket that has written `head`. */
async function raw(served: TestServer, head: string): Promise<net.Socket> {
  const socket = net.connect(port(served), '127.0.0.1')
  socket.on('error', () => {})
  sockets.push(socket)
  await once(socket, 'connect')
  socket.write(head)
  return socket
}

/** All that the server says until it ends the connection, or until `enough`. */
async function said(socket: net.Socket, enough = (_: string) => false): Promise<string> {
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  await Promise.race([once(socket, 'close'), until(() => enough(text))])
  return text
}

const head = (path: string, ...lines: string[]) =>
  `${[`POST ${path} HTTP/1.1`, 'Host: localhost', 'Content-Type: application/json', ...lines].join('\r\n')}\r\n\r\n`

/** A body in chunks of unknown total length. */
function chunked(served: TestServer, path: string, parts: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      served.url + path,
      { method: 'POST', agent: false, headers: { 'content-type': 'application/json' } },
      (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0))
      },
    )
    request.on('error', reject)
    for (const part of parts) request.write(part)
    request.end()
  })
}

describe('bodies on their way', () => {
  it('cost what has arrived of them: 64 of unknown length at once all succeed', async () => {
    const served = await serve({ embedder })
    const statuses = await Promise.all(
      Array.from({ length: 64 }, (_, i) => chunked(served, '/embed', ['{"inputs":', `"${i}"}`])),
    )
    expect(statuses).toEqual(Array(64).fill(200))
  })

  it('take no place: 500 connections that only announce one', async () => {
    const served = await serve({ embedder, concurrency: 4, queue: 4 })
    for (let i = 0; i < 500; i++) {
      const length = i % 2 ? 'Transfer-Encoding: chunked' : 'Content-Length: 1900000'
      await raw(served, head('/embed', length))
    }
    const statuses = await Promise.all(
      Array.from({ length: 8 }, (_, i) => served.post('/embed', { inputs: `${i}` })),
    )
    expect(statuses.map(({ status }) => status)).toEqual(Array(8).fill(200))
    expect(served.server.context.bodies.bytes).toBe(0)
  })

  it('that stand still give way to those that move', async () => {
    const served = await serve({ embedder, requestMemory: 1_000_000, bodyLimit: 600_000 })
    const half = 'x'.repeat(450_000)
    const still = await Promise.all(
      [0, 1].map(() => raw(served, `${head('/embed', 'Content-Length: 590000')}${half}`)),
    )
    await until(() => served.server.context.bodies.bytes > 890_000)
    // they may be about to go on
    const inputs = 'word '.repeat(50_000)
    expect((await served.post('/embed', { inputs, truncate: true })).status).toBe(429)
    await sleep(2100)
    expect((await served.post('/embed', { inputs, truncate: true })).status).toBe(200)
    const answer = await Promise.race(still.map((socket) => said(socket)))
    expect(answer).toMatch(/^HTTP\/1.1 429 /)
    expect(answer).toContain('connection: close')
  })

  it('that break off are forgotten', async () => {
    const served = await serve({ embedder })
    const socket = await raw(served, `${head('/embed', 'Content-Length: 1000')}{"inputs":`)
    await until(() => served.server.context.bodies.bytes > 0)
    socket.destroy()
    await until(() => served.server.context.bodies.bytes === 0)
    await until(() => served.log().includes('"status":499'))
  })
})

describe('JSON that is cheap to send', () => {
  it('does not hold up others, whatever the limit', async () => {
    const served = await serve({ embedder, bodyLimit: 20_000_000 })
    const bombs = [
      '['.repeat(4_000_000),
      `{"inputs":${'['.repeat(200)}${']'.repeat(200)}}`,
      `{"inputs":[${'{},'.repeat(5_000_000)}{}]}`,
      `{"inputs":"x","other":[${'0,'.repeat(900_000)}0]}`,
      `{"inputs":"x","other":"${'x'.repeat(15_000_000)}"}`,
      `{"inputs":"x","other":${'{"a":'.repeat(100)}1${'}'.repeat(100)},${`"${'y'.repeat(9)}":1,`.repeat(500_000)}"z":1}`,
    ]
    const delays: number[] = []
    let isOver = false
    const watch = (async () => {
      while (!isOver) {
        const began = performance.now()
        await served.get('/health')
        delays.push(performance.now() - began)
        await sleep(5)
      }
    })()
    for (const body of bombs) {
      const answers = await Promise.all([0, 1].map(() => served.call('POST', '/embed', { body })))
      for (const { status, json } of answers) {
        expect([400, 422, 429]).toContain(status)
        expect(json.error).not.toContain('xxx')
      }
    }
    isOver = true
    await watch
    expect(delays.length).toBeGreaterThan(10)
    expect((await served.post('/embed', { inputs: 'x' })).status).toBe(200)
  })

  it('is judged as its parser would: strings, escapes and depth', () => {
    const bytes = (value: string) => Buffer.from(value)
    const deep = (n: number) => `${'['.repeat(n)}${']'.repeat(n)}`
    checkJsonBounds(bytes(deep(128)), 1000)
    expect(() => checkJsonBounds(bytes(deep(129)), 1000)).toThrow('128 deep')
    // brackets and commas in strings are letters
    checkJsonBounds(bytes(JSON.stringify([`${'['.repeat(500)},,,,"\\`, '\\\\', '"[[['])), 4)
    expect(() => checkJsonBounds(bytes('[1,2,3,4]'), 3)).toThrow('3 values')
    // no JSON is the parser's business
    checkJsonBounds(bytes('"never ends \\"'), 10)
    checkJsonBounds(bytes('"'), 10)
    checkJsonBounds(bytes(''), 10)
    checkJsonBounds(bytes(']]]]'), 10)
  })
})

describe('texts to tokenize', () => {
  it('count as a whole, though the model would read a part of them', async () => {
    const served = await serve({ embedder, maxRequestTokens: 10_000 })
    const { maxTokens } = embedder.info
    for (const [words, status] of [
      [2 * maxTokens, 422],
      [maxTokens + 10, 200],
    ] as const) {
      const inputs = 'a '.repeat(words)
      expect((await served.post('/tokenize', { inputs })).status).toBe(status)
    }
  })
})

describe('refusals', () => {
  it('arrive though the body is still being sent', async () => {
    const served = await serve({ embedder, apiKey: ['k'] })
    const body = Buffer.alloc(17_000_000, 0x78)
    const send = (path: string, headers: Record<string, string>) =>
      new Promise<number | string>((resolve) => {
        const request = http.request(
          served.url + path,
          {
            method: 'POST',
            agent: false, // `Connection: close`
            headers: { 'content-type': 'application/json', 'x-api-key': 'k', ...headers },
          },
          (response) => {
            response.resume().on('end', () => resolve(response.statusCode ?? 0))
          },
        )
        request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'))
        request.end(body)
      })
    const length = { 'content-length': `${body.length}` }
    expect(await send('/v1/embeddings', length)).toBe(413)
    expect(await send('/v1/embeddings', { 'transfer-encoding': 'chunked' })).toBe(413)
    expect(await send('/v1/embeddings', { ...length, 'x-api-key': 'other' })).toBe(401)
    expect(await send('/nowhere', length)).toBe(404)
    expect(await send('/embed', { ...length, 'content-type': 'text/plain' })).toBe(415)
  })

  it('come before 100 Continue, and the body is asked for only when it is wanted', async () => {
    const served = await serve({ embedder })
    const expects = 'Expect: 100-continue'
    const large = await raw(served, head('/embed', expects, 'Content-Length: 9000000'))
    expect(await said(large)).toMatch(/^HTTP\/1.1 413 /)
    const nowhere = await raw(served, head('/nowhere', expects, 'Content-Length: 90'))
    expect(await said(nowhere)).toMatch(/^HTTP\/1.1 404 /)
    const body = '{"inputs":"x"}'
    const wanted = await raw(served, head('/embed', expects, `Content-Length: ${body.length}`))
    const answer = said(wanted, (text) => text.includes(']]'))
    await until(() => wanted.bytesRead > 0)
    wanted.write(body)
    expect(await answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK/)
  })

  it('have the documented body, also where no route was reached', async () => {
    const served = await serve({ embedder })
    const cases: [string, number][] = [
      ['no http at all\r\n\r\n', 400],
      [`GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(99_999)}\r\n\r\n`, 431],
      ['GET /health HTTP/1.1\r\nHost: localhost\r\nHost: other\r\nConnection: close\r\n\r\n', 400],
      [head('/embed', 'Content-Length: 5', 'Transfer-Encoding: chunked'), 400],
    ]
    for (const [text, status] of cases) {
      const answer = await said(await raw(served, text))
      const [header = '', body = ''] = answer.split('\r\n\r\n')
      expect(header).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
      expect(header.toLowerCase()).toContain('content-type: application/json')
      expect(JSON.parse(body).error).toMatchObject({
        message: expect.any(String),
        type: 'invalid_request_error',
      })
    }
    for (const path of ['/docs/static/missing.js', '/page/missing.js', '/docs/static/%2e%2e/x']) {
      expect((await served.get(path)).status).toBe(404)
    }
  })
})

describe('host names', () => {
  /** `fetch` sends no `Host` of one's own. */
  const asHost = async (served: TestServer, host: string, lines: string[] = []) => {
    const socket = await raw(
      served,
      `${['GET /stats HTTP/1.1', `Host: ${host}`, 'Connection: close', ...lines].join('\r\n')}\r\n\r\n`,
    )
    return Number(/^HTTP\/1.1 (\d+)/.exec(await said(socket))?.[1])
  }

  it('of other sites are refused where only this machine is meant and there is no key', async () => {
    const served = await serve({ embedder })
    const p = port(served)
    for (const host of [
      'localhost',
      `localhost:${p}`,
      'app.localhost',
      '127.0.0.1',
      `127.1.2.3:${p}`,
      `[::1]:${p}`,
      'LOCALHOST.',
    ]) {
      expect([host, await asHost(served, host)]).toEqual([host, 200])
    }
    for (const host of [
      'evil.example',
      `evil.example:${p}`,
      '10.0.0.1',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '',
    ]) {
      expect([host, await asHost(served, host)]).toEqual([host, 403])
    }
  })

  it('are anybody’s with a key, or those that are named', async () => {
    const keyed = await serve({ embedder, apiKey: ['k'] })
    expect(await asHost(keyed, 'any.example', ['x-api-key: k'])).toBe(200)
    const named = await serve({ embedder, allowedHosts: ['Embed.example'] })
    expect(await asHost(named, 'embed.example:80')).toBe(200)
    expect(await asHost(named, 'other.example')).toBe(403)
    const both = await serve({ embedder, apiKey: ['k'], allowedHosts: ['embed.example'] })
    expect(await asHost(both, 'other.example', ['x-api-key: k'])).toBe(403)
  })
})
