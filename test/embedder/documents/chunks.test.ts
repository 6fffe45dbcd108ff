import { describe, expect, it } from 'vitest'
import {
  BatchError,
  InferenceError,
  InvalidInputError,
  TimeoutError,
} from '../../../lib/common/errors.js'
import {
  type Cutter,
  type Documents,
  embedChunks,
  embedDocuments,
} from '../../../lib/embedder/documents/chunks.js'
import { embedStream } from '../../../lib/embedder/documents/stream.js'
import type {
  Chunk,
  ChunkOrigin,
  DocumentOptions,
  EmbeddingResult,
  Progress,
} from '../../../lib/index.js'
import { until } from '../../helpers/until.js'
import { FakeCore, fakeEmbedding } from './fake-core.js'

/** A token a word, and two around the text. */
const cutter: Cutter = {
  tokenizer: { countTokens: (texts) => texts.map((text) => (text.match(/\S+/g)?.length ?? 0) + 2) },
  maxTokens: async () => 64,
}
const embedAll = (core: FakeCore, documents: Documents, options: DocumentOptions = {}) =>
  embedDocuments(core, documents, options, cutter)

const chunksOf = (texts: readonly string[]): Chunk[] =>
  texts.map((text, i) => ({ id: `c${i}`, text }))

const bad = (text: string) => (text.includes('bad') ? new InferenceError('no good') : undefined)

