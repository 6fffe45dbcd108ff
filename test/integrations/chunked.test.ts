/** Documents that are cut on their way to a store: to Qdrant at once, to PostgreSQL by way of a queue. */
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chunkText } from '../../lib/chunking/chunk-text.js'
import { chunkId } from '../../lib/chunking/parts.js'
import { Embedder } from '../../lib/embedder/embedder.js'
import { trimDocuments } from '../../lib/integrations/chunked.js'
import { enqueue } from '../../lib/integrations/queue/enqueue.js'
import { runWorker } from '../../lib/integrations/queue/worker.js'
import { PostgresStore } from '../../lib/integrations/stores/postgres/store.js'
import { loadQdrant } from '../../lib/integrations/stores/qdrant/load.js'
import { QdrantStore } from '../../lib/integrations/stores/qdrant/store.js'
import { has } from '../helpers/needs.mjs'
import { startContractServer } from '../helpers/qdrant-contract.js'
import { startRedis } from '../helpers/redis-server.js'
import { tinyPath } from '../helpers/standins.js'

let m3: Embedder
beforeAll(async () => {
  m3 = await Embedder.load({ model: await tinyPath() })
})
afterAll(() => m3.dispose())

const CUT = { maxTokens: 20, overlap: 4 }
const long = (seed: string, sentences: number) =>
  Array.from({ length: sentences }, (_, i) => `The ${seed} swims ${i} miles. `).join('')
const corpus = (beaver: number, otter: number) => [
  { id: 'beaver', text: long('beaver', beaver), metadata: { lang: 'en' } },
  { id: 'otter', text: long('otter', otter) },
  { id: 'none', text: '' },
]

/** What a store must have, by way of `chunkText` alone. */
async function expected(documents: ReturnType<typeof corpus>) {
  const all = new Map<string, object>()
  for (const { id: document, text, metadata } of documents) {
    const found = await chunkText(text, { ...CUT, tokenizer: m3 })
    const parts = found.length > 0 ? found : [{ text, start: 0, end: 0 }]
    for (const [part, { text: piece, start, end }] of parts.entries()) {
      const place = { document, part, parts: parts.length, start, end }
      all.set(chunkId(document, part), { text: piece, metadata: { ...metadata, ...place } })
    }
  }
  return all
}

it('to Qdrant: chunks are replaced when their document changes, and go when it goes', async () => {
  const server = await startContractServer()
  const options = { url: server.url, collection: 'docs' }
  const load = (documents: ReturnType<typeof corpus>) =>
    loadQdrant(m3, documents, { ...options, chunk: CUT })
  const stored = () =>
    new Map(
      [...server.byId('docs')].map(([id, { payload }]) => [
        id,
        { text: payload.text, metadata: payload.metadata },
      ]),
    )
  // more than a window of ids is looked for at a time
  const first = corpus(300, 12)
  expect(await load(first)).toMatchObject({ failed: 0, skipped: 0 })
  expect(stored()).toEqual(await expected(first))
  expect(stored().size).toBeGreaterThan(80)
  expect(await load(first)).toMatchObject({ points: 0, skipped: stored().size })
  const second = corpus(3, 12)
  await load(second)
  expect(stored()).toEqual(await expected(second))
  const store = await QdrantStore.open(m3.info, options)
  const otters = [...stored().keys()].filter((id) => id.startsWith('otter#')).length
  expect(await trimDocuments(store, [{ document: 'otter', parts: 0 }])).toBe(otters)
  expect(await trimDocuments(store, [{ document: 'otter', parts: 0 }])).toBe(0)
  expect([...stored().keys()].some((id) => id.startsWith('otter'))).toBe(false)
  await store.close()
  expect(server.violations).toEqual([])
  await server.close()
})

it('to Qdrant: a text that cannot be cut is listed, and sizes that cannot be are refused', async () => {
  const server = await startContractServer()
  const options = { url: server.url, collection: 'docs' }
  const documents = [
    { id: 'half', text: 'a\ud800b '.repeat(50) },
    { id: 'good', text: 'text' },
  ]
  const result = await loadQdrant(m3, documents, { ...options, chunk: CUT })
  expect(result).toMatchObject({ points: 1, failed: 1, failures: [{ id: 'half' }] })
  for (const chunk of [{ maxTokens: 1 }, { size: 9 }]) {
    const wrong = loadQdrant(m3, documents, { ...options, chunk: chunk as object })
    await expect(wrong).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  }
  await server.close()
})

describe.skipIf(!has('redis'))('by way of a queue', () => {
  it('to PostgreSQL: what was longer is trimmed by the worker', async () => {
    const redis = await startRedis()
    const db = await PGlite.create({ extensions: { vector } })
    await db.exec('CREATE EXTENSION vector')
    const columns = { id: 'id', text: 'body', dense: 'v', metadata: 'about' }
    const store = await PostgresStore.open(db, { table: 'chunks', columns, model: m3.info })
    for (const documents of [corpus(90, 12), corpus(3, 12)]) {
      const address = { redis: redis.url, queue: 'chunks' }
      const added = await enqueue(m3, documents, { ...address, chunk: CUT, jobTokens: 200 })
      const wanted = await expected(documents)
      expect(added).toMatchObject({ items: wanted.size, failed: 0 })
      await runWorker(m3, { ...address, store, untilDone: true })
      const { rows } = await db.query('SELECT id, body AS text, about AS metadata FROM chunks')
      expect(
        new Map(
          (rows as { id: string; text: string; metadata: object }[]).map(({ id, ...row }) => [
            id,
            row,
          ]),
        ),
      ).toEqual(wanted)
    }
    await store.close()
    await db.close()
    await redis.close()
  })
})
