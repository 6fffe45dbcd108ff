import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Pair, tokenizePairs } from '../../../lib/embedder/rerank/pairs.js'
import {
  BatchError,
  DisposedError,
  Embedder,
  InputTooLongError,
  InvalidInputError,
  ModelLoadError,
  ModelNotFoundError,
  Reranker,
} from '../../../lib/index.js'
import { TokenizeMode } from '../../../lib/native/addon.js'
import { loadAddon } from '../../../lib/native/load.js'
import { referenceOutputs } from '../../helpers/reference.js'
import { standinPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'

const ARCHS = ['bge-reranker', 'cross-encoder'] as const
const QUERY = 'Which bear lives in China?'
const given = (value: unknown) => value as never

let path: string
let reranker: Reranker
beforeAll(async () => {
  path = await standinPath({ size: 'tiny', arch: 'bge-reranker' })
  reranker = await Reranker.load({ model: path })
})
afterAll(() => reranker.dispose())

describe.each(ARCHS)('a %s', (arch) => {
  const documents = () => mixedTexts(14).map((text) => text.slice(0, 900))

  it('agrees with float64, and orders documents as that does', async () => {
    const model = await standinPath({ size: 'small', arch })
    const tokenizer = await loadAddon().loadTokenizer(model)
    const pairs = (await tokenizePairs({ tokenizer }, QUERY, documents(), {
      maxTokens: 512,
      truncate: 'document',
      signal: undefined,
    })) as Pair[]
    await tokenizer.release()
    const ids = pairs.map((pair) => pair.ids)
    const reference = await referenceOutputs(model, ids, { firsts: pairs.map((p) => p.first) })
    const expected = reference.map(({ score }) => score)

    const loaded = await Reranker.load({ model })
    const found = await loaded.rerank(QUERY, documents(), { maxTokens: 512, truncate: 'document' })
    await loaded.dispose()
    const errors = found.map(({ index, score }) => Math.abs(score - (expected[index] as number)))
    const spread = Math.max(...expected) - Math.min(...expected)
    const worst = Math.max(...errors)
    console.info(`${arch}: largest error ${worst} of scores ${spread} apart`)
    expect(spread).toBeGreaterThan(2)
    // weights and activations of 8 bits
    expect(worst).toBeLessThan(0.15)
    for (const [i, { index }] of found.slice(1).entries()) {
      const before = expected[found[i]?.index as number] as number
      expect(before).toBeGreaterThan((expected[index] as number) - 2 * worst)
    }
  })
})

describe.each([
  ['bge-reranker', 'q8_0'],
  ['cross-encoder', 'q8_0'],
  // attention in float32, by ggml
  ['bge-reranker', 'f32'],
  ['cross-encoder', 'f32'],
] as const)('the score of a pair by a %s of %s', (arch, type) => {
  it('has the same bits in any batch, call and number of threads', async () => {
    const long = 'a long document '.repeat(800) // more tokens than have attention in float32
    const documents = () => [long, ...mixedTexts(14).map((text) => text.slice(0, 900))]
    const model = await standinPath({ size: 'tiny', arch, type })
    const all = await Promise.all([
      Reranker.load({ model, threads: 1 }),
      Reranker.load({ model, threads: 2 }),
      Reranker.load({ model, threads: 2, batchTokens: 64 }),
    ])
    const texts = ['', 'a', QUERY, ...documents()]
    const alone = new Map<string, number>()
    for (const query of texts.slice(0, 4)) {
      for (const text of texts) {
        const [one] = await all[0].rerank(query, [text], { truncate: 'document' })
        alone.set(JSON.stringify([query, text]), one?.score as number)
      }
    }
    expect(new Set(alone.values()).size).toBe(alone.size)
    const call = fc.record({
      by: fc.nat(2),
      query: fc.nat(3),
      documents: fc.array(fc.nat(texts.length - 1), { minLength: 1, maxLength: 12 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 4 }), async (calls) => {
        await Promise.all(
          calls.map(async ({ by, query, documents }) => {
            const asked = texts[query] as string
            const list = documents.map((i) => texts[i] as string)
            const ranker = all[by] as Reranker
            for (const { index, score } of await ranker.rerank(asked, list, {
              truncate: 'document',
            })) {
              expect(score).toBe(alone.get(JSON.stringify([asked, list[index]])))
            }
          }),
        )
      }),
      { numRuns: 12, endOnFailure: true },
    )
    await Promise.all(all.map((each) => each.dispose()))
  })
})

describe('the order', () => {
  it('is by score, equal ones as they came, with the sigmoid, and the best so many', async () => {
    const documents = ['one', 'two', 'one', 'three', 'two']
    const all = await reranker.rerank(QUERY, documents)
    expect(all.map(({ index }) => index).sort()).toEqual([0, 1, 2, 3, 4])
    const sorted = [...all].sort((a, b) => b.score - a.score || a.index - b.index)
    expect(all).toEqual(sorted)
    for (const { score, relevance } of all) expect(relevance).toBe(1 / (1 + Math.exp(-score)))
    expect(await reranker.rerank(QUERY, documents, { topN: 2 })).toEqual(all.slice(0, 2))
    expect(await reranker.rerank(QUERY, documents, { topN: 50 })).toEqual(all)
    expect(await reranker.rerank(QUERY, [])).toEqual([])
  })
})

describe('predict', () => {
  it('gives pairs the bits that rerank gives them, in their order', async () => {
    const documents = mixedTexts(6).map((text) => text.slice(0, 400))
    const scores = await reranker.predict(documents.map((document) => [QUERY, document]))
    for (const { index, score } of await reranker.rerank(QUERY, documents)) {
      expect(scores[index]).toBe(score)
    }
    expect(await reranker.predict([])).toEqual([])
  })

  it.each(ARCHS)(
    'of a %s agrees with float64 on texts alone, and counts their tokens',
    async (arch) => {
      const model = await standinPath({ size: 'small', arch })
      const loaded = await Reranker.load({ model })
      const texts = mixedTexts(6).map((text) => text.slice(0, 400))
      const native = await loadAddon().loadModel(model)
      const { ids, counts } = await native.tokenizer().tokenize(texts, 512, TokenizeMode.cut)
      await native.release()
      let at = 0
      const lists = Array.from(counts, (count) => {
        at += count
        return Array.from(ids.subarray(at - count, at))
      })
      const firsts = lists.map((list) => list.length)
      const reference = await referenceOutputs(model, lists, { firsts })
      const scores = await loaded.predict(texts)
      expect(await loaded.countTokens([...texts, ['a b', 'c'], ['a b', 'a b']])).toEqual([
        ...firsts,
        ((await loaded.countTokens(['a b c']))[0] as number) + (arch === 'bge-reranker' ? 2 : 1),
        expect.any(Number),
      ])
      await loaded.dispose()
      for (const [i, { score }] of reference.entries()) {
        expect(Math.abs((scores[i] as number) - score)).toBeLessThan(0.15)
      }
      const spread = reference.map(({ score }) => score)
      expect(Math.max(...spread) - Math.min(...spread)).toBeGreaterThan(0.5)
    },
  )

  it('names each input that is wrong', async () => {
    const inputs = given(['a', ['a'], 3, ['a', '\ud800'], ['a', 'word '.repeat(60)]])
    const error = await reranker.predict(inputs).catch((e) => e)
    expect(error.failures.map(({ index }: { index: number }) => index)).toEqual([1, 2, 3])
    const long = [['word '.repeat(60), 'a'], 'a', ['a', 'word '.repeat(60)]] as const
    const late = await reranker.predict(long, { maxTokens: 40 }).catch((e) => e)
    expect(late.failures.map(({ index }: { index: number }) => index)).toEqual([0, 2])
    for (const { error: each, index } of late.failures) {
      expect(each).toBeInstanceOf(InputTooLongError)
      expect(each).toMatchObject({ index, maxTokens: 40 })
      expect(each.message).toContain(`at index ${index}`)
    }
    await expect(reranker.predict(given('a'))).rejects.toThrow(InvalidInputError)
    await expect(reranker.predict(['a'], given({ topN: 1 }))).rejects.toThrow(InvalidInputError)
    await expect(reranker.countTokens(given([1]))).rejects.toThrow(BatchError)
  })
})

describe('a pair over the limit', () => {
  const long = 'word '.repeat(60)
  it('is an error that says whose, before anything is computed', async () => {
    const before = reranker.stats().texts
    const error = await reranker.rerank(QUERY, ['a', long, 'b'], { maxTokens: 40 }).catch((e) => e)
    expect(error).toBeInstanceOf(BatchError)
    expect(error.failures).toHaveLength(1)
    const [failure] = error.failures
    expect(failure.index).toBe(1)
    expect(failure.error).toBeInstanceOf(InputTooLongError)
    const [whole] = await reranker.rerank(QUERY, [long])
    expect(whole).toBeDefined()
    expect(failure.error.maxTokens).toBe(40)
    const [query, document] = await tokens([QUERY, long])
    expect(failure.error.tokenCount).toBe((query as number) + (document as number) + 4)
    expect(reranker.stats().texts).toBe(before + 1)
    expect(String(error)).not.toContain('word word')
    await expect(reranker.rerank(long, ['a'], { maxTokens: 40 })).rejects.toThrow(
      /^The query has|^The text/,
    )
  })

  it.each(['document', 'longest'] as const)('is cut by %s', async (truncate) => {
    const one = async (document: string) =>
      (await reranker.rerank(QUERY, [document], { maxTokens: 24, truncate }))[0]?.score
    expect(await one(long)).toBe(await one(`${long} and more of it`))
    expect(await one(long)).not.toBe(await one('word'))
  })

  it('has no place for a document behind a query that takes it all', async () => {
    await expect(
      reranker.rerank(long, ['a'], { maxTokens: 8, truncate: 'document' }),
    ).rejects.toThrow(InputTooLongError)
    await expect(reranker.rerank('a', ['a'], { maxTokens: 4 })).rejects.toThrow(InvalidInputError)
    expect(await reranker.rerank(long, [long], { maxTokens: 5, truncate: 'longest' })).toHaveLength(
      1,
    )
  })

  /** Without special tokens. */
  async function tokens(texts: string[]): Promise<number[]> {
    const m3 = await Embedder.load({ model: await standinPath({ size: 'tiny' }) })
    const counts = await m3.countTokens(texts)
    await m3.dispose()
    return counts.map((count) => count - 2)
  }
})

describe('what is given', () => {
  it.each([
    [{ topn: 1 }, /Did you mean topN\?/],
    [{ topN: 0 }, /whole number from 1/],
    [{ topN: 1.5 }, /whole number from 1/],
    [{ truncate: 'end' }, /error, document, longest, not "end"/],
    [{ maxTokens: 'many' }, /maxTokens/],
    [{ signal: 5 }, /`signal`/],
    [{ onProgress: 5 }, /`onProgress`/],
    [null, /must be an object/],
  ])('is refused: %j', async (options, message) => {
    const call = reranker.rerank(QUERY, ['a'], given(options))
    await expect(call).rejects.toThrow(InvalidInputError)
    await expect(reranker.rerank(QUERY, ['a'], given(options))).rejects.toThrow(message)
  })

  it('must be texts', async () => {
    await expect(reranker.rerank(given(5), ['a'])).rejects.toThrow(/^The query must be a string/)
    await expect(reranker.rerank('\ud800', ['a'])).rejects.toThrow(/^The query holds a lone/)
    await expect(reranker.rerank('q', given('a'))).rejects.toThrow(/documents must be an array/)
    const error = await reranker.rerank('q', ['a', given(5), '\udc00']).catch((e) => e)
    expect(error).toBeInstanceOf(BatchError)
    expect(error.failures.map(({ index }: { index: number }) => index)).toEqual([1, 2])
  })

  it('must be a re-ranker here, and an embedder there', async () => {
    await expect(Embedder.load({ model: path })).rejects.toThrow(/re-ranker.*Reranker\.load/)
    await expect(Embedder.load({ model: path })).rejects.toThrow(ModelLoadError)
    const embedder = await standinPath({ size: 'tiny' })
    await expect(Reranker.load({ model: embedder })).rejects.toThrow(/no re-ranker.*Embedder\.load/)
    await expect(Reranker.load({ model: '/nowhere.gguf' })).rejects.toThrow(ModelNotFoundError)
    await expect(Reranker.load(given({}))).rejects.toThrow(/needs the option `model`/)
    await expect(Reranker.load(given({ model: path, cache: 0 }))).rejects.toThrow(
      /no option `cache`/,
    )
  })

  it('is not the head of another model that lies beside', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'rerank-beside-'))
    try {
      await copyFile(path, join(directory, 'model.gguf'))
      const heads = join(import.meta.dirname, '..', '..', 'fixtures', 'heads')
      for (const name of ['sparse_linear.pt', 'colbert_linear.pt']) {
        await copyFile(join(heads, name), join(directory, name))
      }
      await (await Reranker.load({ model: join(directory, 'model.gguf') })).dispose()
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})

describe('a call', () => {
  it('ends with the reason of its signal', async () => {
    const reason = new Error('enough')
    await expect(reranker.rerank(QUERY, ['a'], { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    const controller = new AbortController()
    const many = Array.from({ length: 400 }, (_, i) => `document ${i} `.repeat(30))
    const call = reranker.rerank(QUERY, many, {
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    })
    await expect(call).rejects.toBe(reason)
  })

  it('tells how far it is, and counts', async () => {
    const seen: number[] = []
    // its own: a batch of a call that was cancelled may still run on the shared one
    await using own = await Reranker.load({ model: path })
    const before = own.stats()
    await own.rerank(QUERY, ['a', 'b', 'c'], {
      onProgress: ({ done, total }) => {
        expect(total).toBe(3)
        seen.push(done)
      },
    })
    expect(seen.at(-1)).toBe(3)
    const after = own.stats()
    expect(after.texts - before.texts).toBe(3)
    expect(after.tokens).toBeGreaterThan(before.tokens)
    expect(after.memory.weights).toBeGreaterThan(0)
    expect(own.info).toMatchObject({ model: path, standin: true, maxTokens: 8192 })
  })

  it('ends when the re-ranker is disposed, and there is none after', async () => {
    const loaded = await Reranker.load({ model: path, lazy: true })
    expect(() => loaded.info).toThrow(/not loaded yet/)
    await loaded.warmup()
    expect(loaded.info.layers).toBe(2)
    await loaded.unload()
    expect(await loaded.rerank(QUERY, ['a'])).toEqual(await reranker.rerank(QUERY, ['a']))
    const many = Array.from({ length: 300 }, (_, i) => `document ${i} `.repeat(30))
    const call = loaded.rerank(QUERY, many)
    const ended = expect(call).rejects.toThrow(DisposedError)
    await loaded.dispose()
    await loaded.dispose()
    await ended
    await expect(loaded.rerank(QUERY, ['a'])).rejects.toThrow(DisposedError)
    expect(() => loaded.info).toThrow(DisposedError)
  })
})
