import { readFileSync, statSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  BatchError,
  DisposedError,
  Embedder,
  type EmbedderError,
  InputTooLongError,
  InvalidInputError,
  TimeoutError,
} from '../../lib/index.js'
import { has } from '../helpers/needs.mjs'
import { standinPath } from '../helpers/standins.js'
import { mixedTexts } from '../helpers/texts.js'
import { until } from '../helpers/until.js'

let m3: Embedder
let model: string

beforeAll(async () => {
  model = await standinPath({ size: 'tiny' })
  m3 = await Embedder.load({ model, cache: false })
})

afterAll(() => m3.dispose())

const norm = (v: Float32Array) => Math.sqrt(v.reduce((sum, x) => sum + x * x, 0))

/** As many tokens as asked: "a" is a token of its own after a space. */
function textOfTokens(tokens: number): string {
  return Array.from({ length: tokens - 2 }, () => 'a').join(' ')
}

describe('embed', () => {
  it('gives one normalised vector of the model’s width for a text', async () => {
    const { dense, tokenCount, truncated, cached } = await m3.embed('Hello, world')
    expect(dense).toBeInstanceOf(Float32Array)
    expect(dense).toHaveLength(m3.info.dimensions)
    expect(norm(dense as Float32Array)).toBeCloseTo(1, 6)
    expect({ tokenCount, truncated, cached }).toEqual({
      tokenCount: 5,
      truncated: false,
      cached: false,
    })
  })

  it('keeps input order, and different texts get different vectors', async () => {
    const texts = mixedTexts(24)
    const together = await m3.embed(texts)
    expect(together).toHaveLength(24)
    for (const [i, text] of texts.entries()) {
      const alone = await m3.embed(text)
      expect(alone.dense).toEqual(together[i]?.dense)
    }
    const keys = new Set(together.map((e) => (e.dense as Float32Array).join()))
    expect(keys.size).toBe(24)
  })

  it('embeds the empty text as <s></s>, and NUL as a character', async () => {
    const [empty, nul] = await m3.embed(['', 'a\0b'])
    expect(empty?.tokenCount).toBe(2)
    expect(norm(empty?.dense as Float32Array)).toBeCloseTo(1, 6)
    expect(nul?.tokenCount).toBeGreaterThan(2)
    expect(await m3.embed([])).toEqual([])
  })

  it('takes a text of exactly the limit, and refuses or cuts one token more', async () => {
    const limit = m3.info.maxTokens
    expect(limit).toBe(8192)
    const exact = await m3.embed(textOfTokens(limit))
    expect(exact).toMatchObject({ tokenCount: limit, truncated: false })

    const error = await m3.embed(textOfTokens(limit + 1)).catch((e) => e)
    expect(error).toBeInstanceOf(InputTooLongError)
    expect(error).toMatchObject({ code: 'INPUT_TOO_LONG', tokenCount: limit + 1, maxTokens: limit })
    expect(error.index).toBeUndefined()

    const cut = await m3.embed(textOfTokens(limit + 1), { truncate: 'end' })
    expect(cut).toMatchObject({ tokenCount: limit, truncated: true })
  })

  it('honours a lower limit of the call and of the embedder', async () => {
    await expect(m3.embed(textOfTokens(20), { maxTokens: 10 })).rejects.toMatchObject({
      tokenCount: 20,
      maxTokens: 10,
    })
    const cut = await m3.embed('one two three four five six', { maxTokens: 5, truncate: 'end' })
    expect(cut).toMatchObject({ tokenCount: 5, truncated: true })
    const { ids } = await m3.tokenize('one two three four five six')
    expect(ids.length).toBeGreaterThan(5)
  })

  it('cuts dimensions and converts precision', async () => {
    const full = await m3.embed('Hello', { normalize: false })
    const cut = await m3.embed('Hello', { dimensions: 16 })
    const expected = (full.dense as Float32Array).slice(0, 16)
    const length = norm(expected)
    expect(cut.dense).toHaveLength(16)
    for (const [i, x] of (cut.dense as Float32Array).entries()) {
      expect(x).toBeCloseTo((expected[i] as number) / length, 6)
    }
    expect((await m3.embed('Hello', { precision: 'float16' })).dense).toBeInstanceOf(Uint16Array)
    expect((await m3.embed('Hello', { precision: 'int8' })).dense).toBeInstanceOf(Int8Array)
    const bits = await m3.embed('Hello', { precision: 'binary' })
    expect(bits.dense).toHaveLength(m3.info.dimensions / 8)
    await expect(m3.embed('Hello', { dimensions: 10, precision: 'binary' })).rejects.toThrow('8')
    await expect(m3.embed('Hello', { dimensions: 100_000 })).rejects.toThrow(InvalidInputError)
  })
})

