import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import {
  DisposedError,
  EmbedderError,
  InferenceError,
  InputTooLongError,
  InvalidInputError,
  QueueFullError,
  TimeoutError,
} from '../../../lib/common/errors.js'
import { embedStream, type StreamItem } from '../../../lib/embedder/documents/stream.js'
import type { Chunk, Progress } from '../../../lib/index.js'
import { until } from '../../helpers/until.js'
import { FakeCore, fakeEmbedding } from './fake-core.js'

/** A source that says what was done to it. */
class Probe implements AsyncIterable<Chunk> {
  pulled = 0
  returned = 0
  pulling = 0
  maxPulling = 0
  constructor(
    readonly limit = Number.POSITIVE_INFINITY,
    readonly make: (i: number) => Chunk | Promise<Chunk> = (i) => ({
      id: `c${i}`,
      text: `text ${i}`,
    }),
  ) {}

  [Symbol.asyncIterator](): AsyncIterator<Chunk> {
    return {
      next: async () => {
        this.pulling++
        this.maxPulling = Math.max(this.maxPulling, this.pulling)
        try {
          if (this.pulled >= this.limit) return { done: true, value: undefined }
          return { done: false, value: await this.make(this.pulled++) }
        } finally {
          this.pulling--
        }
      },
      return: async () => {
        this.returned++
        return { done: true, value: undefined }
      },
    }
  }
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of stream) items.push(item)
  return items
}

/** What came out, and the error it ended with. */
async function drain<T>(stream: AsyncIterable<T>): Promise<{ items: T[]; error: unknown }> {
  const items: T[] = []
  try {
    for await (const item of stream) items.push(item)
  } catch (error) {
    return { items, error }
  }
  return { items, error: undefined }
}

const explode = (message: string) => {
  throw new RangeError(message)
}

const idsOf = (items: readonly { id: string }[]) => items.map(({ id }) => id)

/** Longer than any test waits. */
const FOREVER_MS = 600_000

describe('embedStream', () => {
  it('takes every kind of source, and keeps its order', async () => {
    const texts = ['a', 'bb', 'ccc', 'dddd']
    const sources = {
      array: texts,
      set: new Set(texts),
      generator: (function* () {
        yield* texts
      })(),
      'async generator': (async function* () {
        yield* texts
      })(),
      'promises in an array': texts.map((text) => Promise.resolve(text)),
      'web stream': new ReadableStream({
        start(controller) {
          for (const text of texts) controller.enqueue(text)
          controller.close()
        },
      }) as unknown as AsyncIterable<string>,
    }
    for (const [name, source] of Object.entries(sources)) {
      const core = new FakeCore({ delay: (text) => 5 - text.length })
      const items = await collect(embedStream(core, source))
      expect(idsOf(items), name).toEqual(['0', '1', '2', '3'])
      expect(items.map((item) => item.embedding.dense)).toEqual(
        texts.map((text) => fakeEmbedding(text).dense),
      )
    }
  })

  it('fills in every field truthfully', async () => {
    const before = Date.now()
    const metadata = { page: 3 }
    const [item] = await collect(
      embedStream(new FakeCore(), [{ id: 'x', text: 'hello', metadata }]),
    )
    expect(item).toMatchObject({ id: 'x', model: 'model-1', timings: { totalMs: 6 } })
    expect(item?.metadata).toBe(metadata)
    expect(item?.norm).toBeCloseTo(1, 6)
    expect(item?.qualityScore).toBe(1)
    expect(item?.createdAt.getTime()).toBeGreaterThanOrEqual(before)
    expect(item?.createdAt.getTime()).toBeLessThanOrEqual(Date.now())
  })

  it('names the model that made each, also when it is swapped on the way', async () => {
    const core = new FakeCore({ delay: 1 })
    const models: string[] = []
    for await (const item of embedStream(core, new Probe(40), { maxInFlight: 4 })) {
      models.push(item.model)
      if (item.id === 'c9') core.model = 'model-2'
    }
    expect(models[9]).toBe('model-1')
    expect(models[39]).toBe('model-2')
    expect([...models].sort()).toEqual(models)
  })

  it('hands options on, as bulk work, without what is its own', async () => {
    const core = new FakeCore()
    const options = { outputs: { dense: true }, truncate: 'end', timeout: 1000 } as const
    await collect(embedStream(core, ['a'], { ...options, onProgress: () => {} }))
    expect(core.optionsSeen[0]).toMatchObject({ priority: 'bulk', truncate: 'end' })
    expect(core.optionsSeen[0]).not.toHaveProperty('timeout')
    expect(core.optionsSeen[0]).not.toHaveProperty('onProgress')
    await collect(embedStream(core, ['a'], { priority: 'interactive' }))
    expect(core.optionsSeen[1]?.priority).toBe('interactive')
  })

  it('sends 10,000 chunks in groups, and each comes out once', async () => {
    const core = new FakeCore()
    const items = await collect(embedStream(core, new Probe(10_000)))
    expect(idsOf(items)).toEqual(Array.from({ length: 10_000 }, (_, i) => `c${i}`))
    expect(core.calls.reduce((a, b) => a + b)).toBe(10_000)
    expect(core.calls.length).toBeLessThan(100)
    expect(Math.max(...core.calls)).toBeLessThanOrEqual(256)
  })
})

