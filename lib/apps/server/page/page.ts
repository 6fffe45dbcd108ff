/**
 * The page at `/`: a few files of this package, no other host, and a policy that lets the browser run
 * nothing else.
 */
import type {} from '@fastify/swagger' // `hide` of a schema
import type { FastifyInstance } from 'fastify'
import type { ServerContext } from '../core/context.js'
import { readAssets } from './assets.js'

/**
 * Nothing inline, nothing from elsewhere, no frame around it. Styles that follow numbers are set through
 * the CSSOM, which this allows.
 */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  // asked for anew each time, answered with 304 while it is the same
  'cache-control': 'no-cache',
}

/**
 * Registers `GET /` and `GET /page/*`. They hold no data: no API key is needed for them, and the page
 * asks for the key itself.
 *
 * @throws Error when the page's files are not where the package has them
 */
export async function pageRoutes(
  app: FastifyInstance,
  { config }: Pick<ServerContext, 'config'>,
): Promise<void> {
  for (const asset of await readAssets({ docs: config.docs })) {
    app.route({
      method: 'GET',
      url: asset.url,
      schema: { hide: true },
      handler: (request, reply) => {
        void reply.headers({ ...HEADERS, etag: asset.etag })
        if (request.headers['if-none-match'] === asset.etag) return reply.code(304).send()
        return reply.type(asset.type).send(asset.body)
      },
    })
  }
}
