/**
 * A server that stands for Qdrant, which cannot run here: a real HTTP server that holds each request against
 * Qdrant's own schema (from the typings that its client was generated with), strictly, keeps collections in
 * memory, refuses what Qdrant refuses, answers queries by brute force, and fails when it is told to.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Schemas } from '@qdrant/js-client-rest'
import { Collection, checkId, Refused } from './qdrant/collections.js'
import { payloadOf, runQuery } from './qdrant/query.js'
import { loadOperations, type Operation } from './qdrant/schema.js'

/** What becomes of one request. */
export interface Fault {
  /** Of `PUT /collections/docs/points?wait=true`. Default: any request. */
  match?: RegExp
  /** Of the request's body. Default: any. */
  holds?: RegExp
  /** Requests that it befalls. Default: 1. */
  times?: number
  /** Answers with this status, without doing anything. */
  status?: number
  headers?: Record<string, string>
  body?: string
  /** Ends the connection: before anything is done, after it was, or in the middle of the answer. */
  cut?: 'before' | 'after' | 'middle'
  /** Milliseconds before the request is looked at. */
  delayMs?: number
}

export interface LoggedRequest {
  method: string
  /** With its query. */
  url: string
  headers: IncomingMessage['headers']
  bytes: number
  status: number
}

export interface ContractServer {
  url: string
  collections: Map<string, Collection>
  requests: LoggedRequest[]
  /** Requests that no server would take: unknown routes, parameters and members. There should be none. */
  violations: string[]
  faults: Fault[]
  /** Points of a collection by the id that the item has. */
  byId(collection: string): Map<string, ReturnType<Collection['points']['get']> & object>
  close(): Promise<void>
}

export interface ContractOptions {
  apiKey?: string
  port?: number
  /** Of a proxy before the server, which answers 413. */
  proxyLimit?: number
  maxRequestBytes?: number
  /** Told after each request. */
  onRequest?: (request: LoggedRequest) => void
}

let loaded: Map<string, Operation> | undefined

const MAX_REQUEST_BYTES = 32 * 1024 * 1024