describe('embedChunks', () => {
  it('gives items, failures, statistics and batches', async () => {
    const core = new FakeCore({ fail: bad, delay: 2 })
    const chunks = chunksOf(['one', 'bad', 'cached three', 'four'])
    chunks[3] = { id: 'n', text: 7 as never }
    const { items, failures, stats, batches, quality } = await embedChunks(core, chunks)
    expect(items.map(({ id }) => id)).toEqual(['c0', 'c2'])
    expect(items[1]).toMatchObject({
      norm: expect.closeTo(1, 6),
      qualityScore: 1,
      model: 'model-1',
      createdAt: expect.any(Date),
      embedding: { dense: fakeEmbedding('cached three').dense },
    })
    expect(failures.map(({ id, index, error }) => [id, index, error.code, error.index])).toEqual([
      ['c1', 1, 'INFERENCE', 1],
      ['n', 3, 'INVALID_INPUT', 3],
    ])
    expect(stats).toMatchObject({ texts: 4, tokens: 15, failures: 2, cached: 1, cacheHitRate: 0.5 })
    // sums over texts; batches that were half somebody else's count half
    expect(stats.stages).toEqual({ tokenizeMs: 2, queueMs: 4, computeMs: 6 })
    expect(stats.seconds).toBeGreaterThan(0)
    expect(stats.tokensPerSecond).toBeCloseTo(15 / stats.seconds, 6)
    expect(stats.textsPerSecond).toBeCloseTo(2 / stats.seconds, 6)
    expect(stats.peakRssBytes).toBeGreaterThan(20e6)
    expect(stats.peakRssBytes).toBeLessThanOrEqual(process.resourceUsage().maxRSS * 1024)
    expect(batches).toHaveLength(4)
    expect(batches[0]).toMatchObject({
      texts: 1,
      tokens: 3,
      allTexts: 2,
      allTokens: 6,
      computeMs: 3,
    })
    expect(batches.map(({ errors }) => errors)).toEqual([0, 1, 0, 1])
    expect(quality?.vectors).toBe(2)
    expect(quality?.score).toBe(1)
  })

  it('sends all in one call, as bulk work', async () => {
    const core = new FakeCore()
    const { items } = await embedChunks(core, chunksOf(Array(10_000).fill('text')))
    expect(items).toHaveLength(10_000)
    expect(core.calls).toEqual([10_000])
    expect(core.optionsSeen[0]).toMatchObject({ priority: 'bulk', onError: 'collect' })
  })

  it('finds vectors that different texts share, and none that equal texts do', async () => {
    const core = new FakeCore()
    const same = await embedChunks(core, chunksOf(['text', 'text', 'other']))
    expect(same.quality?.counts.duplicate).toBe(0)
    // the stand-in of an embedder looks at the first letter and the length only
    const { quality } = await embedChunks(core, chunksOf(['text', 'tram', 'other']))
    expect(quality?.counts.duplicate).toBeGreaterThan(0)
  })

  it('knows no norm and no quality without dense vectors', async () => {
    const core = new FakeCore()
    core.embedSettled = async (texts) =>
      texts.map(() => {
        const { dense: _, ...rest } = fakeEmbedding('a')
        return rest
      })
    const { items, quality } = await embedChunks(core, ['a'], { outputs: { sparse: true } })
    expect(items[0]?.norm).toBeNaN()
    expect(items[0]).not.toHaveProperty('qualityScore')
    expect(quality).toBe(undefined)
  })

  it('says which fallback made a vector', async () => {
    const core = new FakeCore()
    core.embedSettled = async (texts) =>
      texts.map((text) => ({ ...fakeEmbedding(String(text)), fallback: 'model-2' }))
    const { items } = await embedChunks(core, ['a'])
    expect(items[0]?.model).toBe('model-2')
  })

  it('takes the final result of a text, not an error that a fallback mended', async () => {
    const core = new FakeCore()
    core.embedSettled = async (texts, _, hooks) => {
      hooks?.onResult?.(0, new InferenceError('at first'))
      return texts.map((text) => fakeEmbedding(String(text)))
    }
    const { items, failures } = await embedChunks(core, ['a'])
    expect(items).toHaveLength(1)
    expect(failures).toEqual([])
  })

  it('rejects with BatchError when asked to throw', async () => {
    const core = new FakeCore({ fail: bad })
    const work = embedChunks(core, chunksOf(['a', 'bad', 'b']), { onError: 'throw' })
    const error = (await work.catch((e) => e)) as BatchError
    expect(error).toBeInstanceOf(BatchError)
    expect(error.failures.map(({ index, error: e }) => [index, e.index])).toEqual([[1, 1]])
    expect(error.results).toHaveLength(3)
    expect(error.results[0]).toMatchObject({ id: 'c0' })
    expect(error.results[1]).toBe(undefined)
    // refused as a whole: the places of good texts stay empty
    core.embedSettled = async () => {
      const results = new Array(3)
      results[1] = new InferenceError('bad', { index: 1 })
      return results
    }
    const refused = await embedChunks(core, ['a', 'b', 'c'], { onError: 'throw' }).catch((e) => e)
    expect(refused.failures).toHaveLength(1)
    expect(Array.from(refused.results)).toEqual([undefined, undefined, undefined])
    const good = await embedChunks(new FakeCore(), ['a'], { onError: 'throw' })
    expect(good.items).toHaveLength(1)
  })

  it('refuses what is no list of chunks, before anything is computed', async () => {
    const core = new FakeCore()
    const wrong: [unknown, string][] = [
      ['a text', 'array'],
      [new Set(['a']), 'array'],
      [[{ id: 'a', text: 'x' }, { text: 'x' }], 'index 1 has no id'],
      [[{ id: 5, text: 'x' }], 'of type number'],
      [[{ id: 'a', text: 'x' }, 'b', { id: 'a', text: 'y' }], 'index 0 and 2 have the same id'],
      [['a', { id: '0', text: 'x' }], 'the same id'],
      [[undefined], 'undefined'],
      [new Array(1), 'undefined'],
    ]
    for (const [chunks, message] of wrong) {
      const error = await embedChunks(core, chunks as Chunk[]).catch((e) => e)
      expect(error).toBeInstanceOf(InvalidInputError)
      expect(error.message).toContain(message)
    }
    await expect(embedChunks(core, [], { precision: 'float64' as 'int8' })).rejects.toThrow(
      InvalidInputError,
    )
    expect(core.calls).toEqual([])
    expect(await embedChunks(core, [])).toMatchObject({ items: [], failures: [], batches: [] })
  })

  it('ends by abort and by timeout, and leaves nothing behind', async () => {
    const core = new FakeCore({ delay: 600_000 })
    const controller = new AbortController()
    const reason = new Error('enough')
    const work = embedChunks(core, ['a', 'b'], { signal: controller.signal })
    setTimeout(() => controller.abort(reason), 20)
    await expect(work).rejects.toBe(reason)
    await expect(embedChunks(core, ['a'], { timeout: 20 })).rejects.toThrow(TimeoutError)
    await expect(embedChunks(core, ['a'], { signal: controller.signal })).rejects.toBe(reason)
    await until(() => core.inFlight === 0)
    expect(core.aborted).toBe(2)
  })

  it('tells progress, whatever the listener does', async () => {
    const core = new FakeCore({ fail: bad, hooks: false })
    const seen: Progress[] = []
    await embedChunks(core, ['a', 'bad', 'cc'], { onProgress: (p) => seen.push(p) })
    const expected = [
      { done: 1, total: 3, tokens: 1 },
      { done: 2, total: 3, tokens: 1 },
      { done: 3, total: 3, tokens: 3 },
    ]
    // on a busy machine not every one
    for (const progress of seen) expect(progress).toMatchObject(expected[progress.done - 1] ?? {})
    expect(seen.at(-1)).toMatchObject({ done: 3 })
    const rejecting = async () => {
      throw new RangeError('display')
    }
    await embedChunks(core, ['a', 'b'], { onProgress: rejecting })
    await until(() => core.warnings.length > 0)
    expect(core.warnings).toEqual(['onProgress threw: RangeError'])
  })
})

