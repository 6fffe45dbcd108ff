import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { InvalidInputError, StoreError } from '../../../../lib/common/errors.js'
import type { Chunk } from '../../../../lib/common/types.js'
import { Embedder } from '../../../../lib/embedder/embedder.js'
import { grouped } from '../../../../lib/integrations/stores/qdrant/grouped.js'
import { loadQdrant } from '../../../../lib/integrations/stores/qdrant/load.js'
import type { LoadQdrantOptions } from '../../../../lib/integrations/stores/qdrant/load-types.js'
import { QdrantStore } from '../../../../lib/integrations/stores/qdrant/store.js'
import { type ContractServer, startContractServer } from '../../../helpers/qdrant-contract.js'
import { tinyPath } from '../../../helpers/standins.js'
import { mixedTexts } from '../../../helpers/texts.js'
import { ALL } from './samples.js'

let m3: Embedder
let server: ContractServer
beforeAll(async () => {
  m3 = await Embedder.load({ model: await tinyPath(), cache: false })
})
afterAll(() => m3.dispose())
beforeEach(async () => {
  server = await startContractServer()
})
afterEach(async () => {
  expect(server.violations).toEqual([])
  await server.close()
})

const load = (
  source: Iterable<unknown> | AsyncIterable<unknown>,
  options: Partial<LoadQdrantOptions> = {},
) =>
  loadQdrant(m3, source as Iterable<Chunk>, {
    url: server.url,
    collection: 'docs',
    retry: { retries: 3, delayMs: 1 },
    ...options,
  })

const corpus = (count: number): Chunk[] =>
  Array.from({ length: count }, (_, i) => ({ id: `doc ${i}`, text: `what is said in ${i * 7919}` }))
const embeddedTexts = () => m3.stats().texts

/** Every item is there with the vectors that plain `embed` gives. */
async function checkPoints(
  chunks: readonly Chunk[],
  outputs = { dense: true, sparse: false, colbert: false },
) {
  const points = server.byId('docs')
  expect(points.size).toBe(chunks.length)
  const plain = await m3.embed(
    chunks.map(({ text }) => text),
    { outputs },
  )
  chunks.forEach(({ id, text }, i) => {
    const point = points.get(id)
    expect(point?.payload.text).toBe(text)
    const { dense, sparse, colbert } = plain[i] ?? {}
    const stored = point?.dense.get('dense')
    expect(stored?.length).toBe(dense?.length)
    const far = stored?.findIndex((value, k) => Math.abs(value - (dense?.[k] ?? 9)) > 1e-6)
    expect(far).toBe(-1)
    if (outputs.sparse && sparse) {
      const weights = point?.sparse.get('sparse')
      expect(weights?.indices ?? []).toEqual([...sparse.indices])
      expect(Float32Array.from(weights?.values ?? [])).toEqual(sparse.values)
    }
    if (outputs.colbert) expect(point?.multi.get('colbert')).toHaveLength(colbert?.rows as number)
  })
}

