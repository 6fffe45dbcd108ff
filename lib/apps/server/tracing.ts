/**
 * OpenTelemetry spans, a request each, for whoever has `@opentelemetry/api` and has given it a provider
 * (an SDK with an exporter). Without them this does nothing.
 */

import type { FastifyInstance } from 'fastify'
import type {} from './core/request-work.js'

type Api = typeof import('@opentelemetry/api')

/** To be called before the routes are registered. */
export async function traceRequests(app: FastifyInstance): Promise<void> {
  const api = await import('@opentelemetry/api').catch(() => undefined)
  if (api) hook(app, api)
}

function hook(
  app: FastifyInstance,
  { context, propagation, SpanKind, SpanStatusCode, trace }: Api,
) {
  app.addHook('onRequest', (request, reply, done) => {
    const { url: route = 'unknown' } = request.routeOptions
    const parent = propagation.extract(context.active(), request.headers)
    const attributes = { 'http.request.method': request.method, 'http.route': route }
    const span = trace
      .getTracer('bge-m3-node')
      .startSpan(`${request.method} ${route}`, { kind: SpanKind.SERVER, attributes }, parent)
    if (span.isRecording()) {
      reply.raw.once('close', () => {
        const { work } = request
        const status = reply.raw.writableFinished ? reply.statusCode : 499
        span.setAttribute('http.response.status_code', status)
        if (work) {
          span.setAttributes({
            'bge_m3.texts': work.texts,
            'bge_m3.tokens': work.tokens,
            'bge_m3.gate_ms': work.waitedMs,
            'bge_m3.queue_ms': work.ms.queue,
            'bge_m3.compute_ms': work.ms.compute,
          })
        }
        if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
        span.end()
      })
    }
    done()
  })
}
