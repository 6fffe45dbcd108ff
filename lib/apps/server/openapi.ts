/** `GET /openapi.json`, made of the routes' schemas, and a page that shows it at `/docs`. */

import type { FastifyInstance } from 'fastify'
import { serverPackage } from './core/packages.js'
import { packageVersion } from './core/version.js'

/**
 * Nothing from other hosts, and no upgrade of requests: over plain HTTP the page's own scripts would be
 * asked for over HTTPS, and it stays white.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'self'",
  "base-uri 'self'",
  "font-src 'self' data:",
  "frame-ancestors 'self'",
  "img-src 'self' data:",
  "object-src 'none'",
  "script-src 'self'",
  "script-src-attr 'none'",
  "style-src 'self'",
].join('; ')

/** To be registered before the routes. */
export async function documentation(app: FastifyInstance): Promise<void> {
  const [swagger, ui] = await Promise.all([
    serverPackage('@fastify/swagger', () => import('@fastify/swagger')),
    serverPackage('@fastify/swagger-ui', () => import('@fastify/swagger-ui')),
  ])
  await app.register(swagger.default, {
    openapi: {
      openapi: '3.0.3',
      info: {
        title: 'bge-m3',
        description: 'bge-m3 embeddings: dense, sparse and ColBERT.',
        version: packageVersion(),
        license: { name: 'MIT' },
      },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer' },
          key: { type: 'apiKey', in: 'header', name: 'x-api-key' },
        },
      },
      security: [{}, { bearer: [] }, { key: [] }],
    },
  })
  await app.register(async (scope) => {
    scope.addHook('onRoute', (route) => {
      route.config = { ...route.config, public: true }
    })
    // the second where TEI has it
    for (const path of ['/openapi.json', '/api-doc/openapi.json']) {
      scope.get(path, { schema: { hide: true } }, () => app.swagger())
    }
    await scope.register(ui.default, {
      routePrefix: '/docs',
      // nothing from other hosts: no validator badge
      uiConfig: { validatorUrl: null, tryItOutEnabled: true },
      staticCSP: CONTENT_SECURITY_POLICY,
    } as Parameters<typeof ui.default>[1])
  })
}
