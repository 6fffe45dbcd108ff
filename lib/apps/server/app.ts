/** The Fastify app: hooks that every request passes, and the routes. */

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { performance } from '../../common/timers.js'
import { decodeUtf8 } from '../../common/utf8.js'
import { authenticator } from './auth.js'
import { compression } from './compression.js'
import { askForBody, discardBody, expectContinue, hostCheck, refuseClient } from './connections.js'
import type { ServerContext } from './core/context.js'
import {
  type ErrorStyle,
  HttpError,
  ollamaBody,
  openaiBody,
  TRUNCATE_HINT,
  teiBody,
  teiStatus,
  toHttpError,
} from './core/errors.js'
import { foreignOptions } from './core/foreign-options.js'
import { checkJsonBounds, checkUnknownMembers } from './core/json-bounds.js'
import { serverPackage } from './core/packages.js'
import { followResponse, RequestWork } from './core/request-work.js'
import { inStep } from './core/steps.js'
import { logFailure, logRequest, type PinoLogger } from './log.js'
import { documentation } from './openapi.js'
import { pageRoutes } from './page/page.js'
import { requestId } from './request-id.js'
import { embedAllRoutes } from './routes/embed-all.js'
import { healthRoutes } from './routes/health.js'
import { metricsRoutes } from './routes/metrics.js'
import { ollamaRoutes } from './routes/ollama.js'
import { openaiRoutes } from './routes/openai.js'
import { predictRoutes } from './routes/predict.js'
import { rerankRoutes } from './routes/rerank.js'
import { similarityRoutes } from './routes/similarity.js'
import { teiRoutes } from './routes/tei.js'
import { tokenizeRoutes } from './routes/tokenize.js'
import { traceRequests } from './tracing.js'

interface AppOptions {
  log: PinoLogger
  keys: readonly string[]
  tls: { cert: Buffer; key: Buffer } | undefined
}

export async function buildApp(
  context: ServerContext,
  options: AppOptions,
): Promise<FastifyInstance> {
  const { log, keys, tls } = options
  const { config } = context
  const { fastify } = await serverPackage('fastify', () => import('fastify'))
  const app = fastify({
    // bodies.ts reads them
    bodyLimit: Number.MAX_SAFE_INTEGER,
    // Fastify's own lines quote requests; ours are in log.ts
    logger: false,
    genReqId: (request: IncomingMessage) => requestId(request.headers['x-request-id']),
    // a path that is no path
    frameworkErrors: (cause: unknown, _request: FastifyRequest, reply: FastifyReply) => {
      const error = toHttpError(cause)
      sendError(reply.code(error.status), error, 'openai')
    },
    // ours answers with the route's own error body, and lets accepted connections have their turn
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    // bodies are timed by their progress
    requestTimeout: 0,
    http: { headersTimeout: 30_000, connectionsCheckingInterval: 5000 },
    clientErrorHandler: (cause: NodeJS.ErrnoException, socket: Socket) =>
      refuseClient(cause, socket),
    keepAliveTimeout: 72_000,
    routerOptions: { ignoreTrailingSlash: true },
    ...(tls && { https: { ...tls, headersTimeout: 30_000 } }),
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        verbose: true,
      },
    },
  } as Parameters<typeof fastify>[0]) as unknown as FastifyInstance
  app.server.maxConnections = config.maxConnections
  // JSON only: a page of another origin may send text without asking first
  app.removeContentTypeParser('text/plain')
  expectContinue(app.server)
  jsonBodies(app, context)
  // a preflight request carries no key
  await cors(app, config.cors)
  if (config.compress) await compression(app)
  await traceRequests(app)
  hooks(app, context, log, {
    checkHost: hostCheck(config, keys.length > 0),
    authenticate: authenticator(keys),
  })
  errors(app, log)
  if (config.docs) await documentation(app)
  await app.register(async (scope) => {
    openaiRoutes(scope, context)
    teiRoutes(scope, context)
    rerankRoutes(scope, context)
    predictRoutes(scope, context)
    tokenizeRoutes(scope, context)
    ollamaRoutes(scope, context)
    embedAllRoutes(scope, context)
    similarityRoutes(scope, context)
    healthRoutes(scope, context)
    metricsRoutes(scope, context)
  })
  if (config.page) await app.register(page, context)
  return app
}

