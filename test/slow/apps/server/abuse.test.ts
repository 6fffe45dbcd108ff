/** A real `bge-m3 serve` under what clients may try, while somebody asks whether it is alive. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { WireStats } from '../../../../lib/apps/server/core/wire.js'
import { root } from '../../../helpers/child.js'
import { rerankerPath } from '../../../helpers/rerank-checkpoint.js'
import { standinPath } from '../../../helpers/standins.js'
import { until } from '../../../helpers/until.js'

/** Resident memory beyond that of an idle server: `requestMemory` for bodies, and what they become. */
const MOST_MB = 900
/** Hanging alone: how long it takes is printed. */
const MOST_MS = 10_000

let child: ChildProcess
let watcher: ChildProcess
let watched: Interface
let url = ''
let log = ''
let idle = 0
async function start(bodyLimit: string): Promise<void> {
  log = ''
  const model = await standinPath({ size: 'tiny' })
  const reranker = await rerankerPath('xlmr-tiny')
  const args = ['serve', '--model', model, '--rerank-model', reranker, '--port', '0']
  const limits = ['--body-limit', bodyLimit, '--no-page']
  child = spawn(process.execPath, [join(root, 'dist/cli/main.js'), ...args, ...limits], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  child.stderr?.on('data', (data) => {
    log += data
  })
  await until(() => /"url":"/.test(log) || child.exitCode !== null)
  url = /"url":"([^"]+)"/.exec(log)?.[1] ?? ''
  await post('/embed', JSON.stringify({ inputs: 'warm' }))
  const script = join(root, 'test/slow/apps/server/watch-health.mjs')
  watcher = spawn(process.execPath, [script, url, String(child.pid)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  watched = createInterface({ input: watcher.stdout as Readable })
  idle = (await seen()).most
}

function stop(): void {
  watcher?.kill('SIGKILL')
  child?.kill('SIGKILL')
}

interface Seen {
  /** Milliseconds of the slowest `/health`, and of that without waiting for a processor. */
  slowest: number
  own: number
  /** Resident megabytes. */
  most: number
}

/** What the process that watches has seen since it was asked last. */
async function seen(): Promise<Seen> {
  const answer = once(watched, 'line')
  watcher.stdin?.write('\n')
  return JSON.parse((await answer)[0]) as Seen
}

/** The status, or why there is none. */
function post(path: string, body: string, headers: http.OutgoingHttpHeaders = {}) {
  return new Promise<number | string>((resolve) => {
    const length =
      'transfer-encoding' in headers ? {} : { 'content-length': Buffer.byteLength(body) }
    const request = http.request(
      url + path,
      {
        method: 'POST',
        agent: false,
        headers: { 'content-type': 'application/json', ...length, ...headers },
      },
      (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0))
      },
    )
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'))
    request.end(body)
  })
}

/** The statuses of an abuse; it is printed what it cost, and the server is as it was afterwards. */
async function under<T>(what: string, abuse: () => Promise<T>): Promise<T> {
  let last: Seen
  await seen()
  let result: T
  try {
    result = await abuse()
  } finally {
    last = await seen()
  }
  const { slowest, own, most } = last
  console.info(
    `${what}: slowest /health ${slowest.toFixed(0)} ms, ${own.toFixed(0)} of its own, resident ${most.toFixed(0)} MB (${idle.toFixed(0)} idle)`,
  )
  expect(slowest).toBeLessThan(MOST_MS)
  expect(most - idle).toBeLessThan(MOST_MB)
  // places and memory came back
  await until(async () => {
    const { queue } = (await (await fetch(`${url}/stats`)).json()) as WireStats
    return queue.running === 0 && queue.waiting === 0
  })
  expect(await post('/embed', JSON.stringify({ inputs: what }))).toBe(200)
  expect(child.exitCode).toBe(null)
  return result
}

const times = <T>(count: number, make: (i: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, i) => make(i)))

const ids = `[${'17,'.repeat(290_000)}17]`

/** The default limit of a body, and one that an operator raised. */
const limits = [
  ['2MB', 1.9e6],
  ['20MB', 15e6],
] as const

