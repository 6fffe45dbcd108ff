import type { Schemas } from '@qdrant/js-client-rest'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { InvalidInputError, StoreError } from '../../../../lib/common/errors.js'
import { pointId } from '../../../../lib/integrations/stores/qdrant/point-id.js'
import {
  QdrantStore,
  type QdrantStoreOptions,
} from '../../../../lib/integrations/stores/qdrant/store.js'
import { type ContractServer, startContractServer } from '../../../helpers/qdrant-contract.js'
import { ALL, DIMENSIONS, embedding, MODEL, stored } from './samples.js'

let server: ContractServer
beforeEach(async () => {
  server = await startContractServer()
})
afterEach(async () => {
  expect(server.violations).toEqual([])
  await server.close()
})

const open = (options: Partial<QdrantStoreOptions> = {}, model = MODEL) =>
  QdrantStore.open(model, {
    url: server.url,
    collection: 'docs',
    outputs: ALL,
    retry: { retries: 3, delayMs: 1 },
    ...options,
  })

async function ready(options: Partial<QdrantStoreOptions> = {}): Promise<QdrantStore> {
  const store = await open(options)
  await store.prepare()
  return store
}

const upserts = () =>
  server.requests.filter(({ method, url }) => method === 'PUT' && /points/.test(url))

