/** The last hidden state of every token, beside the float64 reference, whose own they are. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  BatchError,
  Embedder,
  InputTooLongError,
  InvalidInputError,
  type TokenStates,
} from '../../lib/index.js'
import { cosine64, referenceOutputs } from '../helpers/reference.js'
import { standinPath } from '../helpers/standins.js'
import { mixedTexts, paragraphs } from '../helpers/texts.js'

const rowsOf = ({ states: { data, rows, cols } }: TokenStates) =>
  Array.from({ length: rows }, (_, i) => data.subarray(i * cols, (i + 1) * cols))

describe('small', () => {
  const texts = ['', 'a', ...(['en', 'zh', 'ar'] as const).map((l) => paragraphs(l)[7]?.text ?? '')]
  let model: string
  let found: TokenStates[]
  let m3: Embedder
  beforeAll(async () => {
    model = await standinPath({ size: 'small' })
    m3 = await Embedder.load({ model, threads: 2 })
    found = await m3.tokenStates(texts)
  })
  afterAll(() => m3.dispose())

  it('agree with the reference, token by token', async () => {
    const ids = await Promise.all(texts.map(async (text) => (await m3.tokenize(text)).ids))
    const references = await referenceOutputs(model, ids)
    let least = 1
    let others = 0
    found.forEach((text, i) => {
      const rows = rowsOf(text)
      expect(text.tokenCount).toBe(ids[i]?.length)
      expect(rows).toHaveLength(text.tokenCount)
      rows.forEach((row, t) => {
        const reference = references[i]?.states[t] as Float64Array
        least = Math.min(least, cosine64(row, reference))
        // and the length: nothing was normalised
        expect(Math.hypot(...row) / Math.hypot(...reference)).toBeCloseTo(1, 2)
      })
      if (rows.length > 20) {
        const [a, b] = [references[i]?.states[3], references[i]?.states[13]]
        others = Math.max(others, cosine64(a as Float64Array, b as Float64Array))
      }
    })
    console.info(`least cosine ${least}; of two tokens of a text up to ${others}`)
    expect(least).toBeGreaterThan(0.998)
    expect(others).toBeLessThan(0.98)
  })

  it('have the same bits alone, on one thread, and from token ids', async () => {
    await using one = await Embedder.load({ model, threads: 1 })
    for (const [i, text] of texts.entries()) {
      const { ids } = await m3.tokenize(text)
      const { states } = found[i] as TokenStates
      expect((await one.tokenStates([text]))[0]?.states).toEqual(states)
      expect((await m3.tokenStates([ids]))[0]?.states).toEqual(states)
    }
  })
})

describe('tiny', () => {
  let m3: Embedder
  beforeAll(async () => {
    m3 = await Embedder.load({ model: await standinPath({ size: 'tiny' }) })
  })
  afterAll(() => m3.dispose())

  it("begin with what is pooled: the first token's", async () => {
    const texts = mixedTexts(40)
    const [states, dense] = await Promise.all([
      m3.tokenStates(texts),
      m3.embed(texts, { normalize: false }),
    ])
    states.forEach((one, i) => {
      expect(rowsOf(one)[0]).toEqual(dense[i]?.dense)
      expect(one).toMatchObject({ cached: false, truncated: false })
      expect(one).not.toHaveProperty('dense')
    })
  })

  it('are arrays of each text, also of the same text twice', async () => {
    const [first, second] = (await m3.tokenStates(['same', 'same'])) as [TokenStates, TokenStates]
    expect(first.states).toEqual(second.states)
    expect(first.states.data.buffer).not.toBe(second.states.data.buffer)
  })

  it('are cut, refused, collected and cancelled as embeddings are', async () => {
    const long = 'word '.repeat(9000)
    const [cut] = await m3.tokenStates([long], { truncate: 'end', maxTokens: 10 })
    expect(cut).toMatchObject({ tokenCount: 10, truncated: true, states: { rows: 10, cols: 64 } })
    const failed = await m3.tokenStates(['a', long]).catch((error) => error)
    expect(failed).toBeInstanceOf(BatchError)
    expect(failed.failures).toMatchObject([{ index: 1 }])
    const settled = await m3.tokenStates(['a', long], { onError: 'collect' })
    expect(settled[1]).toBeInstanceOf(InputTooLongError)
    expect(await m3.tokenStates([])).toEqual([])
    const reason = new Error('enough')
    await expect(m3.tokenStates(['a'], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  it.each([
    [['a'], { outputs: 'all' }],
    [['a'], { normalize: false }],
    [[[0, 5, 2]], { prompt: 'query' }],
    [[[0, -5, 2]], {}],
    ['a', {}],
  ])('refuses %j with %j', async (texts, options) => {
    await expect(m3.tokenStates(texts as never, options as never)).rejects.toBeInstanceOf(
      InvalidInputError,
    )
  })
})