describe('loadQdrant', () => {
  it('fills a collection with all three, and does nothing the second time', async () => {
    const chunks = mixedTexts(40).map((text, i) => ({ id: `${i}`, text }))
    const first = await load(chunks, { outputs: ALL })
    expect(first).toMatchObject({ points: 40, skipped: 0, failed: 0, failures: [], retries: 0 })
    expect(first.tokens).toBe(
      (await m3.countTokens(chunks.map(({ text }) => text))).reduce((a, b) => a + b),
    )
    expect(first.seconds).toBeGreaterThan(0)
    await checkPoints(chunks, ALL)
    const before = embeddedTexts()
    const again = await load(chunks, { outputs: ALL })
    expect(again).toMatchObject({ points: 0, skipped: 40, tokens: 0, batches: 0 })
    expect(embeddedTexts()).toBe(before)
    expect([...server.byId('docs').values()].every(({ writes }) => writes === 1)).toBe(true)
  })

  it('embeds again what has another text, metadata or settings', async () => {
    const chunks = corpus(6)
    await load(chunks)
    const changed = chunks.map((chunk, i) =>
      i === 2 ? { ...chunk, text: 'something else' } : chunk,
    )
    expect(await load(changed)).toMatchObject({ points: 1, skipped: 5 })
    const noted = changed.map((chunk, i) => (i === 3 ? { ...chunk, metadata: { page: 1 } } : chunk))
    expect(await load(noted)).toMatchObject({ points: 1, skipped: 5 })
    expect(await load(noted, { truncate: 'end' })).toMatchObject({ points: 6 })
    expect(await load(noted, { truncate: 'end', keepText: false })).toMatchObject({ points: 6 })
    expect(await load(noted, { truncate: 'end', keepText: false, again: true })).toMatchObject({
      points: 6,
    })
    expect(server.byId('docs').get('doc 2')?.payload).not.toHaveProperty('text')
    expect(server.byId('docs').size).toBe(6)
  })

  it('goes on where a source ended with an error', async () => {
    const chunks = corpus(50)
    const trouble = new Error('the source is gone')
    const broken = function* () {
      yield* chunks.slice(0, 30)
      throw trouble
    }
    await expect(load(broken())).rejects.toBe(trouble)
    expect(server.byId('docs').size).toBe(30)
    expect(await load(chunks)).toMatchObject({ points: 20, skipped: 30 })
    await checkPoints(chunks)
  })

  it('of items with the same id keeps the last, in one run and in the next', async () => {
    const chunks = [
      ...corpus(3),
      { id: 'twice', text: 'first' },
      ...corpus(200).slice(3),
      { id: 'twice', text: 'second' },
      { id: 'twice', text: 'second' },
    ]
    for (const batchPoints of [1, 7, 64]) {
      const { points } = await load(chunks, { batchPoints })
      expect(points).toBeGreaterThanOrEqual(2)
      expect(server.byId('docs').get('twice')?.payload.text).toBe('second')
      expect(server.byId('docs').size).toBe(201)
    }
  })

  it('leaves the last of equal ids, whatever order and batches', async () => {
    const items = fc.array(fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 2 })), { maxLength: 25 })
    await fc.assert(
      fc.asyncProperty(items, fc.integer({ min: 1, max: 5 }), async (pairs, batchPoints) => {
        const chunks = pairs.map(([id, text]) => ({ id: `id ${id}`, text: `text ${text}` }))
        const expected = new Map(chunks.map(({ id, text }) => [id, text]))
        for (let run = 0; run < 2; run++) {
          const { points, skipped } = await load(chunks, { batchPoints })
          expect(points + skipped).toBe(chunks.length)
          const found = [...server.byId('docs')].map(([id, { payload }]) => [id, payload.text])
          expect(new Map(found as [string, string][])).toEqual(expected)
        }
        server.collections.clear()
      }),
      { numRuns: 25 },
    )
  })

  it('names items that fail, and goes on with the others', async () => {
    const long = 'word '.repeat(9000)
    const result = await load(
      [
        { id: 'long', text: long },
        { id: 'good', text: 'good' },
        { id: '', text: 'an empty id' },
        { id: 'half \ud800', text: 'half an id' },
        { id: 'number', text: 7 },
        { id: 'cycle', text: 'a cycle', metadata: cyclic() },
        { id: 3, text: 'a number for an id' },
        null,
        'a string is a chunk by its place',
        { id: 'empty', text: '' },
      ],
      { outputs: ALL },
    )
    expect(result).toMatchObject({ points: 3, failed: 7, skipped: 0 })
    const failures = new Map(result.failures.map(({ id, code }) => [id, code]))
    expect(failures).toEqual(
      new Map([
        ['long', 'INPUT_TOO_LONG'],
        ['', 'INVALID_INPUT'],
        ['half \ud800', 'INVALID_INPUT'],
        ['number', 'INVALID_INPUT'],
        ['cycle', 'INVALID_INPUT'],
        ['6', 'INVALID_INPUT'],
        ['7', 'INVALID_INPUT'],
      ]),
    )
    expect(JSON.stringify(result)).not.toMatch(/word|secret|half an/)
    expect([...server.byId('docs').keys()].sort()).toEqual(['8', 'empty', 'good'])
  })

  it('stores texts of 8,192 tokens with all their rows', async () => {
    const text = 'word '.repeat(9000)
    const result = await load([{ id: 'long', text }], { outputs: ALL, truncate: 'end' })
    expect(result).toMatchObject({ points: 1, tokens: 8192, colbertCut: 0 })
    expect(server.byId('docs').get('long')?.multi.get('colbert')).toHaveLength(8191)
  })

  it('names an item that is larger than a request', async () => {
    const chunks = [...corpus(3), { id: 'large', text: 'x'.repeat(20_000) }]
    const result = await load(chunks, { maxRequestBytes: 16_384, truncate: 'end' })
    expect(result).toMatchObject({ points: 3, failed: 1 })
    expect(result.failures[0]).toMatchObject({ id: 'large', code: 'INVALID_INPUT' })
    expect(result.failures[0]?.message).toMatch(/maxRequestBytes/)
  })

  it('comes through a server that fails now and then', async () => {
    const chunks = corpus(120)
    server.faults.push(
      { match: /PUT .*points/, status: 429, headers: { 'retry-after': '0' } },
      { match: /PUT .*points/, cut: 'after' },
      { match: /POST .*points$/, status: 503 },
      { match: /POST .*points$/, cut: 'middle' },
      { match: /PUT .*points/, status: 500, times: 2 },
      { match: /PUT .*points/, delayMs: 300 },
    )
    const result = await load(chunks, { batchPoints: 10, retry: { delayMs: 1 } })
    expect(result).toMatchObject({ points: 120, failed: 0, retries: 6 })
    await checkPoints(chunks)
  })

  it('ends with the error of a server that is gone, though the source has nothing new', async () => {
    const end = new AbortController()
    const stuck = async function* () {
      yield* corpus(3)
      await sleep(60_000, undefined, { signal: end.signal }).catch(() => {})
    }
    server.faults.push({ match: /PUT .*points/, status: 503, times: 1000 })
    const error = await load(stuck(), { batchPoints: 3 }).catch((error) => error)
    expect(error).toBeInstanceOf(StoreError)
    end.abort()
  })

  it('writes what it has when the source has nothing new', async () => {
    const end = new AbortController()
    const slow = async function* () {
      yield* corpus(3)
      while (server.byId('docs').size < 3) await sleep(20)
      yield { id: 'last', text: 'last' }
    }
    expect(await load(slow())).toMatchObject({ points: 4 })
    end.abort()
  })

  it('ends with the reason of its signal, and keeps what was written', async () => {
    const end = new AbortController()
    const reason = new Error('enough')
    const endless = async function* () {
      for (let i = 0; ; i++) yield { id: `${i}`, text: `text ${i}` }
    }
    const work = load(endless(), {
      signal: end.signal,
      batchPoints: 8,
      onProgress: ({ done }) => done >= 32 && end.abort(reason),
    })
    await expect(work).rejects.toBe(reason)
    const { size } = server.byId('docs')
    expect(size).toBeGreaterThanOrEqual(32)
    await expect(load([], { signal: end.signal })).rejects.toBe(reason)
    // nothing is written after it has ended
    await sleep(100)
    expect(server.byId('docs').size).toBe(size)
  })

  it('takes no more from a source than it can do', async () => {
    let most = 0
    // asking how many there are takes long: every 100th
    const counted = function* () {
      let i = 0
      for (const chunk of corpus(6000)) {
        if (++i % 100 === 0) {
          most = Math.max(most, i - (server.collections.get('docs')?.points.size ?? 0))
        }
        yield chunk
      }
    }
    await load(counted(), { batchPoints: 64 })
    // 512 with the embedder, a group that is looked up, and two batches
    expect(most).toBeLessThanOrEqual(512 + 256 + 2 * 64 + 100)
  })

  it('reports what becomes of the items', async () => {
    const chunks = corpus(70)
    await load(chunks.slice(0, 20))
    const seen: number[] = []
    await load([...chunks, { id: 'bad', text: 'word '.repeat(9000) }], {
      onProgress: ({ done, skipped, failed, rate }) => {
        seen.push(done + skipped + failed)
        expect(rate).toBeGreaterThanOrEqual(0)
      },
    })
    expect(seen.at(-1)).toBe(71)
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
  })

  it.each([
    [{ batchPoints: 0 }, /batchPoints/],
    [{ collection: 'a/b' }, /collection/],
    [{ dimensions: 65 }, /dimensions/],
    [{ maxTokens: 0 }, /maxTokens/],
  ])('refuses %o before anything is sent', async (options, message) => {
    const error = await load(corpus(1), options).catch((error) => error)
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error.message).toMatch(message)
    expect(server.requests).toEqual([])
  })

  it('embeds nothing where the collection does not fit', async () => {
    await fetch(`${server.url}/collections/docs`, {
      method: 'PUT',
      body: JSON.stringify({ vectors: { dense: { size: 1024, distance: 'Cosine' } } }),
    })
    const before = embeddedTexts()
    await expect(load(corpus(5))).rejects.toThrow(/1024 dimensions, and this model gives 64/)
    expect(embeddedTexts()).toBe(before)
  })
})

