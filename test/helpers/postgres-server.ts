/** A real PostgreSQL server in a folder of its own, where Debian's package is installed. */
import { execFile, spawn } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { postgresPrograms } from './needs.mjs'

const exec = promisify(execFile)

export interface PostgresServer {
  url: string
  /** Kills it as a power cut would, and starts it again. */
  restart(): Promise<void>
  close(): Promise<void>
}

export async function startPostgres(): Promise<PostgresServer> {
  const programs = postgresPrograms() as string
  const folder = await mkdtemp(join(tmpdir(), 'bge-m3-pg-'))
  const data = join(folder, 'data')
  // it refuses to run as root
  const isRoot = process.getuid?.() === 0
  if (isRoot) {
    await chmod(folder, 0o755)
    await exec('chown', ['postgres', folder])
  }
  const as = (program: string, args: string[]): [string, string[]] =>
    isRoot
      ? ['setpriv', ['--reuid=postgres', '--regid=postgres', '--init-groups', program, ...args]]
      : [program, args]
  const cwd = { cwd: folder }
  const options = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync']
  await exec(...as(join(programs, 'initdb'), options), cwd)
  const port = await freePort()

  const start = async () => {
    const args = ['-D', data, '-p', String(port), '-k', folder, '-c', 'listen_addresses=127.0.0.1']
    const server = spawn(...as(join(programs, 'postgres'), args), { ...cwd, stdio: 'ignore' })
    const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()))
    const isReady = as(join(programs, 'pg_isready'), ['-h', '127.0.0.1', '-p', String(port)])
    for (;;) {
      const ready = await exec(...isReady).then(
        () => true,
        () => false,
      )
      if (ready) return { server, ended }
      if (server.exitCode !== null) throw new Error(`postgres ended with ${server.exitCode}`)
      await sleep(100)
    }
  }
  let running = await start()
  const stop = async (signal: NodeJS.Signals) => {
    running.server.kill(signal)
    await running.ended
  }
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    async restart() {
      await stop('SIGQUIT')
      running = await start()
    },
    async close() {
      await stop('SIGQUIT')
      await rm(folder, { recursive: true, force: true })
    },
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
