/** `GET /metrics`, for Prometheus. */

import type { FastifyInstance } from 'fastify'
import type { ServerContext } from '../core/context.js'

export function metricsRoutes(
  app: FastifyInstance,
  { metrics: { registry }, config }: ServerContext,
): void {
  const schema = {
    summary: 'Prometheus metrics',
    tags: ['operation'],
    produces: ['text/plain'],
    response: { 200: { description: 'Prometheus text format', type: 'string' } },
  }
  app.get(
    '/metrics',
    { schema, config: { public: config.publicMetrics } },
    async (_request, reply) => {
      reply.type(registry.contentType)
      return registry.metrics()
    },
  )
}
