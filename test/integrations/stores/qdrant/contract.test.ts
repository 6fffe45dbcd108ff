/** The server that stands for Qdrant: that it refuses what Qdrant refuses, or the other tests have no teeth. */
import { QdrantClient, type Schemas } from '@qdrant/js-client-rest'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { run } from '../../../helpers/child.js'
import { loadOperations } from '../../../helpers/qdrant/schema.js'
import { type ContractServer, startContractServer } from '../../../helpers/qdrant-contract.js'
import { tinyPath } from '../../../helpers/standins.js'

let server: ContractServer
beforeAll(async () => {
  server = await startContractServer()
})
afterAll(() => server.close())

const send = async (method: string, path: string, body?: unknown) => {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const answer = await fetch(`${server.url}${path}`, { method, ...(body ? { body: text } : {}) })
  return { status: answer.status, body: (await answer.json()) as { status: { error: string } } }
}
const UUID = '01234567-89ab-4cde-8f01-23456789abcd'
const SIZE = 4
const dense = [1, 0, 0, 0]

describe('the schema', () => {
  it('has all routes of the client that send JSON, and validators that compile', () => {
    const operations = loadOperations()
    expect(operations.size).toBeGreaterThan(60)
    for (const name of [
      'points',
      'points/query',
      'points/scroll',
      'points/search/batch',
      'index',
    ]) {
      const [method] = ['PUT', 'POST'].filter((verb) =>
        operations.has(`${verb} /collections/{collection_name}/${name}`),
      )
      const operation = operations.get(`${method} /collections/{collection_name}/${name}`)
      expect(operation?.checkBody?.({ nonsense: 1 })).toBe(false)
    }
  })

  it.each<[string, boolean]>([
    [`{"points": [{"id": 1, "vector": {"a": [1, 2]}, "payload": {"x": [null]}}]}`, true],
    [`{"points": [{"id": 1, "vector": [1, 2]}]}`, true],
    [
      `{"points": [{"id": 1, "vector": {"a": [[1], [2]], "b": {"indices": [1], "values": [2]}}}]}`,
      true,
    ],
    [`{"batch": {"ids": [1], "vectors": {"a": [[1]]}}}`, true],
    [`{"points": [{"id": 1}]}`, false],
    [`{"points": [{"vector": [1]}]}`, false],
    [`{"points": [{"id": true, "vector": [1]}]}`, false],
    [`{"points": [{"id": 1, "vector": ["1"]}]}`, false],
    [`{"points": [{"id": 1, "vector": {"a": [1, null]}}]}`, false],
    [`{"points": [{"id": 1, "vector": {"a": {"0": 1, "1": 2}}}]}`, false],
    [`{"points": [{"id": 1, "vector": {"a": {"indices": [1]}}}]}`, false],
    [`{"points": [{"id": 1, "vector": [1], "vectors": [1]}]}`, false],
    [`{"points": [], "wait": true}`, false],
    [`{}`, false],
  ])('of an upsert: %s is %s', (body, valid) => {
    const operation = loadOperations().get('PUT /collections/{collection_name}/points')
    expect(operation?.checkBody?.(JSON.parse(body))).toBe(valid)
  })

  it.each<[string, boolean]>([
    [`{"vectors": {"a": {"size": 4, "distance": "Cosine"}}}`, true],
    [`{"vectors": {"a": {"size": 4, "distance": "Cosine", "hnsw_config": null}}}`, true],
    [`{"vectors": {"a": {"size": 4, "distance": "cosine"}}}`, false],
    [`{"vectors": {"a": {"size": 4.5, "distance": "Cosine"}}}`, false],
    [`{"vectors": {"a": {"size": -4, "distance": "Cosine"}}}`, false],
    [`{"vectors": {"a": {"distance": "Cosine"}}}`, false],
    [`{"vectors": {"a": {"size": 4, "distance": "Cosine", "hnsw_config": {"M": 0}}}}`, false],
    [
      `{"vectors": {"a": {"size": 4, "distance": "Cosine", "multivector_config": {"comparator": "sum"}}}}`,
      false,
    ],
    [`{"sparse_vectors": {"a": {"modifier": "IDF"}}}`, false],
    [`{"vector": {}}`, false],
  ])('of a collection: %s is %s', (body, valid) => {
    const operation = loadOperations().get('PUT /collections/{collection_name}')
    expect(operation?.checkBody?.(JSON.parse(body))).toBe(valid)
  })
})

