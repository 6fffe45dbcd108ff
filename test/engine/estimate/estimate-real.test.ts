/** Estimates against what then happens; test/slow/engine/estimate has the seconds. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder, type Estimate } from '../../../lib/index.js'
import { standinPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'

let cacheDir: string

beforeAll(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'bge-m3-estimate-'))
})

afterAll(() => rm(cacheDir, { recursive: true, force: true }))

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
  const load = async () =>
    Embedder.load({ model: await standinPath({ size }), cache: false, cacheDir, threads: 1 })

  beforeAll(async () => {
    m3 = await load()
  })

  afterAll(() => m3.dispose())

  it('measures for a moment when nothing ran yet', async () => {
    expect(m3.stats().batches).toBe(0)
    const { seconds } = await m3.estimate(['first'])
    expect(seconds).toBeGreaterThan(0)
    expect(m3.stats().batches).toBeGreaterThan(0)
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

  it('keeps what it learnt for the next process', async () => {
    await m3.dispose()
    expect((await readdir(join(cacheDir, 'estimates'))).length).toBeGreaterThan(0)
    m3 = await load()
    const before = m3.stats().batches
    const { seconds } = await m3.estimate(['a text'])
    expect(seconds).toBeGreaterThan(0)
    expect(m3.stats().batches).toBe(before)
  })
})
