import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { InvalidInputError, StoreError } from '../../../../lib/common/errors.js'
import {
  parseAddress,
  QdrantConnection,
  type QdrantConnectionOptions,
  QdrantRequestError,
  type QdrantRetry,
} from '../../../../lib/integrations/stores/qdrant/connection.js'
import { failureOf } from '../../../../lib/integrations/stores/qdrant/failure.js'
import { retryAfterMs } from '../../../../lib/integrations/stores/qdrant/retry-after.js'
import { type ContractServer, startContractServer } from '../../../helpers/qdrant-contract.js'

const KEY = 'k-3f9a0c-very-secret'

let server: ContractServer
let retries: QdrantRetry[]
beforeEach(async () => {
  server = await startContractServer({ apiKey: KEY })
  retries = []
})
afterEach(() => server.close())

const open = (options: Partial<QdrantConnectionOptions> = {}) =>
  QdrantConnection.open({
    url: server.url,
    apiKey: KEY,
    retry: { retries: 4, delayMs: 1 },
    onRetry: (retry) => retries.push(retry),
    ...options,
  })

const ask = (connection: QdrantConnection, most?: number) =>
  connection.request((api, init) => api.collectionExists({ collection_name: 'docs' }, init), {
    ...(most !== undefined && { most }),
  })
const create = (connection: QdrantConnection) =>
  connection.request((api, init) =>
    api.createCollection(
      { collection_name: 'docs', vectors: { dense: { size: 4, distance: 'Cosine' } } },
      init,
    ),
  )
const info = (connection: QdrantConnection) =>
  connection.request((api, init) => api.getCollection({ collection_name: 'docs' }, init))

async function errorOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => Promise.reject(new Error('it worked')),
    (error) => error,
  )
}

describe('parseAddress', () => {
  it.each([
    ['http://localhost', 'http://localhost:6333', 6333, ''],
    ['http://localhost:6333/', 'http://localhost:6333', 6333, ''],
    ['https://cloud.example:443', 'https://cloud.example:443', 443, ''],
    ['https://host.example/some/path/', 'https://host.example:6333/some/path', 6333, '/some/path'],
    ['http://[::1]', 'http://[::1]:6333', 6333, ''],
    ['http://[::1]:80/q', 'http://[::1]:80/q', 80, '/q'],
  ])('%s', (text, address, port, prefix) => {
    expect(parseAddress(text)).toMatchObject({ address, port, prefix })
  })

  it.each(['', 'localhost:6333', 'ftp://x', 'http://user:secret@x', 'http://x?key=secret', '//x'])(
    'refuses %j, and does not show it',
    (text) => {
      const parse = () => parseAddress(text)
      expect(parse).toThrow(InvalidInputError)
      expect(parse).not.toThrow(/secret/)
    },
  )
})

describe('the client behind it', () => {
  it('asks where it should, a path in front', async () => {
    const connection = await open({ url: `${server.url}/behind/a/proxy` })
    await errorOf(ask(connection))
    expect(server.requests.map(({ url }) => url)).toEqual([
      '/behind/a/proxy/collections/docs/exists',
    ])
  })

  it('writes nothing to the console, a key over http or not', async () => {
    const spies = (['warn', 'error', 'log', 'info'] as const).map((name) => vi.spyOn(console, name))
    const connection = await open()
    await create(connection)
    await info(connection)
    for (const spy of spies) {
      expect(spy).not.toHaveBeenCalled()
      spy.mockRestore()
    }
    expect(server.requests.every(({ headers }) => headers['api-key'] === KEY)).toBe(true)
  })
})