/** Timers and immediates that are to come. */
const timers = () =>
  process.getActiveResourcesInfo().filter((name) => /Timeout|Immediate/.test(name)).length

describe('back-pressure', () => {
  it('takes no more than fits, when the consumer is slow', async () => {
    const source = new Probe()
    const core = new FakeCore()
    const stream = embedStream(core, source, { maxInFlight: 32 })
    let delivered = 0
    for await (const _ of stream) {
      await sleep(2)
      delivered++
      expect(source.pulled - delivered).toBeLessThanOrEqual(33)
      if (delivered === 60) break
    }
    expect(source.maxPulling).toBe(1)
    expect(core.maxInFlight).toBeLessThanOrEqual(32)
  })

  it('takes nothing before the first next(), and stands still when nobody asks', async () => {
    const source = new Probe()
    const core = new FakeCore()
    const timersBefore = timers()
    const stream = embedStream(core, source, { maxInFlight: 16 })
    await sleep(10)
    expect(source.pulled).toBe(0)
    await stream.next()
    await sleep(20)
    const { pulled } = source
    expect(pulled).toBeLessThanOrEqual(17)
    // nothing of ours waits to look again
    await until(() => timers() <= timersBefore)
    expect(source.pulled).toBe(pulled)
    await stream.return()
  })

  it('bounds what texts weigh, too: long ones are under way one by one', async () => {
    const source = new Probe(12, (i) => ({ id: `c${i}`, text: 'x'.repeat(9000) }))
    const core = new FakeCore({ delay: 1 })
    await collect(embedStream(core, source))
    expect(core.maxInFlight).toBeLessThanOrEqual(8)
    const one = new Probe(3, (i) => ({ id: `c${i}`, text: 'x'.repeat(100_000) }))
    const big = new FakeCore({ delay: 1 })
    const { items } = await drain(embedStream(big, one, { onError: 'collect' }))
    expect(items).toHaveLength(3)
    expect(big.maxInFlight).toBe(1)
    const heavy = new FakeCore({ delay: 1 })
    await collect(
      embedStream(heavy, new Probe(12, (i) => ({ id: `c${i}`, text: 'x'.repeat(9000) })), {
        outputs: { dense: true, colbert: true },
      }),
    )
    expect(heavy.maxInFlight).toBeLessThanOrEqual(2)
  })

  it('gives out what is done while the source stalls', async () => {
    let wake = (_: Chunk) => {}
    const source = new Probe(Number.POSITIVE_INFINITY, (i) =>
      i < 5
        ? { id: `c${i}`, text: 'now' }
        : new Promise<Chunk>((resolve) => {
            wake = resolve
          }),
    )
    const stream = embedStream(new FakeCore(), source)
    const items: unknown[] = []
    for (let i = 0; i < 5; i++) items.push((await stream.next()).value)
    expect(items).toHaveLength(5)
    const sixth = stream.next()
    expect(await Promise.race([sixth, sleep(30, 'waits')])).toBe('waits')
    wake({ id: 'late', text: 'later' })
    expect((await sixth).value).toMatchObject({ id: 'late' })
    await stream.return()
  })

  it('sends what a slow source gave while the engine is busy with the rest', async () => {
    const core = new FakeCore({ delay: FOREVER_MS })
    const source = new Probe(2, async (i) => {
      if (i === 1) await sleep(20)
      return { id: `c${i}`, text: 'text' }
    })
    const stream = embedStream(core, source)
    const first = stream.next()
    // the second does not wait for the first to come back
    await until(() => core.calls.length === 2)
    expect(core.calls).toEqual([1, 1])
    await stream.return()
    await first
  })

  it('waits while the queue is full, and asks for less', async () => {
    let refusals = 0
    const core = new FakeCore({
      onCall: (texts) => {
        if (texts.length > 8 || refusals < 2) {
          refusals++
          throw new QueueFullError('full')
        }
      },
    })
    const items = await collect(embedStream(core, new Probe(100)))
    expect(items).toHaveLength(100)
    expect(refusals).toBeGreaterThan(2)
    expect(Math.max(...core.calls)).toBeLessThanOrEqual(8)
  })

  it('serves several that ask at once, in order', async () => {
    const stream = embedStream(new FakeCore({ delay: 1 }), ['a', 'b', 'c'])
    const results = await Promise.all(Array.from({ length: 5 }, () => stream.next()))
    expect(results.map(({ done, value }) => (done ? 'end' : value.id))).toEqual([
      '0',
      '1',
      '2',
      'end',
      'end',
    ])
  })
})