function cyclic(): Record<string, unknown> {
  const cycle: Record<string, unknown> = { secret: 1 }
  cycle.self = cycle
  return cycle
}

describe('grouped', () => {
  it('keeps order, and to the size', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat()), fc.integer({ min: 1, max: 9 }), async (values, most) => {
        for (const source of [values, asyncOf(values), values.map((v) => Promise.resolve(v))]) {
          const groups: number[][] = []
          for await (const group of grouped<number>(source, most)) groups.push(group)
          expect(groups.flat()).toEqual(values)
          for (const group of groups) expect(group.length).toBeLessThanOrEqual(most)
          expect(groups.slice(0, -1).every((group) => group.length === most)).toBe(true)
        }
      }),
      { numRuns: 30 },
    )
  })

  it('hands on what there is while the source has nothing new', async () => {
    const gate = later()
    const source = async function* () {
      yield 1
      yield 2
      await gate.promise
      yield 3
    }
    const groups = grouped<number>(source(), 10)
    expect((await groups.next()).value).toEqual([1, 2])
    gate.resolve(undefined)
    expect((await groups.next()).value).toEqual([3])
    expect((await groups.next()).done).toBe(true)
  })

  it('closes its source', async () => {
    let closed = false
    const source = function* () {
      try {
        for (let i = 0; ; i++) yield i
      } finally {
        closed = true
      }
    }
    for await (const group of grouped<number>(source(), 3)) {
      expect(group).toEqual([0, 1, 2])
      break
    }
    expect(closed).toBe(true)
  })
})

