/** `bge-m3 serve`: a server until it is told to end. */

import { createServer } from '../../server/server.js'
import { EXIT } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import type { Flags } from '../shared/options.js'
import { serveConfig } from './config.js'
import { readableLog } from './readable-log.js'

export async function runServe(io: CliIo, flags: Flags): Promise<number> {
  const { server: config, load } = await serveConfig(flags, io.env)
  // on a terminal for people, elsewhere for programs
  const isTerminal = io.stderr.isTTY === true
  const logStream = isTerminal ? readableLog(io.stderr) : io.stderr
  const server = await createServer(
    { ...config, load: { ...load, signal: io.signal }, logStream },
    io.env,
  )
  // the process waits as long as draining may take
  io.onInterrupt?.(config.drainTimeout + 2000)
  const { url } = await server.start()
  if (isTerminal) say(io, `listening on ${url} (its API: ${url}/docs)`)
  if (!io.signal.aborted) {
    await new Promise<void>((resolve) => {
      io.signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }
  return (await server.close()) ? EXIT.done : EXIT.failed
}