describe.skipIf(process.platform !== 'linux').each(limits)('bodies up to %s', (limit, bytes) => {
  const words = 'word '.repeat(bytes / 5)
  beforeAll(() => start(limit))
  afterAll(stop)

  /** Path, body and what may be answered. */
  const bodies: [what: string, path: string, body: () => string, statuses: unknown[]][] = [
    ['[ and nothing else', '/embed', () => '['.repeat(bytes / 4), [422]],
    ['{},', '/embed', () => `{"inputs":[${'{},'.repeat(bytes / 3)}{}]}`, [422, 429]],
    [
      'a member that is unknown',
      '/embed',
      () => JSON.stringify({ inputs: 'x', other: 'x'.repeat(bytes) }),
      [422, 429],
    ],
    ['one text', '/embed', () => JSON.stringify({ inputs: words }), [413, 429]],
    [
      'one text, cut',
      '/embed',
      () => JSON.stringify({ inputs: words, truncate: true }),
      [200, 429],
    ],
    ['white space', '/embed', () => JSON.stringify({ inputs: ' '.repeat(bytes) }), [200, 429]],
    ['one word', '/embed', () => JSON.stringify({ inputs: 'x'.repeat(bytes) }), [413, 429]],
    ['escapes', '/embed', () => `{"inputs":"${'\\u00e9'.repeat(bytes / 6)}"}`, [413, 429]],
    ['a text to tokenize', '/tokenize', () => JSON.stringify({ inputs: words }), [422, 429]],
    [
      '20,000 tokens, to tokenize',
      '/tokenize',
      () => JSON.stringify({ inputs: 'word '.repeat(20_000) }),
      [200, 429],
    ],
    ['a long list of ids', '/embed', () => `{"inputs":${ids}}`, [413, 429]],
    ['a long list of ids to decode', '/decode', () => `{"ids":${ids}}`, [200, 429]],
    [
      'a document to rerank',
      '/rerank',
      () => JSON.stringify({ query: 'x', texts: [words] }),
      [413, 429],
    ],
  ]
  it.each(bodies)('%s, eight at once', async (what, path, body, statuses) => {
    const text = body()
    for (const status of await under(what, () => times(8, () => post(path, text)))) {
      expect(statuses).toContain(status)
    }
  })

  it('500 connections that send headers alone cost 64 others nothing', async () => {
    const { port } = new URL(url)
    const sockets = await times(500, async () => {
      const socket = net.connect(Number(port), '127.0.0.1')
      socket.on('error', () => {})
      socket.write(
        'POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
      )
      return socket
    })
    try {
      const statuses = await under('500 silent connections', () =>
        times(64, (i) => post('/embed', JSON.stringify({ inputs: `${i}` }))),
      )
      expect(new Set(statuses)).toEqual(new Set([200]))
    } finally {
      for (const socket of sockets) socket.destroy()
    }
  })

  it('64 bodies of unknown length succeed, and ones that are too large are told so', async () => {
    const chunked = { 'transfer-encoding': 'chunked' }
    const statuses = await under('64 chunked bodies', () =>
      times(64, (i) => post('/embed', JSON.stringify({ inputs: `${i}` }), chunked)),
    )
    expect(new Set(statuses)).toEqual(new Set([200]))
    const large = 'x'.repeat(25e6)
    const refused = await under('bodies over the limit', () =>
      times(4, () => post('/embed', large)),
    )
    expect(new Set(refused)).toEqual(new Set([413]))
  })

  it('clients that hang up in the middle of all of it', async () => {
    const body = JSON.stringify({ inputs: Array(2000).fill('some words '.repeat(20)) })
    await under('100 that hang up', () =>
      times(100, async (i) => {
        const request = http.request(`${url}/embed`, {
          method: 'POST',
          agent: false,
          headers: { 'content-type': 'application/json', 'content-length': body.length },
        })
        request.on('error', () => {})
        request.end(i % 2 ? body : body.slice(0, 1000))
        await sleep(50 + 5 * i)
        request.destroy()
      }),
    )
  })

  it('and ends as it should', async () => {
    watcher.kill()
    child.kill('SIGTERM')
    await until(() => child.exitCode !== null || child.signalCode !== null)
    expect(child.exitCode).toBe(0)
    expect(log).not.toContain('word word')
  })
})