describe('embedDocuments', () => {
  it('gives a result per document from one call', async () => {
    const core = new FakeCore({ fail: bad })
    const results = await embedAll(
      core,
      new Map<string, (Chunk | string)[]>([
        ['first', ['one', 'bad', 'three']],
        ['empty', []],
        [
          'second',
          [
            { id: 'x', text: 'four' },
            { id: 'y', text: null as never },
          ],
        ],
      ]),
    )
    expect(core.calls).toEqual([5])
    expect([...results.keys()]).toEqual(['first', 'empty', 'second'])
    const first = results.get('first')
    expect(first?.items.map(({ id }) => id)).toEqual(['0', '2'])
    expect(first?.failures).toMatchObject([{ id: '1', index: 1, error: { index: 1 } }])
    expect(first?.stats).toMatchObject({ texts: 3, failures: 1, tokens: 8 })
    // a batch for each of its texts; the failed one's tokens are unknown
    expect(first?.batches.map(({ texts, tokens }) => [texts, tokens])).toEqual([
      [1, 3],
      [1, 0],
      [1, 5],
    ])
    expect(results.get('empty')).toMatchObject({ items: [], failures: [], batches: [] })
    const second = results.get('second')
    expect(second?.items).toMatchObject([{ id: 'x', model: 'model-1' }])
    expect(second?.failures).toMatchObject([{ id: 'y', index: 1, error: { index: 1 } }])
    expect(second?.batches).toHaveLength(2)
    expect(second?.stats.seconds).toBeGreaterThanOrEqual(first?.stats.seconds as number)
    expect(second?.quality?.vectors).toBe(1)
  })

  it('takes a plain object too, and equal ids in different documents', async () => {
    const chunk = { id: 'intro', text: 'text' }
    const results = await embedAll(new FakeCore(), { a: [chunk], b: [chunk, 'more'] })
    expect([...results].map(([id, { items }]) => [id, items.map((item) => item.id)])).toEqual([
      ['a', ['intro']],
      ['b', ['intro', '1']],
    ])
    expect(await embedAll(new FakeCore(), {})).toEqual(new Map())
  })

  it('counts through all documents when asked to throw', async () => {
    const core = new FakeCore({ fail: bad })
    const documents = { a: ['x', 'y'], b: ['z', 'bad'] }
    const error = await embedAll(core, documents, { onError: 'throw' }).catch((e) => e)
    expect(error).toBeInstanceOf(BatchError)
    expect(error.failures.map(({ index }: { index: number }) => index)).toEqual([3])
    expect(error.results).toHaveLength(4)
  })

  it('refuses what are no documents, and says where', async () => {
    const core = new FakeCore()
    for (const documents of [7, null, 'a', ['a'], new Set(), new Date(), new Map([[1, ['a']]])]) {
      await expect(embedAll(core, documents as never)).rejects.toThrow(InvalidInputError)
    }
    await expect(embedAll(core, { a: ['x'], b: 7 as never })).rejects.toThrow(
      'document at position 1: Its chunks must be an array',
    )
    const twins = [
      { id: 'x', text: '' },
      { id: 'x', text: '' },
    ]
    await expect(embedAll(core, { a: twins })).rejects.toThrow('position 0')
    expect(core.calls).toEqual([])
  })
})

