/** Answers in fewer bytes for who asks for that; see `--compress`. */

import type { FastifyInstance } from 'fastify'
import { serverPackage } from './core/packages.js'

/**
 * Compresses what goes out, as fast as the client takes it, in libuv's threads. JSON and text alone: vectors as
 * bytes hardly get smaller, and lines of NDJSON would have to wait for others.
 */
export async function compression(app: FastifyInstance): Promise<void> {
  const { default: plugin } = await serverPackage(
    '@fastify/compress',
    () => import('@fastify/compress'),
  )
  await app.register(plugin, {
    globalDecompression: false,
    // zstd where this Node has it, and gzip at its fastest: digits of floats get little smaller by trying harder
    encodings: ['zstd', 'gzip'],
    zlibOptions: { level: 1 },
    customTypes: COMPRESSED,
    // never on the event loop
    syncThreshold: 0,
  })
  app.addHook('onSend', async (_request, reply, payload) => {
    const type = String(reply.getHeader('content-type') ?? '')
    // also what is not compressed depends on what was asked for
    if (COMPRESSED.test(type)) reply.header('vary', varying(reply.getHeader('vary')))
    return payload
  })
}

const COMPRESSED = /^(?:text\/|application\/(?:json|javascript)|image\/svg\+xml)/

function varying(given: unknown): string {
  return given === undefined ? 'accept-encoding' : `${given}, accept-encoding`
}