describe('the end of a stream', () => {
  it('closes the source when the consumer breaks', async () => {
    const source = new Probe()
    const core = new FakeCore({ delay: 5 })
    for await (const item of embedStream(core, source)) if (item.id === 'c3') break
    expect(source.returned).toBe(1)
    await until(() => core.inFlight === 0)
    expect(core.aborted).toBeGreaterThan(0)
  })

  it('waits for a generator’s finally, and reports what it throws', async () => {
    let cleaned = false
    async function* source(): AsyncGenerator<string> {
      try {
        for (;;) yield 'text'
      } finally {
        await sleep(20)
        cleaned = true
        explode('in finally: a secret')
      }
    }
    const core = new FakeCore()
    const stream = embedStream(core, source(), { maxInFlight: 4 })
    await stream.next()
    await sleep(5)
    expect(await stream.return()).toEqual({ done: true, value: undefined })
    expect(cleaned).toBe(true)
    expect(core.warnings.join()).toContain('RangeError')
    expect(core.warnings.join()).not.toContain('secret')
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  })

  it('returns while a stalled source is waited for', async () => {
    const source = new Probe(Number.POSITIVE_INFINITY, () => new Promise<Chunk>(() => {}))
    const stream = embedStream(new FakeCore(), source)
    const next = stream.next()
    await sleep(5)
    await stream.return()
    expect(await next).toEqual({ done: true, value: undefined })
    expect(source.returned).toBe(1)
  })

  it('returns while an async generator is stuck, whose own return() would wait for ever', async () => {
    async function* source(): AsyncGenerator<string> {
      yield 'a'
      await new Promise(() => {})
    }
    const stream = embedStream(new FakeCore(), source())
    await stream.next()
    await sleep(5)
    expect(await stream.return()).toMatchObject({ done: true })
  })

  it('throws into the consumer what it throws into the stream', async () => {
    const source = new Probe()
    const stream = embedStream(new FakeCore(), source)
    await stream.next()
    await expect(stream.throw(new RangeError('mine'))).rejects.toThrow('mine')
    expect(source.returned).toBe(1)
  })

  it('is disposed of by await using', async () => {
    const source = new Probe()
    const stream = embedStream(new FakeCore(), source)
    await stream.next()
    await stream[Symbol.asyncDispose]()
    expect(source.returned).toBe(1)
  })

  it('ends by abort with the reason, at once, also in the middle of everything', async () => {
    for (const when of ['before', 'first', 'waiting', 'between'] as const) {
      const source = new Probe()
      const core = new FakeCore({ delay: FOREVER_MS })
      const controller = new AbortController()
      const reason = new Error(when)
      if (when === 'before') controller.abort(reason)
      const fast = when === 'between' ? new FakeCore() : core
      const stream = embedStream(fast, source, { signal: controller.signal })
      if (when === 'between') await stream.next()
      const next = when === 'between' ? undefined : stream.next()
      next?.catch(() => {})
      if (when === 'waiting') await until(() => core.inFlight > 0)
      controller.abort(reason)
      await expect(next ?? stream.next()).rejects.toBe(reason)
      expect(await stream.next()).toEqual({ done: true, value: undefined })
      await until(() => fast.inFlight === 0 && source.returned === (when === 'before' ? 0 : 1))
    }
  })

  it('survives a source that aborts from inside', async () => {
    const controller = new AbortController()
    let closed = false
    function* source(): Generator<string> {
      try {
        yield 'a'
        controller.abort(new Error('inside'))
        yield 'b'
      } finally {
        closed = true
      }
    }
    const core = new FakeCore()
    const { error } = await drain(embedStream(core, source(), { signal: controller.signal }))
    expect((error as Error).message).toBe('inside')
    await until(() => closed)
    expect(core.warnings).toEqual([])
  })

  it('leaves no listener on the signal', async () => {
    const controller = new AbortController()
    let listeners = 0
    const { signal } = controller
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...args: unknown[]) => {
      listeners++
      return addEventListener.apply(signal, args as never)
    }
    signal.removeEventListener = (...args: unknown[]) => {
      listeners--
      return removeEventListener.apply(signal, args as never)
    }
    await collect(embedStream(new FakeCore(), new Probe(100), { signal }))
    for await (const _ of embedStream(new FakeCore(), new Probe(100), { signal })) break
    expect(listeners).toBe(0)
  })
})

