/**
 * 200 connections of mixed requests against the stand-in: nothing but 200 and the promised 429 and 503,
 * every request answered, memory flat.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import autocannon from 'autocannon'
import { afterEach, expect, it } from 'vitest'
import { root } from '../../helpers/child.js'
import { has } from '../../helpers/needs.mjs'
import { tinyPath } from '../../helpers/standins.js'
import { mixedTexts, paragraphs } from '../../helpers/texts.js'

const CONNECTIONS = 200

/** Resident megabytes of a process. */
function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}

const post = (path: string, body: object, headers = {}) => ({
  method: 'POST' as const,
  path,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
})

/** From a word to two dozen paragraphs, on every endpoint that works. */
function requests(): autocannon.Request[] {
  const texts = mixedTexts(200)
  const questions = paragraphs('en').flatMap((paragraph) => paragraph.questions)
  const some = (from: number, count: number) => texts.slice(from, from + count)
  return [
    ...questions.slice(0, 6).map((input) => post('/v1/embeddings', { input })),
    post('/v1/embeddings', { input: some(0, 8), encoding_format: 'base64' }),
    post('/embed', { inputs: some(8, 24) }),
    post('/embed', { inputs: some(32, 12) }, { accept: 'application/x-ndjson' }),
    post('/embed_sparse', { inputs: some(44, 4) }),
    // autocannon parses HTTP in JavaScript: large answers would load it more than the server
    post('/v1/embed_all', {
      inputs: some(48, 2),
      tokens: true,
      outputs: { dense: true, sparse: true },
    }),
    post('/similarity', { query: questions[7], passages: some(50, 3), alignment: true }),
    post('/rerank', { query: questions[8], texts: some(53, 5) }),
    post('/tokenize', { inputs: some(58, 3) }),
    { method: 'GET', path: '/metrics' },
    { method: 'GET', path: '/stats' },
  ]
}

export function standsLoad(seconds: number): void {
  let child: ChildProcess | undefined
  afterEach(() => child?.kill('SIGKILL'))

  it.skipIf(!has('linux'))(
    `stands ${CONNECTIONS} connections for ${seconds} s`,
    async () => {
      const model = await tinyPath()
      const args = ['serve', '--model', model, '--port', '0', '--cache', 'off']
      // fewer seats than connections, so that refusals are part of it
      const limits = ['--concurrency', '32', '--queue', '96', '--no-page']
      // a young generation that does not grow: what is left of growth is the server's own
      const node = ['--max-semi-space-size=1', join(root, 'dist', 'cli', 'main.js')]
      child = spawn(process.execPath, [...node, ...args, ...limits], {
        stdio: ['ignore', 'inherit', 'pipe'],
      })
      const { pid = 0 } = child
      let log = ''
      child.stderr?.on('data', (data) => {
        log += data
      })
      while (!log.includes('"msg":"ready"')) await new Promise((resolve) => setTimeout(resolve, 50))
      const url = /"url":"([^"]+)"/.exec(log)?.[1] as string
      const run = async (duration: number) => {
        const running = autocannon({
          url,
          connections: CONNECTIONS,
          duration,
          timeout: 60,
          requests: requests(),
          workers: 1,
        })
        const memory: number[] = []
        const timer = setInterval(() => memory.push(residentMb(pid)), 500)
        const result = await running
        clearInterval(timer)
        const counts = Object.entries(result.statusCodeStats ?? {})
        return {
          result,
          memory,
          statuses: new Map(counts.map(([status, { count = 0 }]) => [Number(status), count])),
        }
      }
      // buffers, code and context grow to what they will be
      await run(seconds / 3)
      const { result, memory, statuses } = await run(seconds)
      const answered = statuses.get(200) ?? 0
      const refused = (statuses.get(429) ?? 0) + (statuses.get(503) ?? 0)
      const { latency } = result
      const half = Math.floor(memory.length / 2)
      const peak = (values: number[]) => Math.max(...values)
      console.log(
        `${answered} answered, ${refused} refused in ${seconds} s; latency p50 ${latency.p50} ms, p99 ${latency.p99} ms, max ${latency.max} ms; RSS ${peak(memory.slice(0, half)).toFixed(0)} then ${peak(memory.slice(half)).toFixed(0)} MB`,
      )
      expect([...statuses.keys()].filter((status) => ![200, 429, 503].includes(status))).toEqual([])
      expect({ errors: result.errors, timeouts: result.timeouts, resets: result.resets }).toEqual({
        errors: 0,
        timeouts: 0,
        resets: 0,
      })
      expect(answered).toBeGreaterThan(CONNECTIONS)
      expect(refused).toBeGreaterThan(0)
      // flat: the second half needs no more than the first, but for noise
      expect(peak(memory.slice(half))).toBeLessThan(peak(memory.slice(0, half)) * 1.15 + 20)
      // nothing is left of it
      const idle = { running: 0, waiting: 0, pendingTexts: 0 }
      const queue = async () =>
        ((await (await fetch(`${url}/stats`)).json()) as { queue: object }).queue
      await expect.poll(queue, { interval: 100 }).toMatchObject(idle)
      child.kill('SIGTERM')
      expect(await once(child, 'exit')).toEqual([0, null])
      // what the server saw: only those, and those that autocannon hung up on when its time was over
      const seen = log
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
        .filter(({ msg }) => msg === 'request')
      const times = seen
        .filter(({ status }) => status === 200)
        .map(({ ms }) => ms as number)
        .sort((a, b) => a - b)
      const share = (part: number) => times[Math.floor(part * times.length)]
      console.log(`of the answered: p50 ${share(0.5)} ms, p99 ${share(0.99)} ms`)
      const others = seen.filter(({ status }) => ![200, 429, 503].includes(status))
      expect(others.filter(({ status }) => status !== 499)).toEqual([])
      expect(others.length).toBeLessThanOrEqual(2 * CONNECTIONS)
    },
    seconds * 1000 * 2 + 60_000,
  )
}
