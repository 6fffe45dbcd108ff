/** `GET /health` (alive), `GET /ready` (takes work), `GET /stats` (readings for the page). */

import type {} from '@fastify/swagger' // `hide` of a schema
import type { FastifyInstance } from 'fastify'
import type { ServerContext } from '../core/context.js'

const state = {
  type: 'object',
  properties: {
    status: { type: 'string', enum: ['ok', 'loading', 'ready', 'draining', 'failed'] },
  },
}

export function healthRoutes(app: FastifyInstance, context: ServerContext): void {
  const tags = ['operation']
  app.get(
    '/health',
    {
      config: { public: true },
      schema: {
        summary: 'Whether the process is alive',
        tags,
        response: { 200: { description: 'Alive', ...state } },
      },
    },
    () => ({ status: 'ok' }),
  )
  // the second is SageMaker's and TEI's
  for (const path of ['/ready', '/ping'])
    app.get(
      path,
      {
        config: { public: true },
        schema: {
          summary: 'Whether the model is loaded and work is taken',
          tags,
          hide: path === '/ping',
          response: {
            200: { description: 'Ready', ...state },
            503: { description: 'Loading, draining or failed', ...state },
          },
        },
      },
      (_request, reply) => {
        const status = context.state
        if (status !== 'ready') reply.code(503).header('retry-after', '2')
        return { status }
      },
    )
  app.get(
    '/stats',
    {
      schema: {
        summary: 'Readings: throughput, queue, memory, cache, stage times',
        tags,
        response: { 200: { description: 'OK', type: 'object', additionalProperties: true } },
      },
    },
    () => context.stats(),
  )
}
