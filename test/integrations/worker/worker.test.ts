/** An embedder behind every kind of port, beside one in this process. */
import { MessageChannel } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { turn } from '../../../lib/common/timers.js'
import {
  type ConnectedEmbedder,
  connectEmbedder,
  serveEmbedder,
} from '../../../lib/exports/worker.js'
import {
  BatchError,
  cosine,
  Embedder,
  EmbedderError,
  type Embedding,
  InputTooLongError,
  type Progress,
} from '../../../lib/index.js'
import { MadeEmbedding } from '../../../lib/outputs/embedding.js'
import { fakeMessageChannelMain } from '../../electron/fake-ports.mjs'
import { tinyPath } from '../../helpers/standins.js'
import { KINDS } from './starts.js'

let model: string
let here: Embedder
beforeAll(async () => {
  model = await tinyPath()
  here = await Embedder.load({ model, cache: false })
})
afterAll(() => here.dispose())

const texts = Array.from({ length: 40 }, (_, i) => `Text ${i} ${'of several words '.repeat(i % 7)}`)
const long = 'word '.repeat(20_000)
const plain = (embeddings: readonly object[]) =>
  embeddings.map((embedding) => ({ ...embedding, timings: undefined }))
const caught = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  )

describe.each(Object.entries(KINDS))('%s', (_, start) => {
  let there: ConnectedEmbedder
  beforeAll(async () => {
    there = await connectEmbedder(() => start({ model, cache: false }))
  })
  afterAll(() => there.close())

  it('gives the same bits, for every output and precision', async () => {
    for (const precision of ['float32', 'float16', 'int8', 'binary'] as const) {
      const options = { outputs: 'all', precision } as const
      const [far, near] = [await there.embed(texts, options), await here.embed(texts, options)]
      expect(plain(far)).toEqual(plain(near))
      expect(far[0]).toBeInstanceOf(MadeEmbedding)
      expect(far[0]?.toArrays()).toEqual(near[0]?.toArrays())
    }
    expect(cosine(await there.embed('a'), await here.embed('a'))).toBeCloseTo(1, 6)
  })

  it('answers every other method as the embedder does', async () => {
    expect(await there.tokenize('Some text', { pieces: true })).toEqual(
      await here.tokenize('Some text', { pieces: true }),
    )
    expect(await there.countTokens(texts)).toEqual(await here.countTokens(texts))
    const { ids } = await here.tokenize('Some text')
    expect(await there.decode(ids)).toBe(await here.decode(ids))
    expect(await there.pieces(ids)).toEqual(await here.pieces(ids))
    expect(plain(await there.embedTokens([ids]))).toEqual(plain(await here.embedTokens([ids])))
    const options = { outputs: ['sparse'] } as const
    const weights = await there.lexicalWeights(await there.embed('Some text', options))
    expect(weights).toEqual(await here.lexicalWeights(await here.embed('Some text', options)))
    expect(await there.rerank('Text 3', texts)).toEqual(await here.rerank('Text 3', texts))
    expect(await there.estimate(texts)).toHaveProperty('tokens')
    expect((await there.diagnose()).findings.length).toBeGreaterThan(3)
    expect((await there.stats()).texts).toBeGreaterThan(40)
    expect(there.info).toEqual({ ...here.info, threads: there.info.threads })
    await there.unload()
    await there.warmup()
  })

  it('embeds chunks and documents, with what failed among them', async () => {
    const chunks = texts.map((text, i) => ({ id: `c${i}`, text, metadata: { i }, page: i }))
    const bad = { id: 'bad', text: long, metadata: { i: -1 }, page: -1 }
    const [far, near] = [
      await there.embedChunks([...chunks, bad]),
      await here.embedChunks([...chunks, bad]),
    ]
    expect(far.items.map(({ embedding }) => plain([embedding]))).toEqual(
      near.items.map(({ embedding }) => plain([embedding])),
    )
    expect(far.items[3]).toMatchObject({ id: 'c3', page: 3, metadata: { i: 3 } })
    expect(far.items[3]?.embedding).toBeInstanceOf(MadeEmbedding)
    expect(far.items[3]?.createdAt).toBeInstanceOf(Date)
    expect(far.failures[0]).toMatchObject({
      id: 'bad',
      index: 40,
      error: { code: 'INPUT_TOO_LONG' },
    })
    expect(far.failures[0]?.error).toBeInstanceOf(InputTooLongError)
    expect(far.quality).toEqual(near.quality)
    expect(far.stats.texts).toBe(41)

    const documents = new Map([['one', 'A sentence of words. '.repeat(40)]])
    const results = await there.embedDocuments(documents, { chunk: { maxTokens: 50 } })
    const same = await here.embedDocuments(documents, { chunk: { maxTokens: 50 } })
    const cut = (from: typeof results) =>
      from
        .get('one')
        ?.items.map(({ embedding, text, metadata }) => [plain([embedding]), text, metadata])
    expect(cut(results)).toEqual(cut(same))
  })

  it('keeps class, code and fields of errors', async () => {
    const call = () => there.embed(['good', long], { timeout: '1h' })
    const [far, near] = [await caught(call()), await caught(here.embed(['good', long]))]
    expect(far).toBeInstanceOf(BatchError)
    expect(far).toBeInstanceOf(Error)
    const { failures, results, cause, message, name } = far as BatchError<Embedding>
    expect([message, name]).toEqual([(near as Error).message, 'BatchError'])
    expect(failures[0]?.error).toBeInstanceOf(InputTooLongError)
    expect(failures[0]?.error).toMatchObject({ maxTokens: 8192, index: 1 })
    expect(cause).toBeInstanceOf(InputTooLongError)
    // texts are checked before any is computed
    expect(results).toEqual([undefined, undefined])
    const settled = await there.embed(['good', long], { onError: 'collect' })
    expect(settled[0]).toBeInstanceOf(MadeEmbedding)
    expect(settled[1]).toBeInstanceOf(InputTooLongError)
    for (const wrong of [{ dimensionz: 3 }, { timeout: 'soon' }, { precision: 'half' }, 3, null]) {
      const error = await caught(there.embed('a', wrong as never))
      const same = await caught(here.embed('a', wrong as never))
      expect(error).toBeInstanceOf(EmbedderError)
      expect({ ...(error as object) }).toEqual({ ...(same as object) })
      expect((error as Error).message).toBe((same as Error).message)
    }
    expect(await caught(there.embed(['a'], { outputs: (() => 'SECRET') as never }))).toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.not.stringContaining('SECRET'),
    })
  })

  it('tells how far it is', async () => {
    const seen: Progress[] = []
    await there.embed(texts, { onProgress: (progress) => void seen.push(progress) })
    expect(seen.at(-1)).toMatchObject({ done: 40, total: 40 })
    // one that throws costs a warning alone
    const warned: unknown[] = []
    process.on('warning', (warning) => warned.push(String(warning)))
    await there.embed(texts, {
      onProgress: () => {
        throw new RangeError('SECRET')
      },
    })
    await turn()
    process.removeAllListeners('warning')
    expect(warned).toEqual(['BgeM3Warning: onProgress threw: RangeError'])
  })

  it('cancels inside what is cancelled outside', async () => {
    const before = (await there.stats()).cancelled
    const many = Array.from({ length: 20_000 }, (_, i) => `${i} ${'some more words '.repeat(30)}`)
    const controller = new AbortController()
    const call = caught(
      there.embed(many, { signal: controller.signal, onProgress: () => controller.abort(why) }),
    )
    const why = new Error('no more')
    expect(await call).toBe(why)
    await expect.poll(async () => (await there.stats()).cancelled).toBeGreaterThan(before)
    await expect.poll(async () => (await there.stats()).pending).toBe(0)
    expect(await caught(there.embed('a', { signal: AbortSignal.abort(why) }))).toBe(why)
    expect(await caught(there.embed(many, { timeout: 20 }))).toMatchObject({ code: 'TIMEOUT' })
    await expect.poll(async () => (await there.stats()).pending).toBe(0)
  })

  it('answers a thousand calls at once', async () => {
    const calls = Array.from({ length: 1000 }, (_, i) => there.embed(`Call ${i % 100}`))
    const results = await Promise.all(calls)
    const expected = plain(await here.embed(Array.from({ length: 100 }, (_, i) => `Call ${i}`)))
    expect(plain(results)).toEqual(results.map((_, i) => expected[i % 100]))
  })

  describe('streams', () => {
    it('give the same items, in order, and what failed in its place', async () => {
      const chunks = texts.map((text, i) => ({ id: `c${i}`, text: i === 7 ? long : text, page: i }))
      const options = { onError: 'collect' } as const
      const seen: Progress[] = []
      const progress = (given: Progress) => void seen.push(given)
      const [far, near] = [[] as unknown[], [] as unknown[]]
      const flat = (item: object) =>
        'error' in item
          ? item
          : {
              ...item,
              createdAt: 0,
              timings: 0,
              embedding: { ...('embedding' in item ? (item.embedding as object) : {}), timings: 0 },
            }
      for await (const item of there.embedStream(chunks, { ...options, onProgress: progress }))
        far.push(flat(item))
      for await (const item of here.embedStream(chunks, options)) near.push(flat(item))
      expect(far).toEqual(near)
      expect((far[7] as { error: unknown }).error).toBeInstanceOf(InputTooLongError)
      expect(seen.at(-1)).toMatchObject({ done: 40, total: 40 })
    })

    it('take from the source no more than the window', async () => {
      let taken = 0
      let closed = false
      async function* source() {
        try {
          for (;;) yield `Endless ${taken++}`
        } finally {
          closed = true
        }
      }
      let got = 0
      for await (const _ of there.embedStream(source(), { maxInFlight: 10 })) {
        await new Promise((resolve) => setTimeout(resolve, 5))
        expect(taken).toBeLessThanOrEqual(++got + 10)
        if (got === 30) break
      }
      expect(closed).toBe(true)
      await expect.poll(async () => (await there.stats()).pending).toBe(0)
    })

    it('end with what the source throws, behind what it gave before', async () => {
      const why = new Error('broken')
      async function* source() {
        yield 'one'
        yield 'two'
        throw why
      }
      const got: string[] = []
      const run = async () => {
        for await (const { id } of there.embedStream(source())) got.push(id)
      }
      expect(await caught(run())).toBe(why)
      expect(got).toEqual(['0', '1'])
    })

    it('end on an abort, with its reason, and with nothing after it', async () => {
      const controller = new AbortController()
      const stream = there.embedStream(texts, { signal: controller.signal })
      await stream.next()
      controller.abort('enough')
      expect(await caught(stream.next())).toBe('enough')
      expect(await stream.next()).toEqual({ done: true, value: undefined })
      expect(await caught(there.embedStream(['a'], { nope: 1 } as never).next())).toMatchObject({
        code: 'INVALID_INPUT',
      })
      expect(() => there.embedStream('a text' as never)).toThrow(EmbedderError)
      const uncloneable = [{ id: 'a', text: 'b', metadata: { run() {} } }]
      expect(await caught(there.embedStream(uncloneable).next())).toMatchObject({
        code: 'INVALID_INPUT',
      })
    })
  })
})