describe('prepare', () => {
  it('creates a collection that fits', async () => {
    await ready({ settings: { shard_number: 2, on_disk_payload: false } })
    const info = server.collections.get('docs')?.info()
    expect(info?.config.params).toMatchObject({
      vectors: {
        dense: { size: DIMENSIONS, distance: 'Cosine' },
        colbert: {
          size: DIMENSIONS,
          distance: 'Cosine',
          multivector_config: { comparator: 'max_sim' },
          hnsw_config: { m: 0 },
        },
      },
      sparse_vectors: { sparse: {} },
      shard_number: 2,
      on_disk_payload: false,
    })
  })

  it('creates what is stored and no more, under the names that it is given', async () => {
    const names = { dense: 'bge "m3" ünï', sparse: 'w', colbert: 'c' }
    const cases: [QdrantStoreOptions['outputs'], string[], string[]][] = [
      [undefined, [names.dense], []],
      [{ sparse: true }, [], ['w']],
      [{ colbert: true }, ['c'], []],
    ]
    for (const [i, [outputs, vectors, sparse]] of cases.entries()) {
      // a quote is no character of a vector's name
      const named = { ...names, dense: names.dense.replaceAll('"', '') }
      await ready({ collection: `c${i}`, outputs, names: named })
      const made = server.collections.get(`c${i}`)
      expect(Object.keys(made?.vectors ?? {})).toEqual(
        vectors.map((name) => name.replaceAll('"', '')),
      )
      expect(Object.keys(made?.sparse ?? {})).toEqual(sparse)
    }
  })

  it('cuts dense vectors alone when they are cut', async () => {
    await ready({ dimensions: 4, colbertIndex: true })
    const { vectors } = server.collections.get('docs') as { vectors: Record<string, object> }
    expect(vectors.dense).toMatchObject({ size: 4 })
    expect(vectors.colbert).toMatchObject({ size: DIMENSIONS })
    expect(vectors.colbert).not.toHaveProperty('hnsw_config')
  })

  it('takes a collection that is there and fits', async () => {
    await ready()
    await ready()
    expect(server.requests.filter(({ method }) => method === 'PUT')).toHaveLength(1)
  })

  it('takes one that another process makes at the same time', async () => {
    // the first answer to both is that there is none
    const stores = await Promise.all([open(), open(), open()])
    await Promise.all(stores.map((store) => store.prepare()))
    expect(server.collections.size).toBe(1)
  })

  it('takes one whose creation was not heard of', async () => {
    server.faults.push({ match: /^PUT/, cut: 'after' })
    await ready()
    expect(server.collections.size).toBe(1)
  })

  it('creates none when it should not', async () => {
    await expect(ready({ create: false })).rejects.toThrow('There is no collection "docs".')
    expect(server.collections.size).toBe(0)
  })

  const fits = {
    vectors: {
      dense: { size: DIMENSIONS, distance: 'Cosine' },
      colbert: {
        size: DIMENSIONS,
        distance: 'Cosine',
        multivector_config: { comparator: 'max_sim' },
      },
      more: { size: 3, distance: 'Euclid' },
    },
    sparse_vectors: { sparse: {}, more_sparse: { modifier: 'idf' } },
  } as const satisfies Schemas['CreateCollection']
  const { dense, colbert } = fits.vectors

  async function make(body: Schemas['CreateCollection']): Promise<void> {
    const { status } = await fetch(`${server.url}/collections/docs`, {
      method: 'PUT',
      body: JSON.stringify(body),
    })
    expect(status).toBe(200)
  }

  it.each<[string, Schemas['CreateCollection']]>([
    ['more vectors', fits],
    ['the inner product', { ...fits, vectors: { dense: { ...dense, distance: 'Dot' }, colbert } }],
    ['halves', { ...fits, vectors: { dense: { ...dense, datatype: 'float16' }, colbert } }],
  ])('takes %s', async (_, body) => {
    await make(body)
    await ready()
  })

  it.each<[RegExp, Schemas['CreateCollection']]>([
    [/one vector without a name/, { vectors: dense }],
    [/has no dense vector "dense"\./, { ...fits, vectors: { colbert } }],
    [/has no multi-vector "colbert"/, { ...fits, vectors: { dense } }],
    [/has no sparse vector "sparse"/, { vectors: fits.vectors }],
    [
      /has no dense vector "dense": that one is sparse/,
      { vectors: { colbert }, sparse_vectors: { sparse: {}, dense: {} } },
    ],
    [
      /"dense" has 9 dimensions, and this model gives 8/,
      { ...fits, vectors: { dense: { ...dense, size: 9 }, colbert } },
    ],
    [
      /"colbert" has 7 dimensions/,
      { ...fits, vectors: { dense, colbert: { ...colbert, size: 7 } } },
    ],
    [/"dense" is a multi-vector/, { ...fits, vectors: { dense: colbert, colbert } }],
    [/"colbert" is no multi-vector/, { ...fits, vectors: { dense, colbert: dense } }],
    [
      /the distance Euclid/,
      { ...fits, vectors: { dense: { ...dense, distance: 'Euclid' }, colbert } },
    ],
    [/uint8/, { ...fits, vectors: { dense: { ...dense, datatype: 'uint8' }, colbert } }],
    [/uint8/, { ...fits, sparse_vectors: { sparse: { index: { datatype: 'uint8' } } } }],
    [/modifier idf/, { ...fits, sparse_vectors: { sparse: { modifier: 'idf' } } }],
  ])('refuses what does not fit: %s', async (message, body) => {
    await make(body)
    const error = await ready().catch((error) => error)
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error.message).toMatch(message)
  })

  it('refuses a collection that another model has filled', async () => {
    const store = await ready()
    await store.write([stored('a', 1)])
    const other = await open({}, { ...MODEL, fingerprint: 'e'.repeat(32) })
    await expect(other.prepare()).rejects.toThrow(
      /filled by another model \(its fingerprint is "ffff/,
    )
    await ready()
  })

  it('takes a collection whose points somebody else made', async () => {
    await ready()
    const points = [{ id: 7, vector: {}, payload: { model: 3 } }]
    await fetch(`${server.url}/collections/docs/points?wait=true`, {
      method: 'PUT',
      body: JSON.stringify({ points }),
    })
    await ready()
  })

  it.each([
    [{ collection: '' }, /name of the collection is empty/],
    [{ collection: 'a/b' }, /character that Qdrant does not take/],
    [{ collection: '..' }, /is no name/],
    [{ collection: 'x'.repeat(256) }, /longer than 255 bytes/],
    [{ collection: 'a\ud800' }, /Unicode/],
    [{ outputs: {} }, /Nothing is to be stored/],
    [{ names: { dense: 'a', sparse: 'a' } }, /same name/],
    [{ names: { dense: 'a\0' } }, /character/],
    [{ dimensions: 9 }, /dimensions/],
    [{ maxRequestBytes: 5 }, /maxRequestBytes/],
    [{ maxRequestPoints: 0 }, /maxRequestPoints/],
    [{ url: 'nowhere' }, /no URL/],
  ])('refuses %o before anything is sent', async (options, message) => {
    const error = await open(options).catch((error) => error)
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error.message).toMatch(message)
    expect(server.requests).toEqual([])
  })

  it('refuses outputs that the model has not', async () => {
    const bare = { ...MODEL, outputs: { dense: true, sparse: false, colbert: false } }
    await expect(open({}, bare)).rejects.toThrow(/no sparse head/)
    await expect(open({ outputs: { colbert: true } }, bare)).rejects.toThrow(/no colbert head/)
  })
})

