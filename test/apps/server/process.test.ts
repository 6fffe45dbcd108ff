/** `bge-m3 serve` as a process: start, signals, TLS, what goes wrong. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { root, run, runModule } from '../../helpers/child.js'
import { has } from '../../helpers/needs.mjs'
import { tinyPath } from '../../helpers/standins.js'
import { until } from '../../helpers/until.js'

const CLI = join(root, 'dist', 'cli', 'main.js')

let model: string
let dir: string
const children: ChildProcess[] = []
beforeAll(async () => {
  model = await tinyPath()
  dir = await mkdtemp(join(tmpdir(), 'bge-m3-serve-'))
})
afterAll(() => rm(dir, { recursive: true }))
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

interface Serving {
  child: ChildProcess
  url: string
  port: number
  log(): string
  ended: Promise<{ code: number | null; signal: string | null }>
}

/** Starts `bge-m3 serve` on a free port, and waits until it is ready. */
async function serve(args: string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Serving> {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('BGE_M3_') || name === 'BGE_M3_CACHE_DIR',
  )
  const child = spawn(process.execPath, [CLI, 'serve', '--model', model, '--port', '0', ...args], {
    env: { ...Object.fromEntries(inherited), BGE_M3_PAGE: 'off', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  let text = ''
  child.stderr?.on('data', (data) => {
    text += data
  })
  const ended = once(child, 'exit').then(([code, signal]) => ({ code, signal }))
  const deadline = Date.now() + 240_000
  for (;;) {
    const url = /"url":"([^"]+)"/.exec(text)?.[1]
    if (url) return { child, url, port: Number(new URL(url).port), log: () => text, ended }
    if (child.exitCode !== null || Date.now() > deadline)
      throw new Error(`It did not start: ${text}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const embed = (url: string, input: unknown, init: RequestInit = {}) =>
  fetch(`${url}/v1/embeddings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ input }),
    ...init,
  })