describe('bad input', () => {
  it.each([
    ['a number', 7],
    ['null', null],
    ['an object', {}],
    ['a lone surrogate', 'a\ud800b'],
    ['undefined', undefined],
  ])('rejects %s with InvalidInputError', async (_name, value) => {
    const error = await m3.embed(value as string).catch((e) => e)
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error.code).toBe('INVALID_INPUT')
  })

  it('checks an array whole before any inference, and names every bad text', async () => {
    const before = m3.stats().texts
    const texts = ['good', 3, 'also good', 'bad \udc00', textOfTokens(9000)] as string[]
    const error = (await m3.embed(texts).catch((e) => e)) as BatchError
    expect(error).toBeInstanceOf(BatchError)
    expect(error.failures.map(({ index, error: e }) => [index, e.code, e.index])).toEqual([
      [1, 'INVALID_INPUT', 1],
      [3, 'INVALID_INPUT', 3],
      [4, 'INPUT_TOO_LONG', 4],
    ])
    expect(error.results).toHaveLength(5)
    expect(m3.stats().texts).toBe(before)
  })

  it('collects errors among results', async () => {
    const texts = ['good', 3, 'fine'] as string[]
    const [a, b, c] = await m3.embed(texts, { onError: 'collect' })
    expect(a).toHaveProperty('dense')
    expect((b as EmbedderError).code).toBe('INVALID_INPUT')
    expect((b as EmbedderError).index).toBe(1)
    expect(c).toHaveProperty('dense')
  })

  it('never puts a text into a message', async () => {
    const secret = 'xyzzy-plugh'
    const texts = [`${secret}\ud800`, `${secret} `.repeat(9000)]
    const errors = await m3.embed(texts, { onError: 'collect' })
    for (const error of errors) expect(String((error as Error).message)).not.toContain('xyzzy')
  })

  it('refuses bad options by name', async () => {
    await expect(m3.embed('a', { truncate: 'start' as 'end' })).rejects.toThrow(/truncate/)
    await expect(m3.embed('a', { maxTokens: -1 })).rejects.toThrow(/maxTokens/)
    await expect(Embedder.load({ model, threads: 0 })).rejects.toThrow(/threads/)
  })

  it('counts a text that is too long exactly, up to 32 times the limit', async () => {
    const limit = 10
    const one = (await m3.countTokens('a a')) - (await m3.countTokens('a'))
    for (const words of [9, 40, 300, 317, 318, 319, 320, 400, 100_000]) {
      const text = 'a '.repeat(words)
      const exact = 2 + one * words
      expect(await m3.countTokens(text)).toBe(exact)
      const error = await m3.embed(text, { maxTokens: limit }).catch((e) => e)
      expect(error).toBeInstanceOf(InputTooLongError)
      if (exact <= 32 * limit) {
        expect(error.tokenCount).toBe(exact)
        expect(error.message).toContain(` has ${exact} tokens`)
      } else {
        expect(error.tokenCount).toBeGreaterThan(32 * limit)
        expect(error.tokenCount).toBeLessThan(33 * limit)
        expect(error.message).toContain(' has more than 320 tokens')
      }
      for (const atMost of [2, limit, exact - 1, exact, exact + 1]) {
        const found = await m3.countTokens([text, 'a'], { atMost })
        expect(found).toEqual([Math.min(exact, atMost + 1), Math.min(2 + one, atMost + 1)])
      }
    }
    await expect(m3.countTokens('a', { atMost: 1 })).rejects.toThrow(/atMost/)
    await expect(m3.countTokens('a', { most: 9 } as object)).rejects.toThrow(/most/)
  })

  it('takes 10 MB of text: too long', async () => {
    const text = 'lorem ipsum '.repeat(875_000)
    const error = await m3.embed(text).catch((e) => e)
    expect(error).toBeInstanceOf(InputTooLongError)
    expect(await m3.countTokens(text)).toBeGreaterThan(error.tokenCount)
    const cut = await m3.embed(text, { truncate: 'end', maxTokens: 64 })
    expect(cut).toMatchObject({ tokenCount: 64, truncated: true })
  })

  it('takes an array of 100,000 texts', async () => {
    const texts = Array.from({ length: 100_000 }, (_, i) => `t${i % 50}`)
    const counts = await m3.countTokens(texts)
    expect(counts).toHaveLength(100_000)
    expect(counts[0]).toBe(await m3.countTokens('t0'))
    const bad = [...texts, 5 as unknown as string]
    await expect(m3.embed(bad)).rejects.toMatchObject({ failures: [{ index: 100_000 }] })
  })
})