describe('the server', () => {
  beforeEach(async () => {
    server.collections.clear()
    server.violations.length = 0
    const { status } = await send('PUT', '/collections/docs', {
      vectors: {
        dense: { size: SIZE, distance: 'Cosine' },
        multi: { size: SIZE, distance: 'Cosine', multivector_config: { comparator: 'max_sim' } },
      },
      sparse_vectors: { sparse: {} },
    } satisfies Schemas['CreateCollection'])
    expect(status).toBe(200)
  })

  const upsert = (vector: unknown, id: unknown = UUID, payload: unknown = {}) =>
    send('PUT', '/collections/docs/points?wait=true', { points: [{ id, vector, payload }] })

  it.each<[string, unknown, unknown, unknown, number, RegExp]>([
    ['another size', { dense: [1] }, UUID, {}, 400, /expected dim: 4, got 1/],
    ['an unknown name', { other: dense }, UUID, {}, 400, /Not existing vector name error: other/],
    ['no name', dense, UUID, {}, 400, /Not existing vector name/],
    ['a name of objects', { constructor: dense }, UUID, {}, 400, /Not existing/],
    ['an id that is no UUID', { dense }, 'a', {}, 400, /not a valid point ID/],
    ['an id below 0', { dense }, -1, {}, 400, /not a valid point ID/],
    ['an index twice', { sparse: { indices: [1, 1], values: [1, 2] } }, UUID, {}, 422, /unique/],
    ['lengths that differ', { sparse: { indices: [1], values: [1, 2] } }, UUID, {}, 422, /length/],
    [
      'an index that is too large',
      { sparse: { indices: [2 ** 32], values: [1] } },
      UUID,
      {},
      400,
      /u32/,
    ],
    ['no rows', { multi: [] }, UUID, {}, 422, /must not be empty/],
    ['an empty row', { multi: [[]] }, UUID, {}, 422, /non-empty/],
    ['rows that differ', { multi: [dense, [1, 2]] }, UUID, {}, 422, /same dimension/],
    [
      'too many rows',
      { multi: new Array(2 ** 18).fill(dense) },
      UUID,
      {},
      422,
      /must be less than/,
    ],
    ['rows for one vector', { dense: [dense] }, UUID, {}, 400, /multi and regular/],
    ['weights for a vector', { dense: { indices: [1], values: [1] } }, UUID, {}, 400, /multi/],
    ['half a surrogate pair', { dense }, UUID, { a: ['\ud800'] }, 400, /surrogate/],
  ])('refuses %s', async (_, vector, id, payload, status, message) => {
    const answer = await upsert(vector, id, payload)
    expect(answer.body.status.error).toMatch(message)
    expect(answer.status).toBe(status)
    expect(server.collections.get('docs')?.points.size).toBe(0)
  })

  it('refuses what is larger than 32 MiB, as Qdrant says it', async () => {
    const answer = await upsert({ dense }, UUID, { text: 'x'.repeat(32 * 2 ** 20) })
    expect(answer.status).toBe(400)
    expect(answer.body.status.error).toMatch(/is larger than allowed \(limit: 33554432 bytes\)/)
  })

  it('writes all points of a request or none', async () => {
    const points = [
      { id: 1, vector: { dense } },
      { id: 2, vector: { dense: [1] } },
    ]
    expect((await send('PUT', '/collections/docs/points', { points })).status).toBe(400)
    expect(server.collections.get('docs')?.points.size).toBe(0)
  })

  it('counts what no server would take', async () => {
    await send('PUT', '/collections/docs/points', { points: [], nonsense: 1 })
    await send('PUT', '/collections/docs/points?nonsense=1', { points: [] })
    await send('GET', '/collections/docs/nonsense')
    expect(server.violations).toHaveLength(3)
    expect(server.violations.join()).not.toContain('"nonsense":1')
  })

  it.each([
    [{ query: [1], using: 'dense' }, 400, /expected dim/],
    [{ query: dense, using: 'none' }, 400, /Not existing vector name/],
    [{ query: { fusion: 'rrf' } }, 400, /prefetch/],
    [{ query: { rrf: { k: 0 } }, prefetch: [] }, 422, /rrf/],
    [{ query: { indices: [1, 1], values: [1, 1] }, using: 'sparse' }, 422, /unique/],
    [{ query: dense, usng: 'dense' }, 400, /additionalProperties|anyOf/],
  ])('refuses the query %o', async (query, status, message) => {
    const answer = await send('POST', '/collections/docs/points/query', query)
    expect(answer.body.status.error).toMatch(message)
    expect(answer.status).toBe(status)
  })

  it('speaks with the official client as it is meant to be used', async () => {
    const client = new QdrantClient({ url: server.url, checkCompatibility: false })
    await client.upsert('docs', { wait: true, points: [{ id: 5, vector: { dense } }] })
    expect(await client.retrieve('docs', { ids: [5, 6] })).toMatchObject([{ id: 5 }])
    const { points } = await client.query('docs', { query: dense, using: 'dense' })
    expect(points).toMatchObject([{ id: 5, score: 1 }])
    expect((await client.getCollection('docs')).points_count).toBe(1)
    expect(server.violations).toEqual([])
  })

  // the places and scores of Qdrant's own test of its fusion
  it('fuses as Qdrant does', async () => {
    const rankings = [
      [2, 1],
      [1, 2, 3],
      [5, 3, 1],
    ]
    const names = ['r0', 'r1', 'r2']
    await send('PUT', '/collections/ranks', {
      vectors: Object.fromEntries(names.map((name) => [name, { size: 1, distance: 'Dot' }])),
    })
    const points = [1, 2, 3, 5].map((id) => ({
      id,
      vector: Object.fromEntries(
        rankings.flatMap((ranked, i) => {
          const place = ranked.indexOf(id)
          return place < 0 ? [] : [[names[i], [1 - place / 10]]]
        }),
      ),
    }))
    await send('PUT', '/collections/ranks/points', { points })
    const prefetch = names.map((using) => ({ query: [1], using }))
    const { body } = await send('POST', '/collections/ranks/points/query', {
      prefetch,
      query: { fusion: 'rrf' },
    })
    const found = (body as unknown as { result: Schemas['QueryResponse'] }).result.points
    expect(found.map(({ id }) => id)).toEqual([1, 2, 3, 5])
    const scores = [1.0833334, 0.8333334, 0.5833334, 0.5]
    for (const [i, { score }] of found.entries()) expect(score).toBeCloseTo(scores[i] as number, 6)
  })
})

describe('examples/qdrant', () => {
  it('runs, and again', async () => {
    const model = await tinyPath()
    const env = { ...process.env, BGE_M3_MODEL: model, QDRANT_URL: server.url }
    const example = () => run(process.execPath, ['examples/qdrant/search.mjs'], { env })
    const first = await example()
    expect(first.code, first.stderr).toBe(0)
    expect(first.stdout).toMatch(/^3 points written, 0 were there\n(-?\d+\.\d{4} \w+ .+\n){2}$/)
    expect((await example()).stdout).toMatch(/^0 points written, 3 were there\n/)
    expect(server.violations).toEqual([])
  })

  it('says what to start when it is told of no server', async () => {
    const { QDRANT_URL: _, ...env } = process.env
    const end = await run(process.execPath, ['examples/qdrant/search.mjs'], { env })
    expect(end).toMatchObject({ code: 0, stderr: '' })
    expect(end.stdout).toMatch(/docker run .*qdrant[\s\S]*QDRANT_URL/)
  })
})