/** Bodies in UTF-8, and nothing that has to be guessed: a damaged text would get a vector, too. */
function jsonBodies(app: FastifyInstance, { bodies, config }: ServerContext): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  // as many as the ids of all tokens, and what each text may have around it
  const mostValues = config.maxRequestTokens + 8 * config.maxItems + 1000
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser(
    'application/json',
    async (request: FastifyRequest, payload: IncomingMessage) => {
      bodies.refuseAnnounced(request.raw)
      askForBody(request.raw)
      const { length, join, free } = await bodies.read(payload)
      request.onceClosed(free)
      const step = <T>(work: () => T) => inStep(length, work)
      const bytes = await step(join)
      const text = await step(() => bodyText(bytes, request.headers['content-encoding']))
      await step(() => checkJsonBounds(bytes, mostValues))
      return step(
        () =>
          new Promise((resolve, reject) => {
            parse(request, text, (error, body) => (error ? reject(error) : resolve(body)))
          }),
      )
    },
  )
}

function bodyText(body: Buffer, encoding = 'identity'): string {
  const isGzip = body[0] === 0x1f && body[1] === 0x8b
  if (isGzip || encoding !== 'identity') {
    throw new HttpError(415, 'unsupported_encoding', 'The body must not be compressed.')
  }
  return decodeUtf8(body, 'The body')
}

/** The page holds no data, and asks for the key itself. */
async function page(scope: FastifyInstance, context: ServerContext): Promise<void> {
  scope.addHook('onRoute', (route) => {
    route.config = { ...route.config, public: true }
  })
  await (pageRoutes as (app: FastifyInstance, context: ServerContext) => Promise<void>)(
    scope,
    context,
  )
}

interface Gatekeepers {
  checkHost(request: IncomingMessage): void
  authenticate(request: FastifyRequest): void
}

function hooks(
  app: FastifyInstance,
  context: ServerContext,
  log: PinoLogger,
  { checkHost, authenticate }: Gatekeepers,
): void {
  app.decorateRequest('work', undefined)
  app.decorateRequest('onceClosed')
  app.decorateRequest('warnings')
  app.addHook('onRequest', (request, reply, done) => {
    const began = performance.now()
    request.onceClosed = (action) => {
      if (reply.raw.closed) action()
      else reply.raw.once('close', action)
    }
    reply.header('x-request-id', request.id)
    reply.raw.once('close', () => {
      const end = {
        route: request.routeOptions.url ?? 'unknown',
        method: request.method,
        status: reply.raw.writableFinished ? reply.statusCode : 499,
        milliseconds: performance.now() - began,
        isWork: request.routeOptions.config.work === true,
      }
      context.metrics.request(end)
      logRequest(log, request, end)
    })
    checkHost(request.raw)
    const { public: isPublic = false, work = false } = request.routeOptions.config
    if (!isPublic) authenticate(request)
    if (request.is404) {
      // not after a body that nobody wants
      notFound(app, request, reply)
      return
    }
    if (work) {
      // a model that is not there, or a full house, is said before the body is read
      void context.embedder
      context.gate.refuseIfFull()
    }
    done()
  })
  app.addHook('preValidation', (request, reply, done) => {
    const { config, schema } = request.routeOptions
    const { properties } = (schema?.body ?? {}) as { properties?: object }
    request.warnings = []
    if (properties) {
      checkUnknownMembers(request.body, properties)
      const foreign = foreignOptions(request.body, properties)
      if (foreign.length > 0 && styleOf(request) === 'tei') {
        throw new HttpError(422, 'unsupported_option', `'${foreign[0]}' is not supported here.`)
      }
      request.warnings = foreign.map(
        (name) => `'${name}' is not supported here, and changed nothing.`,
      )
    }
    if (config.work) {
      request.work = new RequestWork(context)
      followResponse(request.work, request, reply)
    }
    done()
  })
  app.addHook('onSend', async (request, reply, payload) => {
    if (!(await discardBody(request.raw))) reply.header('connection', 'close')
    // a connection may have one more request while the server drains, and then ends
    if (context.state === 'draining') reply.header('connection', 'close')
    reply.header('x-content-type-options', 'nosniff')
    // vectors of different models do not compare
    const fallback = request.work?.fallback
    if (fallback !== undefined) reply.header('x-embedding-fallback', fallback)
    return payload
  })
}