describe('cancelling and ending', () => {
  it('rejects with the signal’s own reason, before and during the work', async () => {
    const reason = new Error('enough')
    await expect(m3.embed('a', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const controller = new AbortController()
    const work = m3.embed(mixedTexts(200), { signal: controller.signal })
    work.catch(() => {})
    await until(() => m3.stats().pending > 0)
    controller.abort(reason)
    await expect(work).rejects.toBe(reason)
    // and the embedder goes on
    expect((await m3.embed('a')).dense).toHaveLength(m3.info.dimensions)
  })

  it('a cancelled caller costs others nothing', async () => {
    const controller = new AbortController()
    const gone = m3.embed(mixedTexts(100), { signal: controller.signal })
    const stays = m3.embed(mixedTexts(20))
    controller.abort()
    await expect(gone).rejects.toThrow()
    expect(await stays).toHaveLength(20)
  })

  it('times out with TimeoutError', async () => {
    await expect(m3.embed(mixedTexts(400), { timeout: 10 })).rejects.toBeInstanceOf(TimeoutError)
  })

  it('dispose ends work under way with DisposedError, and later calls too', async () => {
    const other = await Embedder.load({ model, threads: 1, cache: false })
    const work = other.embed(mixedTexts(400)).catch((e) => e)
    await until(() => other.stats().pending > 0)
    await other.dispose()
    expect(await work).toBeInstanceOf(DisposedError)
    await expect(other.embed('a')).rejects.toBeInstanceOf(DisposedError)
    await other.dispose()
  })

  it('reports progress, and survives a callback that throws', async () => {
    const seen: number[] = []
    await m3.embed(mixedTexts(30), {
      onProgress: ({ done, total, rate, eta }) => {
        seen.push(done)
        expect(total).toBe(30)
        expect(rate).toBeGreaterThan(0)
        expect(eta).toBeGreaterThanOrEqual(0)
      },
    })
    // in order, each once; on a busy machine not every one
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b))
    expect(seen.at(-1)).toBe(30)
    const warnings: string[] = []
    const logging = await Embedder.load({ model, logger: { warn: (m) => warnings.push(m) } })
    const result = await logging.embed(['a', 'b'], {
      onProgress: () => {
        throw new Error('display broke')
      },
    })
    expect(result).toHaveLength(2)
    expect(warnings.some((line) => line.includes('onProgress'))).toBe(true)
    await logging.dispose()
  })
})

/** By this process, ever; nothing where the system does not say. */
const bytesRead = () =>
  has('linux') ? Number(/rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]) : 0

describe('loading', () => {
  it('shares weights: a second load of a loaded file does not read it again', async () => {
    const before = bytesRead()
    const again = await Embedder.load({ model, cache: false })
    expect(bytesRead() - before).toBeLessThan(statSync(model).size / 2)
    expect((await again.embed('a')).dense).toEqual((await m3.embed('a')).dense)
    await again.dispose()
    expect((await m3.embed('a')).dense).toBeDefined()
  })

  it('loads lazily, unloads, and reads again on demand', async () => {
    const lazy = await Embedder.load({ model, lazy: true })
    expect(() => lazy.info).toThrow(InvalidInputError)
    expect(lazy.stats().memory.weights).toBe(0)
    const first = await lazy.embed('a')
    expect(lazy.info.standin).toBe(true)
    await lazy.unload()
    expect((await lazy.embed('a')).dense).toEqual(first.dense)
    await lazy.dispose()
  })

  it('has several models loaded at once', async () => {
    const minilm = await Embedder.load({
      model: await standinPath({ size: 'tiny', arch: 'minilm' }),
    })
    const [a, b] = await Promise.all([m3.embed('two models'), minilm.embed('two models')])
    expect(a.dense).toHaveLength(m3.info.dimensions)
    expect(b.dense).toHaveLength(minilm.info.dimensions)
    await minilm.dispose()
  })

  it('says what it runs', () => {
    expect(m3.info).toMatchObject({ architecture: 'bert', vocabSize: 250_002, standin: true })
    expect(m3.info.threads).toBeGreaterThan(0)
    const stats = m3.stats()
    expect(stats.tokens).toBeGreaterThan(stats.texts)
    expect(stats.pending).toBe(0)
    expect(stats.memory.rss).toBeGreaterThan(stats.memory.weights)
  })

  it('tokenizes and counts', async () => {
    const { ids, truncated } = await m3.tokenize('Hello world')
    expect([...ids]).toEqual([0, 35378, 8999, 2])
    expect(truncated).toBe(false)
    expect(await m3.countTokens(['Hello world', ''])).toEqual([4, 2])
  })

  it('lets timers run while short texts are tokenized one after the other', async () => {
    let ticks = 0
    const timer = setInterval(() => ticks++, 5)
    // as long as it takes on a busy machine: a starved timer never ticks
    const end = performance.now() + 60_000
    while (ticks <= 10 && performance.now() < end) await m3.tokenize('a few words')
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(10)
  })
})