describe('requests', () => {
  it.each([
    ['429', { status: 429 }],
    ['500', { status: 500 }],
    ['503', { status: 503, body: '<html>down</html>', headers: { 'content-type': 'text/html' } }],
    ['a connection that ends before', { cut: 'before' as const }],
    ['a connection that ends after', { cut: 'after' as const }],
    ['an answer that ends in the middle', { cut: 'middle' as const }],
  ])('are tried again after %s', async (_, fault) => {
    const connection = await open()
    await create(connection)
    server.faults.push({ ...fault, times: 2 })
    expect((await info(connection)).status).toBe('green')
    expect(connection.retries).toBe(2)
    expect(retries.map(({ attempt }) => attempt)).toEqual([1, 2])
  })

  it('end with an error when nothing helps', async () => {
    const connection = await open()
    server.faults.push({ status: 503, times: 1000 })
    const error = await errorOf(info(connection))
    expect(error).toBeInstanceOf(StoreError)
    expect(error).toMatchObject({ code: 'STORE', status: 503, transient: true })
    expect(error.message).toBe(`Qdrant at ${server.url} answered 503: told to fail.`)
    expect(server.requests).toHaveLength(5)
  })

  it('are not tried again when that cannot help', async () => {
    const connection = await open()
    const error = await errorOf(info(connection))
    expect(error).toMatchObject({ status: 404, transient: false })
    expect(server.requests).toHaveLength(1)
  })

  it('wait longer each time, spread', async () => {
    const connection = await open({ retry: { retries: 4, delayMs: 4 } })
    server.faults.push({ status: 500, times: 4 })
    await errorOf(info(connection))
    retries.forEach(({ waitMs }, i) => {
      expect(waitMs).toBeGreaterThanOrEqual(4 * 2 ** i * 0.75)
      expect(waitMs).toBeLessThanOrEqual(4 * 2 ** i * 1.25)
    })
  })

  it.each([
    [429, '30', 30_000],
    [429, '1', 1000],
    [503, '12', 12_000],
    [429, new Date(Date.now() + 3_600_000).toUTCString(), 300_000],
    [429, 'soon', undefined],
  ])('wait as long as %d with Retry-After: %s asks', async (status, value, expected) => {
    const connection = await open()
    await create(connection)
    server.faults.push({ status, headers: { 'retry-after': value } })
    const end = new AbortController()
    const waiting = await open({
      signal: end.signal,
      onRetry: (retry) => {
        retries.push(retry)
        if (retry.waitMs > 500) end.abort(new Error('long enough'))
      },
    })
    const result = await info(waiting).catch((error: Error) => error.message)
    if (expected === undefined) expect(result).toMatchObject({ status: 'green' })
    else expect(result).toBe('long enough')
    expect(retries).toHaveLength(1)
    if (expected !== undefined) expect(retries[0]?.waitMs).toBe(expected)
  })

  it('tell the Retry-After of one answer from that of another', async () => {
    const connection = await open()
    await create(connection)
    server.faults.push({ match: /exists/, status: 429, headers: { 'retry-after': '40' } })
    server.faults.push({ match: /docs$/, status: 429, headers: { 'retry-after': '0' } })
    const end = new AbortController()
    const waits = new Map<string, number>()
    const both = (name: string) =>
      open({
        signal: end.signal,
        onRetry: ({ waitMs }) => {
          waits.set(name, waitMs)
          if (waits.size === 2) setImmediate(() => end.abort(new Error('enough')))
        },
      })
    const [one, other] = await Promise.all([both('exists'), both('info')])
    await Promise.allSettled([ask(one), info(other)])
    expect(waits.get('exists')).toBe(40_000)
    expect(waits.get('info')).toBeLessThan(10)
  })

  it('end when an answer is late, and are tried again', async () => {
    const connection = await open({ timeoutMs: 200, retry: { retries: 1, delayMs: 1 } })
    server.faults.push({ delayMs: 5000, times: 2 })
    const error = await errorOf(info(connection))
    expect(error.message).toMatch(/did not answer within 200 ms/)
    expect(connection.retries).toBe(1)
  })

  it('end with the reason of the signal: under way, while waiting, and before', async () => {
    const reason = new Error('enough')
    const end = new AbortController()
    const connection = await open({ signal: end.signal })
    server.faults.push({ delayMs: 5000 })
    const underWay = errorOf(info(connection))
    setTimeout(() => end.abort(reason), 50)
    expect(await underWay).toBe(reason)
    expect(await errorOf(info(connection))).toBe(reason)
    const waiting = new AbortController()
    const other = await open({
      signal: waiting.signal,
      retry: { delayMs: 60_000 },
      onRetry: () => setTimeout(() => waiting.abort(reason), 10),
    })
    server.faults.push({ status: 500 })
    expect(await errorOf(info(other))).toBe(reason)
  })

  it('end when the connection is closed', async () => {
    const connection = await open()
    server.faults.push({ delayMs: 5000 })
    const underWay = errorOf(info(connection))
    setTimeout(() => connection.close(), 50)
    expect(await underWay).toBeInstanceOf(StoreError)
    connection.close()
  })

  it('name what is wrong with a server that is none of Qdrant', async () => {
    const connection = await open()
    await create(connection)
    for (const body of ['{"hello": "world"}', '{"result": null}', '[]', '7', '""']) {
      server.faults.push({ body })
      const error = await errorOf(info(connection))
      expect(error.message).toMatch(/gave an answer that is none of Qdrant's/)
    }
  })

  it('name what is wrong when nobody is there', async () => {
    const connection = await open({ retry: { retries: 1, delayMs: 1 } })
    await server.close()
    const error = await errorOf(info(connection))
    expect(error.message).toBe(`Qdrant at ${server.url} cannot be reached (ECONNREFUSED).`)
    expect(connection.retries).toBe(1)
    const refused = await open({ url: 'http://127.0.0.1:1' })
    expect((await errorOf(info(refused))).message).toMatch(/:1 cannot be reached\.$/)
    expect(refused.retries).toBe(0)
  })

  it('do not try again where there is no such host, or no TLS', async () => {
    const plain = createServer((socket) => socket.end('no TLS here\n')).listen(0, '127.0.0.1')
    await once(plain, 'listening')
    const { port } = plain.address() as { port: number }
    const connection = await open({ url: `https://127.0.0.1:${port}` })
    const error = await errorOf(info(connection))
    expect(error.message).toMatch(/cannot be reached \((EPROTO|ERR_SSL\w*)\)/)
    expect(connection.retries).toBe(0)
    plain.close()
  })
})

describe('the API key', () => {
  it('is in no error, whatever the server says', async () => {
    const said = JSON.stringify({ status: { error: `your key ${KEY} is "${KEY}"` } })
    const connection = await open()
    for (const status of [400, 401, 403, 500]) {
      server.faults.push({ status, body: said, times: 9 })
      const error = await errorOf(info(connection))
      expect(error.message).toContain('your key *** is "***"')
      const shown = [error.message, error.stack, JSON.stringify(error), String(error.cause)]
      expect(shown.join('\n')).not.toContain(KEY)
      expect(JSON.stringify(retries)).not.toContain(KEY)
      server.faults.length = 0
    }
  })

  it('that is wrong is told from a server that is absent', async () => {
    const connection = await open({ apiKey: 'another-key' })
    const error = await errorOf(info(connection))
    expect(error.message).toMatch(/answered 401 \(the API key is missing, wrong/)
    expect(error.message).not.toContain('another-key')
  })

  it('follows no redirect to another host', async () => {
    const other = await startContractServer()
    const connection = await open()
    const headers = { location: `${other.url}/collections/docs` }
    server.faults.push({ status: 307, headers }, { status: 301, headers })
    expect((await errorOf(info(connection))).message).toContain('answered 307')
    expect((await errorOf(info(connection))).message).toContain('answered 301')
    expect(other.requests).toEqual([])
    await other.close()
  })

  it.each(['', 'two words', 'line\nbreak', 'ünïcode'])(
    'that no header takes is refused: %#',
    async (apiKey) => {
      const error = await errorOf(open({ apiKey }))
      expect(error).toBeInstanceOf(InvalidInputError)
      if (apiKey !== '') expect(error.message).not.toContain(apiKey)
    },
  )
})

describe('options', () => {
  it.each([
    [{ timeoutMs: 0 }, /timeoutMs/],
    [{ retry: { retries: -1 } }, /retry\.retries/],
    [{ retry: { delayMs: 0.5 } }, /retry\.delayMs/],
  ])('%o', async (options, message) => {
    expect((await errorOf(open(options))).message).toMatch(message)
  })
})

describe('failureOf', () => {
  it('shows nothing that is long enough to be a text', () => {
    const text = 'what somebody wrote '.repeat(10)
    const data = { status: { error: `invalid value "${text}" at 'x'` } }
    const { message } = failureOf({ status: 400, data }, undefined)
    expect(message).toBe(`answered 400: invalid value "..." at 'x'`)
    const long = failureOf(
      { status: 400, data: { status: { error: 'a b '.repeat(200) } } },
      undefined,
    )
    expect(long.message.length).toBeLessThan(330)
  })

  it('finds the code of a host with several addresses', () => {
    const cause = { errors: [{ code: 'ECONNREFUSED' }, { code: 'ENETUNREACH' }] }
    const failure = failureOf(new TypeError('fetch failed', { cause }), undefined)
    expect(failure).toMatchObject({ message: 'cannot be reached (ECONNREFUSED)', transient: true })
  })

  it.each([
    [{ status: 413 }, true],
    [
      { status: 400, data: { status: { error: 'JSON payload (9 bytes) is larger than allowed' } } },
      true,
    ],
    [{ status: 400, data: { status: { error: 'something else' } } }, false],
  ])('knows what is too large: %o', (error, tooLarge) => {
    expect(failureOf(error, undefined).tooLarge).toBe(tooLarge)
  })

  it('takes what the client says of Retry-After for want of better', () => {
    const error = { name: 'QdrantClientResourceExhaustedError', retry_after: 3 }
    expect(failureOf(error, undefined)).toMatchObject({ status: 429, retryAfter: '3' })
  })

  it('is an error of its own', () => {
    const failure = failureOf({ status: 400 }, undefined)
    expect(new QdrantRequestError('x', { ...failure, status: 404 }).refused).toBe(false)
    expect(new QdrantRequestError('x', failure)).toMatchObject({
      refused: true,
      name: 'QdrantRequestError',
      code: 'STORE',
    })
  })
})

describe('retryAfterMs', () => {
  it.each([
    ['5', 5000],
    [' 0 ', 0],
    ['1.5', 1500],
    ['99999', 300_000],
    ['Thu, 01 Jan 1970 00:00:20 GMT', 10_000],
    ['Thu, 01 Jan 1970 00:00:01 GMT', 0],
    ['later', undefined],
    ['', undefined],
    [null, undefined],
  ])('%j', (value, expected) => expect(retryAfterMs(value, 10_000)).toBe(expected))
})