async function* asyncOf<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values
}

function later() {
  let resolve: (value: unknown) => void = () => {}
  const promise = new Promise((done) => {
    resolve = done
  })
  return { promise, resolve }
}

describe('points that the server refuses', () => {
  const CANARY = 'canary-7f3a'
  const isBad = (i: number) => [0, 1, 17, 32, 33, 34, 35, 99].includes(i)
  const texts = Array.from({ length: 100 }, (_, i) => ({
    id: `doc ${i}`,
    text: `${CANARY} ${isBad(i) ? 'poison' : 'good'} ${i}`,
    metadata: { about: CANARY },
  }))
  /** As serde and people quote what they were given, and as they do not. */
  const words = [`invalid value: string "${CANARY}"`, `Wrong input: ${CANARY} poison is not right`]

  it.each(words)('cost the others nothing, and are not quoted (%#)', async (error) => {
    const body = JSON.stringify({ status: { error } })
    const upsert = /^PUT \/collections\/docs\/points/
    server.faults.push(
      { match: upsert, status: 500, body, times: 2 },
      { match: upsert, holds: /poison/, status: 400, body, times: 1e6 },
    )
    const told: unknown[] = []
    const lines: string[] = []
    const result = await load(texts, {
      batchPoints: 8,
      logger: { info: (line) => lines.push(line), warn: (line) => told.push(line) },
      onRetry: (retry) => told.push(retry),
      onProgress: (progress) => told.push(progress),
    })
    expect(result).toMatchObject({ points: 92, failed: 8 })
    expect(result.failures.map(({ id }) => id)).toEqual(
      texts.filter((_, i) => isBad(i)).map(({ id }) => id),
    )
    expect(server.byId('docs').size).toBe(92)
    const batches = lines.map((line) => JSON.parse(line.replace('qdrant: batch ', '')))
    const sum = (read: (batch: (typeof batches)[0]) => number) =>
      batches.reduce((all, batch) => all + read(batch), 0)
    expect([sum(({ texts }) => texts), sum(({ stored }) => stored)]).toEqual([100, 92])
    expect(sum(({ tokens }) => tokens)).toBe(result.tokens)
    expect(sum(({ failed }) => failed.STORE ?? 0)).toBe(8)
    expect(JSON.stringify([lines, told, result])).not.toContain(CANARY)
    server.faults.length = 0
  })

  it('a search does not quote its filter', async () => {
    await load(texts.slice(2, 4))
    const body = JSON.stringify({ status: { error: words[1] } })
    server.faults.push({ match: /points\/query/, status: 400, body })
    const store = await QdrantStore.open(m3.info, { url: server.url, collection: 'docs' })
    const filter = { must: [{ key: 'metadata.about', match: { value: CANARY } }] }
    const error = await store.search(await m3.embed('q'), { filter }).catch((e) => e)
    expect(error).toMatchObject({ code: 'STORE', refused: true })
    expect([error.message, error.stack, JSON.stringify(error)].join()).not.toContain(CANARY)
    await store.close()
  })
})