describe('errors', () => {
  const bad = (text: string) => (text.includes('bad') ? new InferenceError('no good') : undefined)

  it('throws after everything before the failure came out, and closes the source', async () => {
    for (const hooks of [true, false]) {
      const source = new Probe(Number.POSITIVE_INFINITY, (i) => ({
        id: `c${i}`,
        text: i === 70 ? 'bad' : 'good',
      }))
      const core = new FakeCore({ fail: bad, hooks })
      const { items, error } = await drain(embedStream(core, source))
      expect(idsOf(items)).toEqual(Array.from({ length: 70 }, (_, i) => `c${i}`))
      expect(error).toBeInstanceOf(InferenceError)
      expect(error).toMatchObject({ index: 70 })
      expect((error as Error).message).toBe('The text at index 70: no good')
      expect(source.returned).toBe(1)
    }
  })

  it('reads no further once it is known to fail, however slow the consumer', async () => {
    const source = new Probe(Number.POSITIVE_INFINITY, (i) => ({
      id: `c${i}`,
      text: i === 5 ? 'bad' : 'good',
    }))
    const stream = embedStream(new FakeCore({ fail: bad }), source, { maxInFlight: 8 })
    await stream.next()
    await sleep(20)
    expect(source.returned).toBe(1)
    const { pulled } = source
    const { items, error } = await drain(stream)
    expect(items).toHaveLength(4)
    expect(error).toMatchObject({ index: 5 })
    expect(source.pulled).toBe(pulled)
  })

  it('names a text by its place in the stream, not in a group', async () => {
    const texts = Array.from({ length: 30 }, (_, i) => ({
      id: `c${i}`,
      text: i === 21 ? (7 as never as string) : 'text',
    }))
    const stream = embedStream(new FakeCore(), texts, { maxInFlight: 8, onError: 'collect' })
    const failed = (await collect(stream))[21] as { error: EmbedderError }
    expect(failed.error.message).toBe('The text at index 21 must be a string.')
    expect(failed.error.index).toBe(21)
  })

  it('collects failures in their places, under their own index', async () => {
    const chunks = Array.from({ length: 150 }, (_, i) => ({ id: `c${i}`, text: 'good' })) as Chunk[]
    chunks[3] = { id: 'n', text: 7 as never }
    chunks[99] = { id: 'long', text: 'x'.repeat(20_000) }
    chunks[120] = { id: 'b', text: 'bad' }
    const core = new FakeCore({ fail: bad })
    const items = await collect(embedStream(core, chunks, { onError: 'collect' }))
    expect(items).toHaveLength(150)
    const failures = items.flatMap((item) => ('error' in item ? [item] : []))
    expect(failures.map(({ id, index, error }) => [id, index, error.code, error.index])).toEqual([
      ['n', 3, 'INVALID_INPUT', 3],
      ['long', 99, 'INPUT_TOO_LONG', 99],
      ['b', 120, 'INFERENCE', 120],
    ])
    expect(failures[1]?.error).toBeInstanceOf(InputTooLongError)
    expect(failures[1]?.error).toMatchObject({ tokenCount: 20_000, maxTokens: 10_000 })
    expect(failures[0]?.error.message).toContain('index 3 ')
    expect(items[99]).toBe(failures[1])
  })

  it('says what is wrong with a chunk that is none', async () => {
    const chunks = [
      'fine',
      { text: 'no id' },
      { id: 7, text: 'a' },
      { id: '', text: 'a' },
      { id: 'm', text: 'a', metadata: 'no' },
      null,
      ['a'],
      42,
      { id: 'last', text: 'fine' },
    ] as Chunk[]
    const items = await collect(embedStream(new FakeCore(), chunks, { onError: 'collect' }))
    const codes = items.map((item) => ('error' in item ? item.error.code : 'ok'))
    expect(codes).toEqual(['ok', ...Array.from({ length: 7 }, () => 'INVALID_INPUT'), 'ok'])
    expect((items[1] as { error: Error }).error.message).toBe('The chunk at index 1 has no id.')
    const { items: before, error } = await drain(embedStream(new FakeCore(), chunks))
    expect(before).toHaveLength(1)
    expect(error).toBeInstanceOf(InvalidInputError)
  })

  it('gives the results first, then what the source threw', async () => {
    const thrown = new RangeError('source')
    async function* source(): AsyncGenerator<string> {
      for (let i = 0; i < 100; i++) yield `text ${i}`
      throw thrown
    }
    const { items, error } = await drain(embedStream(new FakeCore({ delay: 1 }), source()))
    expect(items).toHaveLength(100)
    expect(error).toBe(thrown)
    const sources: [unknown, (error: unknown) => boolean][] = [
      [{ [Symbol.iterator]: () => ({ next: () => 7 }) }, (e) => e instanceof InvalidInputError],
      [{ [Symbol.iterator]: () => ({}) }, (e) => e instanceof InvalidInputError],
      [
        {
          [Symbol.iterator]: () => {
            throw thrown
          },
        },
        (e) => e === thrown,
      ],
      [
        { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(thrown) }) },
        (e) => e === thrown,
      ],
      [[Promise.reject(thrown)], (e) => e === thrown],
    ]
    for (const [bad, isIt] of sources) {
      const result = await drain(embedStream(new FakeCore(), bad as string[]))
      expect(isIt(result.error)).toBe(true)
    }
  })

  it('throws undefined if that is what the source throws', async () => {
    function* source(): Generator<string> {
      yield 'a'
      throw undefined
    }
    const stream = embedStream(new FakeCore(), source())
    await stream.next()
    await expect(stream.next()).rejects.toBe(undefined)
  })

  it('ends for what concerns all: wrong options, no model, dispose', async () => {
    const failing = new FakeCore({
      onCall: () => {
        throw new InvalidInputError('This model gives no sparse output.')
      },
    })
    const source = new Probe()
    const { items, error } = await drain(embedStream(failing, source, { onError: 'collect' }))
    expect(items).toEqual([])
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(source.returned).toBe(1)

    const disposed = new FakeCore({
      fail: (text) => (text === 'text 5' ? new DisposedError() : undefined),
    })
    const end = await drain(embedStream(disposed, new Probe(), { onError: 'collect' }))
    expect(end.items).toHaveLength(5)
    expect(end.error).toBeInstanceOf(DisposedError)

    const unloadable = new FakeCore()
    unloadable.fingerprint = () => Promise.reject(new DisposedError())
    expect((await drain(embedStream(unloadable, ['a']))).error).toBeInstanceOf(DisposedError)
  })

  it('refuses at once what is no source, and wrong options', () => {
    const core = new FakeCore()
    for (const source of ['a text', 7, null, undefined, {}]) {
      expect(() => embedStream(core, source as string[])).toThrow(InvalidInputError)
    }
    expect(() => embedStream(core, 'a text' as never)).toThrow('embed()')
    for (const maxInFlight of [0, 1.5, 1e9]) {
      expect(() => embedStream(core, [], { maxInFlight })).toThrow(InvalidInputError)
    }
    expect(() => embedStream(core, [], { timeout: 'soon' })).toThrow(InvalidInputError)
    expect(() => embedStream(core, [], { dimensions: -1 })).toThrow(InvalidInputError)
  })

  it('counts a result that never came as a failure', async () => {
    const core = new FakeCore()
    core.embedSettled = async () => []
    const items = await collect(embedStream(core, ['a'], { onError: 'collect' }))
    expect((items[0] as { error: EmbedderError }).error).toBeInstanceOf(EmbedderError)
  })
})