export async function startContractServer(options: ContractOptions = {}): Promise<ContractServer> {
  loaded ??= loadOperations()
  const operations = loaded
  const { apiKey, proxyLimit, maxRequestBytes = MAX_REQUEST_BYTES } = options
  const collections = new Map<string, Collection>()
  const requests: LoggedRequest[] = []
  const violations: string[] = []
  const faults: Fault[] = []

  const server = createServer((request, response) => void handle(request, response))

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(request)
    if (body === undefined) return
    const { method = '', url = '' } = request
    const fault = takeFault(faults, `${method} ${url}`, body)
    const log = (status: number) => {
      const entry = { method, url, headers: request.headers, bytes: body.length, status }
      requests.push(entry)
      options.onRequest?.(entry)
    }
    if (fault?.delayMs !== undefined) await new Promise((done) => setTimeout(done, fault.delayMs))
    if (fault?.cut === 'before') {
      log(0)
      response.socket?.destroy()
      return
    }
    if (fault?.status !== undefined) {
      log(fault.status)
      response.writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers })
      response.end(fault.body ?? JSON.stringify({ status: { error: 'told to fail' }, time: 0 }))
      return
    }
    const { status, text, type } = outcome(request, body)
    log(status)
    if (fault?.cut === 'after') {
      response.socket?.destroy()
      return
    }
    if (fault?.body !== undefined) {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(fault.body)
      return
    }
    response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) })
    if (fault?.cut === 'middle') {
      response.write(text.slice(0, text.length / 2), () => response.socket?.destroy())
      return
    }
    response.end(text)
  }

  function outcome(request: IncomingMessage, body: Buffer) {
    const json = 'application/json'
    if (proxyLimit !== undefined && body.length > proxyLimit) {
      return { status: 413, text: '<html>413 Request Entity Too Large</html>', type: 'text/html' }
    }
    if (apiKey !== undefined && request.headers['api-key'] !== apiKey) {
      return { status: 401, text: 'Invalid API key or JWT', type: 'text/plain' }
    }
    try {
      return { status: 200, text: JSON.stringify(answer(request, body)), type: json }
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      const text = JSON.stringify({ status: { error: error.message }, time: 0.0001 })
      return { status: error.status, text, type: json }
    }
  }

  function answer({ method = '', url = '' }: IncomingMessage, body: Buffer): unknown {
    const { pathname, searchParams } = new URL(url, 'http://localhost')
    const route = routeOf(operations, method, pathname)
    const violate = (what: string) => {
      violations.push(`${method} ${pathname}: ${what}`)
      throw new Refused(400, `Format error in JSON body: ${what}`)
    }
    if (!route) return violate('no such route')
    const { operation, parameters } = route
    for (const name of searchParams.keys()) {
      if (!operation.query.has(name)) violate(`unknown parameter ${name}`)
    }
    if (body.length > maxRequestBytes) {
      throw new Refused(
        400,
        `Payload error: JSON payload (${body.length} bytes) is larger than allowed (limit: ${maxRequestBytes} bytes).`,
      )
    }
    const payload: unknown = body.length > 0 ? JSON.parse(body.toString('utf8')) : undefined
    const { checkBody } = operation
    if (checkBody && !checkBody(payload)) {
      // without values: they may be texts
      const { instancePath, keyword, params } = checkBody.errors?.at(-1) ?? {}
      violate(`${instancePath} ${keyword} ${JSON.stringify(params)}`)
    }
    if (!checkBody && payload !== undefined) violate('has a body')
    const result = run(`${method} ${operation.path}`, parameters, payload)
    const whole = { result, status: 'ok', time: 0.0001 }
    const reply = operation.path === '/' ? result : whole
    if (!operation.checkAnswer(reply)) {
      throw new Error(`the answer is wrong: ${JSON.stringify(operation.checkAnswer.errors)}`)
    }
    return reply
  }

  function run(operation: string, { collection_name }: Parameters, body: unknown): unknown {
    const name = collection_name ?? ''
    const find = () => {
      const collection = collections.get(name)
      if (!collection) {
        throw new Refused(404, `Not found: Collection \`${name}\` doesn't exist!`)
      }
      return collection
    }
    switch (operation) {
      case 'GET /':
        return { title: 'contract server', version: '1.18.0' }
      case 'GET /collections/{collection_name}/exists':
        return { exists: collections.has(name) }
      case 'GET /collections/{collection_name}':
        return find().info()
      case 'PUT /collections/{collection_name}': {
        if (collections.has(name)) {
          throw new Refused(409, `Wrong input: Collection \`${name}\` already exists!`)
        }
        collections.set(name, new Collection(name, body as Schemas['CreateCollection']))
        return true
      }
      case 'DELETE /collections/{collection_name}':
        return collections.delete(name)
      case 'PUT /collections/{collection_name}/points':
        return find().upsert((body as Schemas['PointsList']).points)
      case 'POST /collections/{collection_name}/points': {
        const { ids, with_payload } = body as Schemas['PointRequest']
        const { points } = find()
        return ids.flatMap((id) => {
          const point = points.get(checkId(id))
          return point ? [{ id: point.id, payload: payloadOf(point, with_payload ?? true) }] : []
        })
      }
      case 'POST /collections/{collection_name}/points/scroll': {
        const { limit, with_payload } = body as Schemas['ScrollRequest']
        const all = [...find().points.values()].sort((a, b) =>
          String(a.id) < String(b.id) ? -1 : 1,
        )
        const points = all
          .slice(0, limit ?? 10)
          .map((point) => ({ id: point.id, payload: payloadOf(point, with_payload ?? true) }))
        return { points, next_page_offset: all[points.length]?.id ?? null }
      }
      case 'POST /collections/{collection_name}/points/delete': {
        const { points } = find()
        for (const id of (body as Schemas['PointIdsList']).points) points.delete(checkId(id))
        return { operation_id: 0, status: 'completed' }
      }
      case 'POST /collections/{collection_name}/points/query':
        return runQuery(find(), body as Schemas['QueryRequest'])
      default:
        throw new Refused(501, `${operation} is not part of this server`)
    }
  }

  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    collections,
    requests,
    violations,
    faults,
    byId: (name) => {
      const points = [...(collections.get(name)?.points.values() ?? [])]
      return new Map(points.map((point) => [String(point.payload.id), point]))
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

interface Parameters {
  collection_name?: string
}

function routeOf(operations: Map<string, Operation>, method: string, pathname: string) {
  const steps = pathname.split('/')
  for (const operation of operations.values()) {
    const pattern = operation.path.split('/')
    if (operation.method !== method || pattern.length !== steps.length) continue
    const fits = pattern.every((step, i) => step.startsWith('{') || step === steps[i])
    if (!fits) continue
    const parameters = Object.fromEntries(
      pattern.flatMap((step, i) =>
        step.startsWith('{') ? [[step.slice(1, -1), decodeURIComponent(steps[i] as string)]] : [],
      ),
    )
    return { operation, parameters: parameters as Parameters }
  }
  return undefined
}

function takeFault(faults: Fault[], request: string, body: Buffer): Fault | undefined {
  const at = faults.findIndex(
    ({ match, holds }) =>
      (!match || match.test(request)) && (!holds || holds.test(body.toString())),
  )
  const fault = faults[at]
  if (!fault) return undefined
  const left = (fault.times ?? 1) - 1
  if (left <= 0) faults.splice(at, 1)
  else fault.times = left
  return fault
}

/** `undefined` when the client went away. */
async function read(request: IncomingMessage): Promise<Buffer | undefined> {
  const parts: Buffer[] = []
  try {
    for await (const part of request) parts.push(part as Buffer)
  } catch {
    return undefined
  }
  return Buffer.concat(parts)
}
