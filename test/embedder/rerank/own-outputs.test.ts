import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  BatchError,
  computeScore,
  Embedder,
  InputTooLongError,
  InvalidInputError,
  type RerankBy,
} from '../../../lib/index.js'
import { standinPath, tinyPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'

const given = (value: unknown) => value as never
const QUERY = 'Which bear lives in China?'
const documents = mixedTexts(12)

let m3: Embedder
beforeAll(async () => {
  m3 = await Embedder.load({ model: await tinyPath() })
})
afterAll(() => m3.dispose())

describe('rerank', () => {
  const MODES = {
    dense: 'dense',
    sparse: 'sparse',
    colbert: 'colbert',
    hybrid: 'colbert+sparse+dense',
  } as const

  it.each(Object.entries(MODES))("by %s has computeScore's %s, best first", async (by, mode) => {
    const all = await m3.embed([QUERY, ...documents], { outputs: 'all' })
    const [query, ...passages] = all
    if (!query) throw new Error('no query')
    const weights = by === 'hybrid' ? ([0.4, 0.2, 0.4] as const) : undefined
    const expected = passages
      .map((passage, index) => ({
        index,
        score: computeScore(query, passage, weights && { weights })[mode],
      }))
      .sort((a, b) => b.score - a.score || a.index - b.index)
    const options = { by: by as RerankBy, weights }
    expect(await m3.rerank(QUERY, documents, options)).toEqual(expected)
    expect(await m3.rerank(QUERY, documents, { ...options, topN: 3 })).toEqual(expected.slice(0, 3))
  })

  it('takes the mean of all three by default, and documents from the cache', async () => {
    const first = await m3.rerank(QUERY, documents)
    const { texts } = m3.stats()
    const seen: (number | null)[] = []
    const again = await m3.rerank(QUERY, documents, { onProgress: ({ total }) => seen.push(total) })
    expect(again).toEqual(first)
    expect(await m3.rerank(QUERY, documents, { weights: [1, 1, 1], by: 'hybrid' })).toEqual(first)
    expect(m3.stats().texts).toBe(texts)
    expect(seen.at(-1)).toBe(documents.length)
    expect(await m3.rerank(QUERY, [])).toEqual([])
  })

  it('computes no output whose weight is zero, so a model without heads re-ranks by dense', async () => {
    const model = await standinPath({ size: 'tiny', arch: 'minilm' })
    const plain = await Embedder.load({ model })
    try {
      const dense = await plain.rerank(QUERY, documents.slice(0, 3), {
        by: 'dense',
        truncate: 'end',
      })
      expect(dense).toHaveLength(3)
      const weights = [1, 0, 0] as const
      const options = { by: 'hybrid', weights, truncate: 'end' } as const
      expect(await plain.rerank(QUERY, documents.slice(0, 3), options)).toEqual(dense)
      await expect(plain.rerank(QUERY, ['a'])).rejects.toThrow(/no sparse output/)
    } finally {
      await plain.dispose()
    }
  })

  it('gives the query its error, and documents theirs', async () => {
    const long = 'word '.repeat(50)
    const call = m3.rerank(long, ['a'], { maxTokens: 9 })
    await expect(call).rejects.toThrow(InputTooLongError)
    await expect(m3.rerank(long, ['a'], { maxTokens: 9 })).rejects.toThrow(/^The query has/)
    const error = await m3.rerank('q', ['a', long], { maxTokens: 9 }).catch((e) => e)
    expect(error).toBeInstanceOf(BatchError)
    expect(error.failures.map(({ index }: { index: number }) => index)).toEqual([1])
    expect(await m3.rerank(long, ['a', long], { maxTokens: 9, truncate: 'end' })).toHaveLength(2)
    const wrong = await m3.rerank('q', ['a', given(5)]).catch((e) => e)
    expect(wrong.failures[0].error).toBeInstanceOf(InvalidInputError)
  })

  it.each([
    [{ by: 'bm25' }, /dense, sparse, colbert or hybrid, not "bm25"/],
    [{ by: 'dense', weights: [1, 1, 1] }, /goes with by: 'hybrid'/],
    [{ weights: [1, 1] }, /three numbers/],
    [{ weights: [0, 0, 0] }, /not all zero/],
    [{ topN: -1 }, /whole number from 1/],
    [{ top_n: 1 }, /Did you mean topN\?/],
    [{ truncate: 'document' }, /truncate/],
    [{ onProgress: 5 }, /`onProgress`/],
    [{ signal: {} }, /`signal`/],
    [null, /must be an object/],
  ])('refuses %j', async (options, message) => {
    await expect(m3.rerank('q', ['a'], given(options))).rejects.toThrow(InvalidInputError)
    await expect(m3.rerank('q', ['a'], given(options))).rejects.toThrow(message)
  })

  it('ends with its signal', async () => {
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    await expect(m3.rerank('q', ['a'], { signal })).rejects.toBe(reason)
  })
})
