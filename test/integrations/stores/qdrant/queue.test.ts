/** Workers of a queue that write to Qdrant: a real Redis, the contract server. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../../../lib/embedder/embedder.js'
import { enqueue, queueStatus, runWorker } from '../../../../lib/exports/queue.js'
import { QdrantStore } from '../../../../lib/integrations/stores/qdrant/store.js'
import { has } from '../../../helpers/needs.mjs'
import { type ContractServer, startContractServer } from '../../../helpers/qdrant-contract.js'
import { type RedisServer, startRedis } from '../../../helpers/redis-server.js'
import { tinyPath } from '../../../helpers/standins.js'
import { mixedTexts } from '../../../helpers/texts.js'
import { ALL } from './samples.js'

describe.skipIf(!has('redis'))('a queue', () => {
  let redis: RedisServer
  let server: ContractServer
  let m3: Embedder
  beforeAll(async () => {
    redis = await startRedis()
    server = await startContractServer()
    m3 = await Embedder.load({ model: await tinyPath(), cache: false })
  })
  afterAll(async () => {
    await m3?.dispose()
    await redis?.close()
    await server?.close()
  })

  it('brings every chunk to a collection, through failures, but for what Qdrant cannot keep', async () => {
    const corpus = mixedTexts(60).map((text, i) => ({ id: `t/${i}`, text: text.slice(0, 90) }))
    corpus.push({ id: 'half \ud800', text: 'an id that no JSON can hold' })
    const address = { redis: redis.url, queue: 'to-qdrant' }
    await enqueue(m3, corpus, { ...address, jobTokens: 400 })
    const options = { url: server.url, collection: 'docs', outputs: ALL, maxRequestPoints: 8 }
    const store = await QdrantStore.open(m3.info, { ...options, retry: { delayMs: 1 } })
    const upserts = /PUT .*points/
    server.faults.push({ match: upserts, status: 503 }, { match: upserts, cut: 'after' })
    const worker = { ...address, store, outputs: ALL, untilDone: true, skipStored: true }
    const result = await runWorker(m3, worker)
    await store.close()
    expect(result).toMatchObject({ items: 60, failed: 1 })
    const points = server.byId('docs')
    expect([...points.keys()].sort()).toEqual(Array.from({ length: 60 }, (_, i) => `t/${i}`).sort())
    const [point] = [...points.values()]
    expect(point?.payload).toMatchObject({ model: m3.info.fingerprint })
    expect(await queueStatus(address)).toMatchObject({ items: { total: 61, done: 60, failed: 1 } })
    expect(server.violations).toEqual([])
  })
})
