/** A real `bge-m3 serve` under what clients may try, while somebody asks whether it is alive. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import net from 'node:net'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
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
let url = ''
let log = ''
let idle = 0
beforeAll(async () => {
  const model = await standinPath({ size: 'tiny' })
  const reranker = await rerankerPath('xlmr-tiny')
  const args = ['serve', '--model', model, '--rerank-model', reranker, '--port', '0']
  const limits = ['--body-limit', '20MB', '--no-page']
  child = spawn(process.execPath, [join(root, 'dist/cli/main.js'), ...args, ...limits], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  child.stderr?.on('data', (data) => {
    log += data
  })
  await until(() => /"url":"/.test(log) || child.exitCode !== null)
  url = /"url":"([^"]+)"/.exec(log)?.[1] ?? ''
  await post('/embed', JSON.stringify({ inputs: 'warm' }))
  idle = await residentMb()
})
afterAll(() => child?.kill('SIGKILL'))

async function residentMb(): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
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
  let isOver = false
  let slowest = 0
  let most = 0
  const watch = (async () => {
    while (!isOver) {
      const began = performance.now()
      await new Promise<void>((resolve, reject) => {
        http
          .get(`${url}/health`, (response) => {
            response.resume().on('end', resolve)
          })
          .on('error', reject)
      })
      slowest = Math.max(slowest, performance.now() - began)
      most = Math.max(most, await residentMb())
      await sleep(3)
    }
  })()
  let result: T
  try {
    result = await abuse()
  } finally {
    isOver = true
    await watch
  }
  console.info(
    `${what}: slowest /health ${slowest.toFixed(0)} ms, resident ${most.toFixed(0)} MB (${idle.toFixed(0)} idle)`,
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

const words = 'word '.repeat(3_000_000)
const ids = `[${'17,'.repeat(290_000)}17]`

describe.skipIf(process.platform !== 'linux')('a server under abuse', () => {
  /** Path, body and what may be answered. */
  const bodies: [what: string, path: string, body: () => string, statuses: unknown[]][] = [
    ['4 MB of [', '/embed', () => '['.repeat(4e6), [422]],
    ['15 MB of {},', '/embed', () => `{"inputs":[${'{},'.repeat(5e6)}{}]}`, [422, 429]],
    [
      '15 MB of a member that is unknown',
      '/embed',
      () => JSON.stringify({ inputs: 'x', other: 'x'.repeat(15e6) }),
      [422, 429],
    ],
    ['15 MB of one text', '/embed', () => JSON.stringify({ inputs: words }), [413, 429]],
    [
      '15 MB of one text, cut',
      '/embed',
      () => JSON.stringify({ inputs: words, truncate: true }),
      [200, 429],
    ],
    [
      '15 MB of white space',
      '/embed',
      () => JSON.stringify({ inputs: ' '.repeat(15e6) }),
      [200, 429],
    ],
    ['15 MB of one word', '/embed', () => JSON.stringify({ inputs: 'x'.repeat(15e6) }), [413, 429]],
    ['15 MB of escapes', '/embed', () => `{"inputs":"${'\\u00e9'.repeat(2.5e6)}"}`, [413, 429]],
    [
      '15 MB of a text to tokenize',
      '/tokenize',
      () => JSON.stringify({ inputs: words }),
      [422, 429],
    ],
    [
      '20,000 tokens, to tokenize',
      '/tokenize',
      () => JSON.stringify({ inputs: 'word '.repeat(20_000) }),
      [200, 429],
    ],
    ['a long list of ids', '/embed', () => `{"inputs":${ids}}`, [413, 429]],
    ['a long list of ids to decode', '/decode', () => `{"ids":${ids}}`, [200, 429]],
    [
      '15 MB of a document to rerank',
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
    child.kill('SIGTERM')
    await until(() => child.exitCode !== null || child.signalCode !== null)
    expect(child.exitCode).toBe(0)
    expect(log).not.toContain('word word')
  })
})
