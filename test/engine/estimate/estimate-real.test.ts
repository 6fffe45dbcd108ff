/** Estimates against what then happens; test/slow/engine/estimate has the seconds. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder, type Estimate, InvalidInputError } from '../../../lib/index.js'
import { standinPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'

/** Short and long, one after the other. */
function lengthsMixed(count: number): string[] {
  return mixedTexts(count).map((text, i) => (i % 3 === 0 ? text.slice(0, 40 + i) : text))
}

describe.each([
  ['tiny', 240],
  ['small', 24],
] as const)('estimate on %s', (size, count) => {
  let m3: Embedder
  // two threads that wait for each other feel every other program
  beforeAll(async () => {
    m3 = await Embedder.load({ model: await standinPath({ size }), cache: false, threads: 1 })
  })

  afterAll(() => m3.dispose())

  it('measures for a moment when nothing ran yet', async () => {
    const fresh = await Embedder.load({ model: await standinPath({ size }), threads: 1 })
    expect(fresh.stats().batches).toBe(0)
    const { seconds } = await fresh.estimate(['first'])
    expect(seconds).toBeGreaterThan(0)
    expect(fresh.stats().batches).toBeGreaterThan(0)
    await fresh.dispose()
  })

  it('counts tokens and batches as embed does', async () => {
    const texts = lengthsMixed(count)
    const { tokens, batches } = await m3.estimate(texts)
    const before = m3.stats()
    const results = await m3.embed(texts)
    const after = m3.stats()
    expect(tokens).toBe(results.reduce((sum, { tokenCount }) => sum + tokenCount, 0))
    expect(Math.abs(after.batches - before.batches - batches)).toBeLessThanOrEqual(1)
  })

  it('tells the most memory within 25 %', async () => {
    const texts = lengthsMixed(count)
    const outputs = { dense: true, sparse: true, colbert: true }
    const { peakBytes }: Estimate = await m3.estimate(texts, { outputs })
    let peak = 0
    const timer = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage.rss())
    }, 5)
    const results = await m3.embed(texts, { outputs })
    peak = Math.max(peak, process.memoryUsage.rss())
    clearInterval(timer)
    expect(results).toHaveLength(count)
    expect(peakBytes / peak).toBeGreaterThan(0.75)
    expect(peakBytes / peak).toBeLessThan(1.25)
  })

  it('measures nothing more where such batches ran', async () => {
    const before = m3.stats().batches
    await m3.estimate(lengthsMixed(count))
    expect(m3.stats().batches).toBe(before)
  })

  it('needs nothing for nothing, and an array', async () => {
    const nothing = { tokens: 0, batches: 0, seconds: expect.any(Number) }
    expect(await m3.estimate([])).toMatchObject(nothing)
    await expect(m3.estimate('a text' as never)).rejects.toThrow(InvalidInputError)
  })
})