describe('write', () => {
  it('writes twice and stores once, the last one', async () => {
    const store = await ready()
    await store.write([stored('a', 1), stored('b', 2)])
    await store.write([stored('b', 3), stored('a', 1), stored('c', 4), stored('b', 5)])
    const points = server.byId('docs')
    expect([...points.keys()].sort()).toEqual(['a', 'b', 'c'])
    expect(points.get('b')?.payload.text).toBe('text 5')
    expect(points.get('a')?.writes).toBe(2)
    expect(points.get('c')?.writes).toBe(1)
  })

  it('stores the vectors as they are', async () => {
    const store = await ready()
    await store.write([stored('a', 9, { metadata: { page: 3 } })])
    const point = server.byId('docs').get('a')
    const { dense, sparse, colbert } = embedding(9)
    expect(point?.id).toBe(pointId('a'))
    expect(point?.payload).toEqual({
      id: 'a',
      text: 'text 9',
      metadata: { page: 3 },
      model: MODEL.fingerprint,
    })
    // the server brings them to length 1 once more, which may change the last bit
    for (const [i, value] of (point?.dense.get('dense') ?? []).entries()) {
      expect(value).toBeCloseTo(dense?.[i] ?? 9, 6)
    }
    expect(point?.sparse.get('sparse')?.indices).toEqual([...(sparse?.indices ?? [])])
    expect(Float32Array.from(point?.sparse.get('sparse')?.values ?? [])).toEqual(sparse?.values)
    expect(point?.multi.get('colbert')).toHaveLength(colbert?.rows as number)
  })

  it('cuts what is too large for a request', async () => {
    const store = await ready({ maxRequestBytes: 4000 })
    await store.write(Array.from({ length: 20 }, (_, i) => stored(`${i}`, i)))
    expect(server.byId('docs').size).toBe(20)
    expect(upserts().length).toBeGreaterThan(3)
    for (const { bytes } of upserts()) expect(bytes).toBeLessThanOrEqual(4000)
    expect(store.stats).toMatchObject({ points: 20, retries: 0, colbertCut: 0 })
  })

  it('keeps to the points of a request', async () => {
    const store = await ready({ maxRequestPoints: 3 })
    await store.write(Array.from({ length: 10 }, (_, i) => stored(`${i}`, i)))
    expect(upserts()).toHaveLength(4)
  })

  it('halves what a server or proxy with a lower limit refuses', async () => {
    for (const [i, limits] of [{ proxyLimit: 3000 }, { maxRequestBytes: 3000 }].entries()) {
      const strict = await startContractServer(limits)
      const store = await ready({ url: strict.url, collection: `c${i}` })
      await store.write(Array.from({ length: 16 }, (_, k) => stored(`${k}`, k)))
      expect(strict.byId(`c${i}`).size).toBe(16)
      expect(strict.requests.some(({ status }) => status === (i === 0 ? 413 : 400))).toBe(true)
      // one point is more than it takes
      const large = stored('large', 1, { text: 'x'.repeat(3000) })
      const error = await store.write([large]).catch((error) => error)
      expect(error).toBeInstanceOf(StoreError)
      expect(error.message).not.toContain('xxx')
      await strict.close()
    }
  })

  it('refuses an item that is larger than a request, and shows nothing of it', async () => {
    const store = await ready({ maxRequestBytes: 5000 })
    const error = await store
      .write([stored('a', 1), stored('b', 2, { text: 'secret '.repeat(1000) })])
      .catch((error) => error)
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error.message).not.toContain('secret')
    expect(server.byId('docs').size).toBe(0)
    const bare = await ready({ maxRequestBytes: 5000, keepText: false })
    await bare.write([stored('b', 2, { text: 'secret '.repeat(1000) })])
    expect(server.byId('docs').get('b')?.payload).not.toHaveProperty('text')
  })

  it('takes multi-vectors as long as Qdrant does, and cuts longer ones', async () => {
    const model = { ...MODEL, dimensions: 1024 }
    const store = await open({}, model)
    await store.prepare()
    const of = (rows: number) => embedding(rows, { rows, dimensions: 1024, weights: 30 })
    await store.write([
      stored('fits', 1, { embedding: of(1023) }),
      stored('long', 2, { embedding: of(1100) }),
    ])
    const points = server.byId('docs')
    expect(points.get('fits')?.multi.get('colbert')).toHaveLength(1023)
    expect(points.get('long')?.multi.get('colbert')).toHaveLength(1023)
    expect(store.stats.colbertCut).toBe(1)
    for (const { bytes } of upserts()) expect(bytes).toBeLessThan(32 * 2 ** 20)
  })

  it('stores texts without tokens, which then no sparse query finds', async () => {
    const store = await ready()
    await store.write([stored('empty', 1, { text: '', embedding: embedding(1, { weights: 0 }) })])
    const point = server.byId('docs').get('empty')
    expect(point?.sparse.size).toBe(0)
    expect(point?.dense.size).toBe(1)
  })

  it('takes ids and texts of every character', async () => {
    const store = await ready()
    const ids = [
      '',
      ' ',
      '\0',
      'a/b?c#d%20',
      '"; DROP',
      "'",
      '\\',
      '\u2028',
      '😀',
      '../..',
      '{x}',
      '\x1b[2J',
      'constructor',
      '__proto__',
    ]
    await store.write(ids.map((id, i) => stored(id, i, { text: `${id}\ud800${id}` })))
    const points = server.byId('docs')
    expect([...points.keys()].sort()).toEqual([...ids].sort())
    expect(await store.stored([...ids, 'another'])).toEqual(new Set(ids))
  })

  it('refuses an id that Qdrant could not keep', async () => {
    const store = await ready()
    await expect(store.write([stored('a\ud800', 1)])).rejects.toThrow(InvalidInputError)
  })

  it.each([
    ['429', { status: 429 }],
    ['500', { status: 500 }],
    ['a cut connection', { cut: 'before' as const }],
    ['an answer that was lost', { cut: 'after' as const }],
  ])('comes through %s', async (_, fault) => {
    const store = await ready({ maxRequestPoints: 2 })
    server.faults.push({ match: /PUT .*points/, ...fault, times: 2 })
    await store.write(Array.from({ length: 6 }, (_, i) => stored(`${i}`, i)))
    expect(server.byId('docs').size).toBe(6)
    expect(store.stats).toMatchObject({ points: 6, retries: 2 })
  })

  it('rejects when it cannot write, and can be asked again', async () => {
    const store = await ready()
    server.faults.push({ match: /PUT/, status: 503, times: 4 })
    const error = await store.write([stored('a', 1)]).catch((error) => error)
    expect(error).toMatchObject({ code: 'STORE', transient: true })
    expect(server.byId('docs').size).toBe(0)
    await store.write([stored('a', 1)])
    expect(await store.stored(['a'])).toEqual(new Set(['a']))
  })

  it('does nothing after it was closed, which may be said twice', async () => {
    const store = await ready()
    await store.close()
    await store.close()
    await expect(store.write([stored('a', 1)])).rejects.toThrow(/closed/)
  })
})

describe('stored', () => {
  it('knows those of this model alone, in any number', async () => {
    const store = await ready()
    const ids = Array.from({ length: 600 }, (_, i) => `id ${i}`)
    await store.write(ids.map((id, i) => ({ ...stored(id, i), digest: `d${i}` })))
    expect(await store.stored([...ids, ...ids, 'no'])).toEqual(new Set(ids))
    expect((await store.digests(['id 7', 'no'])).get('id 7')).toBe('d7')
    expect(await store.stored([])).toEqual(new Set())
    expect(await store.stored(['half \ud800', 'id 1'])).toEqual(new Set(['id 1']))
    const other = await open({}, { ...MODEL, fingerprint: 'e'.repeat(32) })
    expect(await other.stored(ids)).toEqual(new Set())
  })
})