describe('what a chunk came with', () => {
  const core = () => new FakeCore()
  const chunk = {
    id: 'a',
    text: 'one text',
    metadata: { page: 3 },
    references: ['b', 'c'],
    // ours win
    norm: 'mine',
    embedding: 'mine',
  }

  it('comes out again, in lists, documents and streams', async () => {
    const wanted = { id: 'a', text: 'one text', metadata: { page: 3 }, references: ['b', 'c'] }
    const list = await embedChunks(core(), [chunk])
    expect(list.items[0]).toMatchObject(wanted)
    expect(typeof list.items[0]?.norm).toBe('number')
    const documents = await embedAll(core(), { d: [chunk] })
    expect(documents.get('d')?.items[0]).toMatchObject(wanted)
    for await (const item of embedStream(core(), [chunk])) expect(item).toMatchObject(wanted)
    const strings = await embedChunks(core(), ['x'])
    expect(strings.items[0]).toMatchObject({ id: '0', text: 'x' })
  })

  it('leaves the text out where that is asked for', async () => {
    const list = await embedChunks(core(), [chunk], { keepText: false })
    expect(list.items[0]).not.toHaveProperty('text')
    for await (const item of embedStream(core(), ['x'], { keepText: false }))
      expect(item).not.toHaveProperty('text')
    const wrong = { keepText: 'no' } as never
    await expect(embedChunks(core(), [chunk], wrong)).rejects.toThrow(/keepText/)
    expect(() => embedStream(core(), ['x'], wrong)).toThrow(/keepText/)
  })
})

describe('minQuality', () => {
  // what is not finite is not sound at all
  const flat = (text: string) => {
    if (!text.includes('flat')) return undefined
    const embedding = fakeEmbedding(text)
    embedding.dense?.fill(Number.NaN)
    return embedding
  }

  it('refuses vectors below it, each as its own failure', async () => {
    const texts = ['one', 'flat', 'three']
    const core = () => new FakeCore({ fail: flat as never })
    const { items, failures } = await embedChunks(core(), texts, { minQuality: 0.5 })
    expect(items.map(({ id }) => id)).toEqual(['0', '2'])
    expect(failures).toMatchObject([{ id: '1', error: { code: 'INFERENCE', index: 1 } }])
    expect(failures[0]?.error.message).toMatch(/soundness is 0.*0\.5/)
    expect((await embedChunks(core(), texts)).items).toHaveLength(3)
    const seen: unknown[] = []
    const stream = embedStream(core(), texts, { minQuality: 0.5, onError: 'collect' })
    for await (const item of stream) seen.push('error' in item ? item.error.code : item.id)
    expect(seen).toEqual(['0', 'INFERENCE', '2'])
    for (const minQuality of [-1, 2, Number.NaN, '1'] as never[]) {
      await expect(embedChunks(core(), texts, { minQuality })).rejects.toThrow(/minQuality/)
    }
  })
})

describe('a document that is a text', () => {
  const words = Array.from({ length: 400 }, (_, i) => `word${i}.`).join(' ')

  it('is cut into chunks that the model takes, each with its place', async () => {
    const results = await embedAll(new FakeCore(), {
      long: words,
      short: 'one',
      none: '',
      own: ['x'],
    })
    const { items } = results.get('long') as EmbeddingResult
    expect(items.length).toBeGreaterThan(6)
    for (const [i, { id, text, metadata }] of items.entries()) {
      const { document, part, start, end } = metadata as ChunkOrigin
      expect([id, document, part]).toEqual([`long#${i}`, 'long', i])
      expect(text).toBe(words.slice(start, end))
      expect(text?.split(' ').length).toBeLessThanOrEqual(62)
    }
    expect(results.get('short')?.items.map(({ id, text }) => [id, text])).toEqual([
      ['short#0', 'one'],
    ])
    expect(results.get('none')?.items).toEqual([])
    expect(results.get('own')?.items[0]?.id).toBe('0')
  })

  it('is cut as it is said', async () => {
    const chunk = { maxTokens: 12, overlap: 0 }
    const results = await embedAll(new FakeCore(), { long: words }, { chunk })
    const { items } = results.get('long') as EmbeddingResult
    expect(items.map(({ text }) => text).join('')).toBe(words)
    expect(items.length).toBeGreaterThanOrEqual(40)
    for (const wrong of [{ maxTokens: 1 }, { tokens: 5 }, 7, null]) {
      const options = { chunk: wrong as never }
      await expect(embedAll(new FakeCore(), { long: words }, options)).rejects.toThrow(
        InvalidInputError,
      )
    }
  })

  it('costs only itself where it is no text', async () => {
    const core = new FakeCore({ fail: bad })
    const results = await embedAll(core, { bad: 'bad \ud800', good: 'one' })
    expect(results.get('bad')?.failures).toMatchObject([{ id: 'bad#0' }])
    expect(results.get('good')?.items).toHaveLength(1)
  })
})
