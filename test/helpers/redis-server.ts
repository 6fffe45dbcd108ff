/** A real Redis server in a folder of its own, where Debian's package is installed. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'

export interface RedisServer {
  url: string
  port: number
  /** Kills it as a power cut would. */
  kill(): Promise<void>
  /** Starts it again on what it had written. */
  start(): Promise<void>
  close(): Promise<void>
}

export interface RedisServerOptions {
  password?: string
}

/** Every write is on disk before it is answered, so that a kill loses nothing. */
export async function startRedis({ password }: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'bge-m3-redis-'))
  const port = await freePort()
  const settings = {
    port: String(port),
    bind: '127.0.0.1',
    dir: folder,
    appendonly: 'yes',
    appendfsync: 'always',
    save: '',
    ...(password === undefined ? {} : { requirepass: password }),
  }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
  const url = `redis://${password === undefined ? '' : `:${password}@`}127.0.0.1:${port}`

  const begin = async () => {
    const server = spawn('redis-server', args, { cwd: folder, stdio: 'ignore' })
    const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()))
    for (;;) {
      if (await answers(url)) return { server, ended }
      if (server.exitCode !== null) throw new Error(`redis-server ended with ${server.exitCode}`)
      await sleep(20)
    }
  }
  let running = await begin()
  const kill = async () => {
    running.server.kill('SIGKILL')
    await running.ended
  }
  return {
    url,
    port,
    kill,
    async start() {
      running = await begin()
    },
    async close() {
      await kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.ping()) === 'PONG'
  } catch {
    return false
  } finally {
    client.disconnect()
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
