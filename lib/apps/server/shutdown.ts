/** Ending without losing anybody. */

import { Server as NetServer } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { performance, sleep } from '../../common/timers.js'
import type { ServerContext } from './core/context.js'

/**
 * How long connections that are between two requests may begin another one: it may be on its way.
 * It is answered, and the connection ends with it.
 */
const GRACE_MS = 500
const POLL_MS = 20

/**
 * Closes the listening socket, lets what was accepted be answered, and ends all connections.
 *
 * @returns false when the drain timeout came first
 */
export async function drain(
  app: FastifyInstance,
  { gate, config }: ServerContext,
): Promise<boolean> {
  const { server } = app
  const deadline = performance.now() + config.drainTimeout
  if (server.listening) {
    // http.Server.close would end idle connections at once, requests in their buffers included
    NetServer.prototype.close.call(server)
    const grace = Math.min(GRACE_MS, config.drainTimeout)
    await until(async () => (await connections(server)) === 0, performance.now() + grace)
    await until(async () => {
      server.closeIdleConnections()
      return (await connections(server)) === 0
    }, deadline)
  }
  const isComplete = gate.readings.places === 0 && (await connections(server)) === 0
  server.closeAllConnections()
  // it tries to close what is closed already
  await app.close().catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ERR_SERVER_NOT_RUNNING') throw error
  })
  return isComplete
}

async function until(isTrue: () => Promise<boolean>, deadline: number): Promise<void> {
  while (performance.now() < deadline && !(await isTrue())) await sleep(POLL_MS)
}

function connections(server: NetServer): Promise<number> {
  return new Promise((resolve) => {
    server.getConnections((error, count) => resolve(error ? 0 : count))
  })
}