describe('bge-m3 serve', () => {
  it('serves, and ends with 0 on SIGTERM', async () => {
    const { child, url, ended, log } = await serve()
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect((await embed(url, 'x')).status).toBe(200)
    child.kill('SIGTERM')
    expect(await ended).toEqual({ code: 0, signal: null })
    expect(log()).toContain('"answered":true')
    // every line of the log is JSON
    for (const line of log().trimEnd().split('\n')) JSON.parse(line)
  })

  it.skipIf(!has('curl'))('works for curl as it is documented', async () => {
    const { url } = await serve([], { BGE_M3_API_KEY: 'secret', BGE_M3_QUEUE: '7' })
    const args = [
      '-sS',
      `${url}/v1/embeddings`,
      '-H',
      'content-type: application/json',
      '-d',
      '{"input": "Hallo"}',
    ]
    const refused = JSON.parse(execFileSync('curl', args, { encoding: 'utf8' }))
    expect(refused.error.code).toBe('invalid_api_key')
    const auth = ['-H', 'authorization: Bearer secret']
    const answer = JSON.parse(execFileSync('curl', [...args, ...auth], { encoding: 'utf8' }))
    expect(answer.data[0].embedding).toHaveLength(64)
    const stats = JSON.parse(
      execFileSync('curl', ['-sS', `${url}/stats`, ...auth], { encoding: 'utf8' }),
    )
    expect(stats.queue.capacity).toBe(7)
  })

  it('answers everything that it accepted when it is told to end under load', async () => {
    const { child, url, port, ended, log } = await serve(['--concurrency', '4', '--queue', '200'])
    const results = { answered: 0, refused: 0, unaccepted: 0, lost: 0 }
    let isOver = false
    const agent = new http.Agent({ keepAlive: true, maxSockets: 60 })
    const input = Array.from({ length: 8 }, (_, i) => `${'some words of a text '.repeat(10)}${i}`)
    const one = (payload: string) =>
      new Promise<void>((resolve) => {
        const request = http.request(
          {
            port,
            path: '/v1/embeddings',
            method: 'POST',
            agent,
            headers: { 'content-type': 'application/json' },
          },
          (response) => {
            let body = ''
            response.setEncoding('utf8')
            response.on('data', (chunk) => {
              body += chunk
            })
            response.on('close', () => {
              const isWhole =
                response.complete &&
                (response.statusCode !== 200 || JSON.parse(body).data.length === 8)
              if (!isWhole) results.lost++
              else if (response.statusCode === 200) results.answered++
              else if (response.statusCode === 429 || response.statusCode === 503) results.refused++
              else results.lost++
              resolve()
            })
          },
        )
        request.on('error', () => {
          // A new connection may be refused, or still wait in the kernel to be accepted when the socket
          // closes. One that had an answer before was accepted.
          if (request.reusedSocket) results.lost++
          else results.unaccepted++
          isOver = true
          resolve()
        })
        request.end(payload)
      })
    const clients = Array.from({ length: 60 }, async (_, i) => {
      for (let n = 0; !isOver; n++)
        await one(JSON.stringify({ input: input.map((text) => `${i} ${n} ${text}`) }))
    })
    await until(() => results.answered >= 12)
    const before = results.answered
    child.kill('SIGTERM')
    // new connections are refused, soon
    await Promise.all(clients)
    expect(await ended).toEqual({ code: 0, signal: null })
    expect(before).toBeGreaterThan(10)
    // some were under way
    expect(results.answered).toBeGreaterThan(before)
    expect(results).toMatchObject({ lost: 0, refused: 0 })
    expect(results.unaccepted).toBeGreaterThan(0)
    // what the server saw of it: nobody hung up on, and as many answers as have arrived
    const lines = log()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    const requests = lines.filter(({ msg }) => msg === 'request')
    expect(requests.filter(({ status }) => status !== 200)).toEqual([])
    expect(requests).toHaveLength(results.answered)
    expect(lines.at(-1)).toMatchObject({ msg: 'closed', answered: true })
    await expect(embed(url, 'x')).rejects.toThrow()
    agent.destroy()
  })

  it('says that it is not ready while it drains, on connections that it has', async () => {
    const { child, port, ended } = await serve(['--concurrency', '1'])
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const get = () =>
      new Promise<{ status: number | undefined; connection: string | undefined }>(
        (resolve, reject) => {
          http
            .get({ port, path: '/ready', agent }, (response) => {
              response.resume()
              response.on('end', () =>
                resolve({ status: response.statusCode, connection: response.headers.connection }),
              )
            })
            .on('error', reject)
        },
      )
    expect(await get()).toMatchObject({ status: 200, connection: 'keep-alive' })
    child.kill('SIGTERM')
    let answer = await get()
    // until it has the signal
    while (answer.status === 200) answer = await get()
    expect(answer).toEqual({ status: 503, connection: 'close' })
    expect(await ended).toEqual({ code: 0, signal: null })
    agent.destroy()
  })

  it('does not wait longer than it may, and says so with its exit code', async () => {
    const { child, url, port, ended, log } = await serve(['--drain-timeout', '300ms'])
    // a request whose body never ends
    const socket = net.connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(
      'POST /embed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
    )
    // whoever comes later is answered, so it was accepted
    await fetch(`${url}/health`)
    child.kill('SIGTERM')
    expect(await ended).toEqual({ code: 1, signal: null })
    expect(log()).toContain('"answered":false')
    socket.destroy()
  })

  it('ends at once on a second signal', async () => {
    const { child, url, port, ended } = await serve()
    const socket = net.connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write('POST /embed HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{')
    await fetch(`${url}/health`)
    child.kill('SIGINT')
    // it takes no new connections, and waits for those that it has
    const isRefused = () =>
      fetch(`${url}/health`).then(
        () => false,
        () => true,
      )
    await until(isRefused)
    expect(child.exitCode).toBeNull()
    child.kill('SIGINT')
    expect(await ended).toEqual({ code: 130, signal: null })
    socket.destroy()
  })

  it('says what is wrong, and ends', async () => {
    const { port } = await serve()
    const start = (...args: string[]) =>
      spawnSync(process.execPath, [CLI, 'serve', ...args], {
        encoding: 'utf8',
        timeout: 240_000,
        env: { ...process.env, BGE_M3_LOG_LEVEL: 'error', BGE_M3_PAGE: 'off' },
      })
    const taken = start('--model', model, '--port', String(port))
    expect({ status: taken.status, stderr: taken.stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/EADDRINUSE/),
    })
    expect(start('--model', join(dir, 'none.gguf'), '--port', '0')).toMatchObject({ status: 3 })
    expect(start('--port', 'x')).toMatchObject({ status: 2 })
    expect(start('--model', model, '--tls-cert', 'x')).toMatchObject({ status: 2 })
  })

  it.skipIf(!has('openssl'))('speaks HTTPS with a certificate of its own', async () => {
    const cert = join(dir, 'cert.pem')
    const key = join(dir, 'key.pem')
    const made = spawnSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-days',
        '1',
        '-subj',
        '/CN=localhost',
        '-addext',
        'subjectAltName=DNS:localhost,IP:127.0.0.1',
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { encoding: 'utf8' },
    )
    expect(made.error).toBeUndefined()
    const config = join(dir, 'serve.json')
    await writeFile(config, JSON.stringify({ tlsCert: cert, tlsKey: key, maxItems: 3 }))
    const { url, port } = await serve(['--config', config])
    expect(url).toMatch(/^https:/)
    const status = await new Promise((resolve, reject) => {
      readFile(cert).then((ca) => {
        https
          .get({ port, path: '/ready', ca, host: 'localhost', family: 4 }, (response) => {
            response.resume()
            resolve(response.statusCode)
          })
          .on('error', reject)
      }, reject)
    })
    expect(status).toBe(200)
    await expect(fetch(`http://127.0.0.1:${port}/ready`)).rejects.toThrow()
  })
})

describe('the example', () => {
  it('runs', async () => {
    const end = await run(process.execPath, ['examples/server/serve.mjs'], {
      env: { ...process.env, BGE_M3_MODEL: model },
    })
    expect({ code: end.code, stderr: end.stderr }).toEqual({ code: 0, stderr: '' })
    expect(end.stdout).toContain('2 embeddings of 64 from ')
  })
})

describe('the package', () => {
  it.each(['import', 'require'])('has bge-m3-node/server for %s', async (how) => {
    const get =
      how === 'import'
        ? "await import('bge-m3-node/server')"
        : "createRequire(import.meta.url)('bge-m3-node/server')"
    const { code, stdout, stderr } = await runModule(
      `import { createRequire } from 'node:module'
       const { createServer } = ${get}
       const server = await createServer({ port: 0, page: false, logLevel: 'error', load: { model: ${JSON.stringify(model)} } })
       const { url } = await server.start()
       console.log((await fetch(url + '/ready')).status, (await fetch(url + '/openapi.json')).status)
       console.log(await server.close())`,
    )
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '200 200\ntrue\n', stderr: '' })
  })
})