describe('timeout', () => {
  it('is for one item: a long stream is none of its business', async () => {
    const core = new FakeCore({ delay: 200 })
    const items = await collect(embedStream(core, new Probe(12), { timeout: 2000 }))
    expect(items).toHaveLength(12)
    const slow = embedStream(new FakeCore(), new Probe(3), { timeout: 1000 })
    for await (const _ of slow) await sleep(1200)
  })

  it('ends a stream whose source stalls, or whose engine does', async () => {
    const stalled = new Probe(Number.POSITIVE_INFINITY, (i) =>
      i < 2 ? { id: `c${i}`, text: 'a' } : new Promise<Chunk>(() => {}),
    )
    const { items, error } = await drain(embedStream(new FakeCore(), stalled, { timeout: '1s' }))
    expect(items).toHaveLength(2)
    expect(error).toBeInstanceOf(TimeoutError)
    expect(stalled.returned).toBe(1)
    const engine = new FakeCore({ delay: FOREVER_MS })
    const late = await drain(embedStream(engine, ['a'], { timeout: 30 }))
    expect(late.error).toBeInstanceOf(TimeoutError)
    await until(() => engine.inFlight === 0)
  })
})

describe('onProgress of a stream', () => {
  it('tells what is done; the total only of an array', async () => {
    const seen: Progress[] = []
    const onProgress = (progress: Progress) => seen.push(progress)
    await collect(embedStream(new FakeCore({ delay: 1 }), new Probe(20), { onProgress }))
    expect(seen.at(-1)).toMatchObject({ done: 20, total: null, eta: null })
    expect(seen.at(-1)?.rate).toBeGreaterThan(0)
    seen.length = 0
    await collect(embedStream(new FakeCore(), ['a', 'bb', 'ccc'], { onProgress }))
    expect(seen.at(-1)).toMatchObject({ done: 3, total: 3, tokens: 6, eta: 0 })
  })

  it('may throw, or end the stream', async () => {
    const core = new FakeCore()
    const throwing = () => {
      throw new RangeError('display')
    }
    expect(await collect(embedStream(core, new Probe(200), { onProgress: throwing }))).toHaveLength(
      200,
    )
    expect(core.warnings).toEqual(['onProgress threw: RangeError'])
    const source = new Probe()
    let most = Number.POSITIVE_INFINITY
    const stream: AsyncGenerator<StreamItem, void, undefined> = embedStream(core, source, {
      onProgress: ({ done }) => {
        // not told of every one, where the machine is busy
        if (done < 30) return
        most = Math.min(most, done)
        void stream.return()
      },
    })
    expect((await collect(stream)).length).toBeLessThanOrEqual(most)
    expect(source.returned).toBe(1)
  })
})

