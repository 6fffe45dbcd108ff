/**
 * What Chroma's client says to a server, answered by one that keeps records in memory and searches them
 * by brute force. (The server that npm ships needs glibc 2.38.)
 */
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

interface StoredCollection {
  id: string
  name: string
  /** As the client sent it; the real server gives it back. */
  configuration_json: Record<string, unknown>
  schema: unknown
  records: Map<string, { embedding: number[]; document: string | null; metadata: unknown }>
}

export interface ChromaServer {
  port: number
  collections: Map<string, StoredCollection>
  close(): Promise<void>
}

const ROOT = /^\/api\/v2\/tenants\/[^/]+\/databases\/[^/]+\/collections(?:\/([^/]+))?(?:\/(\w+))?$/

export async function startChromaServer(): Promise<ChromaServer> {
  const collections = new Map<string, StoredCollection>()
  const find = (key: string) =>
    collections.get(key) ?? [...collections.values()].find(({ id }) => id === key)

  const answer = (method: string, url: string, body: Record<string, unknown>): unknown => {
    if (url === '/api/v2/auth/identity') {
      return { tenant: 'default_tenant', databases: ['default_database'], user_id: 'me' }
    }
    if (url === '/api/v2/pre-flight-checks') return { max_batch_size: 1000 }
    const [, key, action] = ROOT.exec(url) ?? []
    if (method === 'POST' && key === undefined) return show(create(body))
    const collection = key && find(decodeURIComponent(key))
    if (!collection) return undefined
    if (method === 'GET' && action === undefined) return show(collection)
    if (action === 'add' || action === 'upsert') return add(collection, body)
    if (action === 'query') return query(collection, body)
    return undefined
  }

  const create = ({ name, configuration, schema, get_or_create }: Record<string, unknown>) => {
    const old = collections.get(String(name))
    if (old && get_or_create) return old
    const collection: StoredCollection = {
      id: randomUUID(),
      name: String(name),
      configuration_json: (configuration ?? {}) as Record<string, unknown>,
      schema: schema ?? null,
      records: new Map(),
    }
    collections.set(collection.name, collection)
    return collection
  }

  const server = createServer(async (request, response) => {
    const body = await json(request)
    const url = (request.url ?? '').split('?')[0] as string
    const result = answer(request.method ?? '', url, body)
    response.writeHead(result === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(result ?? { error: 'NotFoundError', message: url }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    collections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function show({ id, name, configuration_json, schema }: StoredCollection) {
  return {
    id,
    name,
    configuration_json,
    schema,
    metadata: null,
    dimension: null,
    tenant: 'default_tenant',
    database: 'default_database',
    log_position: 0,
    version: 0,
  }
}

function add({ records }: StoredCollection, body: Record<string, unknown>) {
  const { ids, embeddings, documents, metadatas } = body as {
    ids: string[]
    embeddings: (number[] | string)[]
    documents?: (string | null)[]
    metadatas?: unknown[]
  }
  ids.forEach((id, i) => {
    records.set(id, {
      embedding: vectorOf(embeddings[i]),
      document: documents?.[i] ?? null,
      metadata: metadatas?.[i] ?? null,
    })
  })
  return {}
}

/** The client sends vectors as base64 of float32 where the server can read that. */
function vectorOf(sent: number[] | string | undefined): number[] {
  if (Array.isArray(sent)) return sent
  const bytes = Buffer.from(sent ?? '', 'base64')
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i))
}

function query({ records }: StoredCollection, body: Record<string, unknown>) {
  const { query_embeddings: queries, n_results: limit } = body as {
    query_embeddings: (number[] | string)[]
    n_results: number
  }
  const found = queries.map((sent) => {
    const asked = vectorOf(sent)
    return [...records]
      .map(([id, record]) => ({
        id,
        ...record,
        distance: 1 - record.embedding.reduce((sum, v, k) => sum + v * (asked[k] ?? 0), 0),
      }))
      .sort((a, b) => a.distance - b.distance)
      .slice(0, limit)
  })
  const column = <K extends 'id' | 'distance' | 'document' | 'metadata'>(key: K) =>
    found.map((rows) => rows.map((row) => row[key]))
  return {
    ids: column('id'),
    distances: column('distance'),
    documents: column('document'),
    metadatas: column('metadata'),
    embeddings: null,
    uris: null,
    include: ['distances', 'documents', 'metadatas'],
  }
}

async function json(request: IncomingMessage): Promise<Record<string, unknown>> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return parts.length > 0 ? JSON.parse(Buffer.concat(parts).toString()) : {}
}