describe('a port alone', () => {
  it.each([
    ['MessagePort', () => new MessageChannel()],
    ['MessagePortMain', fakeMessageChannelMain],
  ])('%s, in one thread, with an embedder that is there', async (_, open) => {
    const { port1, port2 } = open()
    const served = serveEmbedder(port2, { embedder: here })
    const there = await connectEmbedder(port1)
    expect(plain([await there.embed('a')])).toEqual(plain([await here.embed('a')]))
    await there.close()
    await served
    // it is ours still
    expect(await here.embed('a')).toHaveProperty('dense')
    expect(await caught(there.embed('a'))).toMatchObject({ code: 'DISPOSED' })
  })

  it('hands arrays over, and copies what is a part of a larger one', async () => {
    const { port1, port2 } = new MessageChannel()
    const shared = new Float32Array([1, 2, 3, 4])
    const whole = new Float32Array([5, 6])
    const facts = { tokenCount: 3, truncated: false, cached: false, timings: {} }
    const embedder = {
      embed: async () => [
        { ...facts, dense: shared.subarray(0, 2) },
        { ...facts, dense: whole },
      ],
      embedStream() {},
      stats() {},
    }
    void serveEmbedder(port2, { embedder: embedder as unknown as Embedder })
    const there = await connectEmbedder(port1)
    const results = await there.embed(['a', 'b'])
    expect(results.map(({ dense }) => [...dense])).toEqual([
      [1, 2],
      [5, 6],
    ])
    expect([shared.length, whole.length]).toEqual([4, 0])
    await there.close()
  })
})