function errors(app: FastifyInstance, log: PinoLogger): void {
  app.setErrorHandler((cause, request, reply) => {
    const error = toHttpError(cause)
    const { properties } = (request.routeOptions.schema?.body ?? {}) as { properties?: object }
    if (!('truncate' in (properties ?? {}))) {
      error.message = error.message.replace(TRUNCATE_HINT, '')
    }
    const style = styleOf(request)
    reply.code(style === 'tei' ? teiStatus(error) : error.status)
    logFailure(log, request, reply, error)
    return sendError(reply, error, style, request.routeOptions.config?.param)
  })
  app.setNotFoundHandler((request, reply) => notFound(app, request, reply))
}

function notFound(
  app: FastifyInstance,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const allowed = allowedMethods(app, request.url)
  // a file that a route with a wildcard has not is not found, either
  if (allowed.length === 0 || allowed.includes(request.method)) {
    const error = new HttpError(404, 'not_found', 'There is no such endpoint; see /docs.')
    return sendError(reply.code(404), error, 'openai')
  }
  reply.code(405).header('allow', allowed.join(', '))
  const error = new HttpError(
    405,
    'method_not_allowed',
    `The endpoint takes ${allowed.join(', ')}.`,
  )
  return sendError(reply, error, TEI_PATHS.has(pathOf(request.url)) ? 'tei' : 'openai')
}

const TEI_PATHS = new Set(['/embed', '/embed_sparse', '/rerank', '/tokenize', '/decode', '/info'])

function sendError(
  reply: FastifyReply,
  error: HttpError,
  style: ErrorStyle,
  param?: string,
): FastifyReply {
  if (error.retryAfter !== undefined) reply.header('retry-after', String(error.retryAfter))
  if (error.status === 401) reply.header('www-authenticate', 'Bearer')
  return reply
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(errorBody(error, style, param)))
}

function errorBody(error: HttpError, style: ErrorStyle, param?: string): object {
  if (style === 'tei') return teiBody(error)
  return style === 'ollama' ? ollamaBody(error) : openaiBody(error, param)
}

function styleOf({ routeOptions, body }: FastifyRequest): ErrorStyle {
  const { errors = 'openai' } = routeOptions.config ?? {}
  return typeof errors === 'function' ? errors(body) : errors
}

function pathOf(url: string): string {
  return url.replace(/[?#].*$/, '').replace(/(?<=.)\/$/, '')
}

function allowedMethods(app: FastifyInstance, url: string): string[] {
  const path = pathOf(url)
  return (['GET', 'HEAD', 'POST'] as const).filter(
    (method) => app.findRoute({ method, url: path }) !== null,
  )
}

async function cors(app: FastifyInstance, origins: readonly string[] | undefined): Promise<void> {
  if (!origins) return
  const { default: plugin } = await serverPackage('@fastify/cors', () => import('@fastify/cors'))
  await app.register(plugin, {
    origin: origins.includes('*') ? '*' : [...origins],
    methods: ['GET', 'POST'],
    allowedHeaders: ['authorization', 'content-type', 'x-api-key', 'x-request-id', 'accept'],
    exposedHeaders: ['x-request-id', 'retry-after'],
    maxAge: 600,
  })
}