describe('ordered: false', () => {
  it('gives each item as it is done, and all of them once', async () => {
    class Backwards extends FakeCore {
      override async embedSettled(...[texts, , hooks = {}]: Parameters<FakeCore['embedSettled']>) {
        const results = texts.map((text) => fakeEmbedding(String(text)))
        for (const i of [...texts.keys()].reverse()) {
          hooks.onResult?.(i, results[i] as (typeof results)[number])
          await sleep(1)
        }
        return results
      }
    }
    const core = new Backwards()
    const stream = embedStream(core, new Probe(40), { maxInFlight: 8, ordered: false })
    const ids = (await collect(stream)).map(({ id }) => id)
    expect(ids).toHaveLength(40)
    expect(new Set(ids).size).toBe(40)
    expect(ids.indexOf('c0')).toBeGreaterThan(0)
  })

  it('ends with the first failure, and keeps errors among results where they are collected', async () => {
    const fail = (text: string) => (text === 'text 3' ? new InferenceError('bad') : undefined)
    const thrown = embedStream(new FakeCore({ fail }), new Probe(8), { ordered: false })
    await expect(collect(thrown)).rejects.toMatchObject({ code: 'INFERENCE', index: 3 })
    const kept = embedStream(new FakeCore({ fail }), new Probe(8), {
      ordered: false,
      onError: 'collect',
    })
    expect((await collect(kept)).filter((item) => 'error' in item)).toHaveLength(1)
    expect(() => embedStream(new FakeCore(), [], { ordered: 'no' as never })).toThrow(/ordered/)
  })
})
