/** Producer, worker and status in one process, on a real Redis. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { InferenceError, StoreError } from '../../../lib/common/errors.js'
import type { Chunk } from '../../../lib/common/types.js'
import { Embedder } from '../../../lib/embedder/embedder.js'
import {
  clearQueue,
  enqueue,
  type QueueStatus,
  queueFailures,
  queueStatus,
  retryFailed,
  runWorker,
  watchQueue,
} from '../../../lib/exports/queue.js'
import { has } from '../../helpers/needs.mjs'
import { type RedisServer, startRedis } from '../../helpers/redis-server.js'
import { tinyPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'
import { until } from '../../helpers/until.js'
import { MemoryStore } from './memory-store.js'

describe.skipIf(!has('redis'))('a queue', () => {
  let server: RedisServer
  let redis: string
  let m3: Embedder
  let number = 0
  let queue = ''
  beforeAll(async () => {
    server = await startRedis()
    redis = server.url
    m3 = await Embedder.load({ model: await tinyPath(), cache: false })
  })
  afterAll(async () => {
    await m3?.dispose()
    await server?.close()
  })
  beforeEach(() => {
    queue = `test-${number++}`
  })

  const corpusOf = (count: number): Chunk[] =>
    mixedTexts(count).map((text, i) => ({ id: `t${i}`, text: `${i}: ${text.slice(0, 90)}` }))
  const failures = async () => {
    const all = []
    for await (const failure of queueFailures({ redis, queue })) all.push(failure)
    return all
  }

  it('brings every chunk to the store as plain embed gives it', async () => {
    const corpus = corpusOf(150)
    const made = await enqueue(m3, corpus, { redis, queue, jobTokens: 1000 })
    expect(made).toMatchObject({ items: 150, failed: 0, jobs: made.newJobs })
    expect(made.jobs).toBeGreaterThan(4)
    const store = new MemoryStore()
    const outputs = { dense: true, sparse: true }
    const lines: string[] = []
    const logger = { info: (line: string) => lines.push(line) }
    const result = await runWorker(m3, { redis, queue, store, outputs, untilDone: true, logger })
    expect(result).toMatchObject({ jobs: made.jobs, items: 150, failed: 0, givenBack: 0 })
    const logged = lines.map((line) => JSON.parse(line.replace('queue: batch ', '')))
    expect(logged).toHaveLength(made.jobs)
    const sum = (name: string) => logged.reduce((all, line) => all + line[name], 0)
    expect([sum('texts'), sum('stored'), sum('tokens')]).toEqual([150, 150, result.tokens])
    expect(result.tokens).toBe(made.tokens)
    const plain = await m3.embed(
      corpus.map(({ text }) => text),
      { outputs },
    )
    expect([...store.writes.values()]).toEqual(Array(150).fill(1))
    corpus.forEach(({ id, text }, i) => {
      const row = store.rows.get(id)
      expect(row?.text).toBe(text)
      expect(row?.chunk.embedding.dense).toEqual(plain[i]?.dense)
      expect(row?.chunk.embedding.sparse).toEqual(plain[i]?.sparse)
      expect(row?.chunk.model).toBe(m3.info.fingerprint)
    })
    expect(await queueStatus({ redis, queue })).toMatchObject({
      producing: false,
      items: { total: 150, done: 150, failed: 0, left: 0 },
      jobs: { total: made.jobs, done: made.jobs, waiting: 0, active: 0, failed: 0 },
      eta: 0,
      workers: [],
      failedJobs: [],
    })
  })

  it('does nothing for a corpus that was done, and keeps none of its texts', async () => {
    const corpus = corpusOf(40)
    const store = new MemoryStore()
    const options = { redis, queue, jobTokens: 500 }
    const first = await enqueue(m3, corpus, options)
    const again = await enqueue(m3, corpus, options)
    expect(again).toMatchObject({ jobs: first.jobs, newJobs: 0, items: 40 })
    expect((await queueStatus({ redis, queue })).jobs).toMatchObject({ waiting: first.jobs })
    await runWorker(m3, { redis, queue, store, untilDone: true })
    expect(await enqueue(m3, corpus, options)).toMatchObject({ newJobs: 0 })
    const result = await runWorker(m3, { redis, queue, store, untilDone: true })
    expect(result).toMatchObject({ jobs: 0, items: 0 })
    expect((await queueStatus({ redis, queue })).items).toMatchObject({ total: 40, done: 40 })

    const client = new Redis(redis)
    for (const key of await client.keys(`bull:${queue}:*`)) {
      const dump = (await client.dumpBuffer(key))?.toString('latin1') ?? ''
      expect(dump.includes(corpus[3]?.text.slice(5, 40) as string), key).toBe(false)
    }
    await clearQueue({ redis, queue })
    expect(await client.keys(`bull:${queue}:*`)).toEqual([])
    client.disconnect()
  })

  it('a bad chunk costs no other, and is listed without its text', async () => {
    const secret = 'nobody may read this'
    const hostile: unknown[] = [
      { id: 'ok', text: 'fine' },
      { id: 'long', text: `${secret} `.repeat(3000) },
      { id: 'lone', text: `${secret} \ud800` },
      { id: 'ok', text: secret },
      { id: 'number', text: 7 },
      { id: '', text: secret },
      { id: 'circular', text: secret, metadata: { big: 1n } },
      null,
      { id: 'empty', text: '' },
      { id: 'blank', text: ' \n\t ' },
      { id: 'limit', text: 'word '.repeat(8190) },
      { id: "'; DROP TABLE docs; --", text: "Robert'); DROP TABLE students;--" },
      { id: '\u0000\ud83d\ude00"\\:{}*', text: 'an id with every character' },
      { id: '__proto__', text: 'a name' },
      { id: 'm', text: 'with metadata', metadata: { page: 7, nested: ['x'] } },
    ]
    const made = await enqueue(m3, hostile as Chunk[], { redis, queue })
    expect(made).toMatchObject({ failed: 6, items: 9 })
    const store = new MemoryStore()
    const result = await runWorker(m3, { redis, queue, store, untilDone: true })
    expect(result).toMatchObject({ items: 8, failed: 1 })
    expect([...store.rows.keys()].sort()).toEqual(
      [
        'ok',
        'empty',
        'blank',
        'limit',
        "'; DROP TABLE docs; --",
        '\u0000\ud83d\ude00"\\:{}*',
        '__proto__',
        'm',
      ].sort(),
    )
    expect(store.rows.get('ok')?.text).toBe('fine')
    expect(store.rows.get('m')?.chunk.metadata).toEqual({ page: 7, nested: ['x'] })
    expect(store.rows.get('limit')?.chunk.embedding.tokenCount).toBe(8192)
    const listed = await failures()
    expect(listed.map(({ id, code }) => `${id} ${code}`).sort()).toEqual([
      '#5 INVALID_INPUT',
      '#7 INVALID_INPUT',
      'circular INVALID_INPUT',
      'lone INVALID_INPUT',
      'long INPUT_TOO_LONG',
      'number INVALID_INPUT',
      'ok INVALID_INPUT',
    ])
    expect(JSON.stringify(listed)).not.toContain(secret)
    expect((await queueStatus({ redis, queue })).items).toEqual({
      total: 15,
      done: 8,
      failed: 7,
      left: 0,
    })
    // the same again is counted once
    await enqueue(m3, hostile as Chunk[], { redis, queue })
    expect((await queueStatus({ redis, queue })).items).toMatchObject({ total: 15, failed: 7 })
  })

  it('waits where workers do not keep up, and shows progress', async () => {
    const corpus = corpusOf(120)
    let read = 0
    async function* source() {
      for (const chunk of corpus) {
        read++
        yield chunk
      }
      for (let i = 0; i < 3000; i++) {
        read++
        yield { id: `x${i}`, text: `more ${i}` }
      }
    }
    const producing = enqueue(m3, source(), { redis, queue, jobTokens: 200, maxWaiting: 5 })
    let status: QueueStatus
    do {
      await sleep(20)
      status = await queueStatus({ redis, queue })
    } while (status.jobs.waiting < 5)
    await sleep(300)
    status = await queueStatus({ redis, queue })
    expect(status).toMatchObject({ producing: true, jobs: { waiting: 5 } })
    expect(read).toBeLessThan(2500)
    const store = new MemoryStore()
    const seen: QueueStatus[] = []
    const watching = (async () => {
      for await (const one of watchQueue({ redis, queue, interval: 30 })) seen.push(one)
    })()
    const result = await runWorker(m3, { redis, queue, store, untilDone: true })
    const made = await producing
    await watching
    expect(result.items).toBe(3120)
    expect(made.items).toBe(3120)
    expect(seen.at(-1)).toMatchObject({ items: { done: 3120, left: 0 }, producing: false })
    expect(Math.max(...seen.map(({ jobs }) => jobs.waiting))).toBeLessThanOrEqual(5)
    const busy = seen.filter(({ workers }) => workers.length > 0)
    expect(busy.length).toBeGreaterThan(0)
    expect(busy[0]?.workers[0]).toMatchObject({ pid: process.pid })
  })

  it('a producer that was cut off goes on', async () => {
    const corpus = corpusOf(100)
    const options = { redis, queue, jobTokens: 300 }
    async function* torn() {
      yield* corpus.slice(0, 60)
      throw new Error('the disk is gone')
    }
    const expected = await enqueue(m3, corpus, { ...options, queue: `${queue}-whole` })
    await expect(enqueue(m3, torn(), options)).rejects.toThrow('the disk is gone')
    expect(await queueStatus({ redis, queue })).toMatchObject({ producing: true })
    const made = await enqueue(m3, corpus, options)
    expect(made.jobs).toBe(expected.jobs)
    expect(await queueStatus({ redis, queue })).toMatchObject({
      producing: false,
      items: { total: 100 },
      jobs: { total: expected.jobs, waiting: expected.jobs },
    })
  })

  it('waits for a store that is away, and uses no try up for it', async () => {
    const corpus = corpusOf(30)
    await enqueue(m3, corpus, { redis, queue, jobTokens: 400, attempts: 1 })
    const store = new MemoryStore()
    let away = 2
    const lines: string[] = []
    store.before = () => {
      if (away-- > 0) throw new StoreError('away for a moment', { transient: true })
    }
    const logger = {
      warn: (line: string) => lines.push(line),
      info: (line: string) => lines.push(line),
    }
    const result = await runWorker(m3, {
      redis,
      queue,
      store,
      untilDone: true,
      concurrency: 1,
      logger,
    })
    expect(result).toMatchObject({ items: 30, givenBack: 0 })
    expect(lines.join()).toMatch(/waiting for the store.*back/)
  })

  it('finds the chunk that a store will not take', async () => {
    await enqueue(m3, corpusOf(64), { redis, queue })
    const store = new MemoryStore()
    store.before = (chunks) => {
      if (chunks.some(({ chunk }) => chunk.id === 't9')) {
        throw new StoreError('no', { refused: true })
      }
    }
    const result = await runWorker(m3, { redis, queue, store, untilDone: true })
    expect(result).toMatchObject({ items: 63, failed: 1 })
    expect(await failures()).toEqual([{ id: 't9', code: 'STORE', message: 'no' }])
  })

  it('a job that no try can do is listed, and tried again when asked', async () => {
    await enqueue(m3, corpusOf(20), { redis, queue, attempts: 2 })
    const store = new MemoryStore()
    store.before = () => {
      throw new TypeError('with a text in it')
    }
    await runWorker(m3, { redis, queue, store, untilDone: true })
    const status = await queueStatus({ redis, queue })
    expect(status).toMatchObject({
      items: { total: 20, done: 0, failed: 20, left: 0 },
      jobs: { failed: 1 },
      failedJobs: [{ reason: 'INTERNAL: TypeError', items: 20 }],
    })
    store.before = () => {}
    expect(await retryFailed({ redis, queue })).toBe(1)
    await runWorker(m3, { redis, queue, store, untilDone: true })
    expect(await queueStatus({ redis, queue })).toMatchObject({
      items: { done: 20, failed: 0 },
      jobs: { failed: 0, done: 1 },
    })
  })

  it('refuses jobs that are none of ours', async () => {
    const client = new Redis(redis, { maxRetriesPerRequest: null })
    const bull = new Queue(queue, { connection: client })
    await bull.add('embed', { version: 9, text: 'what' })
    await bull.add('embed', { version: 1, tokens: 1, items: [['', 'x']] })
    await enqueue(m3, corpusOf(3), { redis, queue })
    const store = new MemoryStore()
    await runWorker(m3, { redis, queue, store, untilDone: true })
    expect(store.rows.size).toBe(3)
    const { failedJobs } = await queueStatus({ redis, queue })
    expect(failedJobs.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/^INVALID_INPUT: This is no job/),
      expect.stringMatching(/^INVALID_INPUT: An item/),
    ])
    await bull.close()
    client.disconnect()
  })

  it('gives back what it cannot finish in time, and finishes what it can', async () => {
    await enqueue(m3, corpusOf(60), { redis, queue, jobTokens: 400 })
    const { jobs } = await queueStatus({ redis, queue })
    const stop = new AbortController()
    const store = new MemoryStore()
    let writes = 0
    store.before = async () => {
      if (++writes < 3) return
      stop.abort()
      // longer than the worker waits
      throw new StoreError('away', { transient: true })
    }
    const options = { redis, queue, store, concurrency: 1, shutdownTimeout: 100 }
    const result = await runWorker(m3, { ...options, signal: stop.signal })
    expect(result).toMatchObject({ jobs: 2, givenBack: 1 })
    expect(await queueStatus({ redis, queue })).toMatchObject({
      jobs: { done: 2, active: 0, waiting: jobs.total - 2 },
    })
    store.before = () => {}
    await runWorker(m3, { ...options, untilDone: true })
    expect([...store.writes.values()]).toEqual(Array(60).fill(1))
  })

  it('ends with the embedder’s error, and the job goes back', async () => {
    const own = await Embedder.load({ model: m3.info.model, cache: false })
    await enqueue(m3, corpusOf(20), { redis, queue })
    const broken = new Proxy(own, {
      get(target, key) {
        if (key === 'embedStream') {
          return () => ({
            [Symbol.asyncIterator]: () => ({
              next: () => Promise.reject(new InferenceError('out of order')),
            }),
          })
        }
        const value = Reflect.get(target, key, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const store = new MemoryStore()
    await expect(runWorker(broken, { redis, queue, store })).rejects.toMatchObject({
      code: 'INFERENCE',
    })
    expect((await queueStatus({ redis, queue })).jobs).toMatchObject({ waiting: 1, failed: 0 })
    await own.dispose()
  })

  it('does not store what another model embedded', async () => {
    await enqueue(m3, corpusOf(3), { redis, queue })
    const withFallback = new Proxy(m3, {
      get(target, key) {
        const value = Reflect.get(target, key, target)
        if (key !== 'embedStream') return typeof value === 'function' ? value.bind(target) : value
        return async function* (...args: Parameters<Embedder['embedStream']>) {
          for await (const item of target.embedStream(...args)) {
            yield item.id === 't1' ? { ...item, model: 'another' } : item
          }
        }
      },
    })
    const store = new MemoryStore()
    const result = await runWorker(withFallback, { redis, queue, store, untilDone: true })
    expect(result).toMatchObject({ items: 2, failed: 1 })
    expect(await failures()).toMatchObject([{ id: 't1', code: 'INFERENCE' }])
  })

  it('takes an embedder that has not read its weights yet', async () => {
    const lazy = await Embedder.load({ model: m3.info.model, lazy: true, cache: false })
    await enqueue(m3, corpusOf(3), { redis, queue })
    const store = new MemoryStore()
    expect(await runWorker(lazy, { redis, queue, store, untilDone: true })).toMatchObject({
      items: 3,
    })
    await lazy.dispose()
  })

  it('lets no worker in whose vectors would not fit', async () => {
    const store = new MemoryStore()
    await enqueue(m3, corpusOf(10), { redis, queue })
    await runWorker(m3, { redis, queue, store, untilDone: true })
    const other = runWorker(m3, { redis, queue, store, truncate: 'end', untilDone: true })
    await expect(other).rejects.toThrow(/other settings \(truncate\)/)
  })

  it('does not embed again what is stored, when told so', async () => {
    const corpus = corpusOf(20)
    const store = new MemoryStore()
    await enqueue(m3, corpus.slice(0, 12), { redis, queue })
    await runWorker(m3, { redis, queue, store, untilDone: true })
    await enqueue(m3, corpus, { redis, queue, jobTokens: 300 })
    const result = await runWorker(m3, { redis, queue, store, skipStored: true, untilDone: true })
    expect(result.items).toBe(20)
    expect([...store.writes.values()]).toEqual(Array(20).fill(1))
  })

  it('says what is wrong before any work', async () => {
    const store = new MemoryStore()
    const nobody = 'redis://user:secret@127.0.0.1:1'
    const refused = await runWorker(m3, { redis: nobody, store }).catch((error) => error)
    expect(refused).toMatchObject({ code: 'QUEUE', name: 'QueueError' })
    expect(refused.message).toMatch(/127\.0\.0\.1:1 .*ECONNREFUSED/)
    expect(JSON.stringify([refused.message, refused.cause])).not.toContain('secret')
    expect(store.prepared).toBe(0)
    for (const address of ['localhost:6379', 'http://x', 'nonsense secret']) {
      const wrong = await queueStatus({ redis: address }).catch((error) => error)
      expect(wrong).toMatchObject({ code: 'INVALID_INPUT' })
      expect(wrong.message).not.toContain('secret')
    }
    await expect(queueStatus({ redis, queue: 'a:b' })).rejects.toThrow(/name of a queue/)
    await expect(queueStatus({ redis, prefix: '' })).rejects.toThrow(/prefix/)
    await expect(enqueue(m3, 'text' as never, { redis })).rejects.toThrow(/iterable/)
    await expect(enqueue(m3, [], { redis, jobTokens: 0 })).rejects.toThrow(/jobTokens/)
    await expect(runWorker(m3, { redis, store, concurrency: 0 })).rejects.toThrow(/concurrency/)
    store.prepare = async () => {
      throw new StoreError('there is no such table')
    }
    await enqueue(m3, corpusOf(2), { redis, queue })
    await expect(runWorker(m3, { redis, queue, store })).rejects.toThrow('no such table')
    expect((await queueStatus({ redis, queue })).jobs).toMatchObject({ waiting: 1 })
  })

  it('ends when it is told to, also while Redis is away', async () => {
    const own = await startRedis()
    onTestFinished(() => own.close())
    const address = { redis: own.url, queue }
    const store = new MemoryStore()
    const stop = new AbortController()
    const lines: string[] = []
    await enqueue(m3, corpusOf(10), { ...address, jobTokens: 300 })
    const keep = (line: string) => lines.push(line)
    const logger = { debug: keep, warn: keep }
    const { signal } = stop
    const working = runWorker(m3, { ...address, store, signal, logger, shutdownTimeout: 50 })
    while (store.rows.size < 10) await sleep(10)
    async function* endless() {
      for (let i = 0; ; i++) yield { id: `e${i}`, text: 'more and more' }
    }
    const options = { ...address, jobTokens: 2000, maxWaiting: 1000, signal }
    const producing = enqueue(m3, endless(), options).catch((error) => error)
    // before that the queue is done, and there is nothing to watch
    while (!(await queueStatus(address)).producing) await sleep(10)
    const watched: QueueStatus[] = []
    const watching = (async () => {
      for await (const one of watchQueue({ ...address, interval: 10, signal })) watched.push(one)
    })()
    while (watched.length < 2) await sleep(10)
    await own.kill()
    await until(() => lines.some((line) => /waiting for Redis/.test(line)))
    await sleep(200)
    stop.abort(new Error('told to end'))
    const result = await working
    expect(result.jobs).toBeGreaterThan(0)
    expect(lines.filter((line) => /waiting for Redis/.test(line))).toHaveLength(1)
    expect(await producing).toMatchObject({ message: 'told to end' })
    await watching
  })

  it('asks for the password, and does not show it', async () => {
    const locked = await startRedis({ password: 'open-sesame' })
    try {
      const without = `redis://127.0.0.1:${locked.port}`
      await expect(queueStatus({ redis: without })).rejects.toMatchObject({ code: 'QUEUE' })
      const wrong = await queueStatus({ redis: `redis://:guessed@127.0.0.1:${locked.port}` }).catch(
        (e) => e,
      )
      expect(wrong.message).toMatch(/WRONGPASS/)
      expect(wrong.message).not.toContain('guessed')
      expect(await queueStatus({ redis: locked.url })).toMatchObject({ items: { total: 0 } })
      const client = new Redis(locked.url)
      expect(await queueStatus({ redis: client })).toMatchObject({ items: { total: 0 } })
      expect(await client.ping()).toBe('PONG')
      expect(await client.keys('*')).toEqual([])
      client.disconnect()
    } finally {
      await locked.close()
    }
  })
})
