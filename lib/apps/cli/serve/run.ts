/** `bge-m3 serve`: a server until it is told to end. */

import { createServer } from '../../server/server.js'
import { EXIT } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import type { Flags } from '../shared/options.js'
import { serveConfig } from './config.js'

export async function runServe(io: CliIo, flags: Flags): Promise<number> {
  const { server: config, load } = await serveConfig(flags, io.env)
  const server = await createServer(
    { ...config, load: { ...load, signal: io.signal }, logStream: io.stderr },
    io.env,
  )
  // the process waits as long as draining may take
  io.onInterrupt?.(config.drainTimeout + 2000)
  const { url } = await server.start()
  // on a terminal for people; elsewhere the log has it
  if (io.stderr.isTTY) say(io, `listening on ${url}`)
  if (!io.signal.aborted) {
    await new Promise<void>((resolve) => {
      io.signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }
  return (await server.close()) ? EXIT.done : EXIT.failed
}
