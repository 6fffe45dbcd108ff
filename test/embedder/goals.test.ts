import fc from 'fast-check'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { planFor } from '../../lib/embedder/goals.js'
import { MemoryBudget } from '../../lib/engine/memory.js'
import { Embedder, type LoadOptions } from '../../lib/index.js'
import { tinyPath } from '../helpers/standins.js'

const MB = 1_000_000
/** 64 MB overhead, 100 MB of weights, 0.1 MB of context a token. */
const memory = new MemoryBudget({
  limit: 2000 * MB,
  weights: 100 * MB,
  cache: 0,
  batchTokens: 512,
  contextBytes: (tokens) => tokens * 0.1 * MB,
})
const plan = (
  goals: Partial<Parameters<typeof planFor>[0]>,
  speed = { baseMs: 5, msPerToken: 1 },
) =>
  planFor(
    { memory: undefined, latencyMs: undefined, textsPerSecond: undefined, ...goals },
    speed,
    { memory },
    {},
  )

describe('the plan', () => {
  it('takes the largest batch that keeps the goals', () => {
    expect(plan({ textsPerSecond: 10 }).batchTokens).toBe(1024)
    expect(plan({ memory: 220 * MB }).batchTokens).toBe(512)
    // 5 + 128 ms for the batch that runs, 5 + 64 for the text
    expect(plan({ latencyMs: 202 })).toEqual({
      batchTokens: 128,
      goals: { latencyMs: { wanted: 202, expected: 202, met: true } },
    })
    expect(plan({ latencyMs: 201 }).batchTokens).toBe(64)
  })

  it('says what cannot be, and comes as near as it can', () => {
    const { batchTokens, goals } = plan({ latencyMs: 1, memory: 10 * MB, textsPerSecond: 1e6 })
    expect(batchTokens).toBe(64)
    expect(goals).toMatchObject({
      latencyMs: { wanted: 1, met: false },
      memory: { wanted: 10 * MB, expected: (64 + 100 + 6.4) * MB, met: false },
      textsPerSecond: { wanted: 1e6, expected: 1000 / 69, met: false },
    })
  })

  it('is never stricter than another goal allows: a looser goal gives no smaller batch', () => {
    const goal = fc.record({
      latencyMs: fc.integer({ min: 1, max: 3000 }),
      memory: fc.integer({ min: 1, max: 500 * MB }),
      more: fc.integer({ min: 0, max: 3000 }),
    })
    fc.assert(
      fc.property(goal, ({ latencyMs, memory, more }) => {
        const tight = plan({ latencyMs, memory }).batchTokens
        expect(plan({ latencyMs: latencyMs + more, memory }).batchTokens).toBeGreaterThanOrEqual(
          tight,
        )
        expect(plan({ latencyMs, memory: memory + more * MB }).batchTokens).toBeGreaterThanOrEqual(
          tight,
        )
      }),
    )
  })
})

describe('optimizeFor', () => {
  let model: string
  let m3: Embedder | undefined
  beforeAll(async () => {
    model = await tinyPath()
  })
  afterEach(() => m3?.dispose())

  it('measures this machine, and says what it came to', async () => {
    const optimizeFor = { memory: '512MB', latencyMs: 60_000, textsPerSecond: 0.001 }
    m3 = await Embedder.load({ model, optimizeFor })
    const { plan } = m3.info
    expect(plan?.batchTokens).toBe(1024)
    expect(Object.values(plan?.goals ?? {}).map(({ met }) => met)).toEqual([true, true, true])
    expect(plan?.goals.latencyMs?.expected).toBeGreaterThan(0)
    expect(m3.stats()).toMatchObject({ batchTokens: 1024, memory: { limit: 512e6 } })
    expect(m3.stats().cache?.memory.maxBytes).toBe(32e6)
    expect((await m3.embed('a')).dense).toHaveLength(m3.info.dimensions)
  })

  it('leaves what the user set, and loads although a goal is out of reach', async () => {
    m3 = await Embedder.load({
      model,
      batchTokens: 100,
      optimizeFor: { memory: 1000, latencyMs: 1e-3 },
    })
    const { plan } = m3.info
    expect(plan).toMatchObject({
      batchTokens: 100,
      goals: { memory: { met: false }, latencyMs: { met: false } },
    })
    expect(m3.stats().memory.limit).toBe(2e9)
  })

  it('is not there without goals', async () => {
    m3 = await Embedder.load({ model })
    expect(m3.info.plan).toBeUndefined()
  })

  it.each([
    [{ optimizeFor: { memory: 'much' } }, 'optimizeFor.memory'],
    [{ optimizeFor: { latencyMs: -1 } }, 'optimizeFor.latencyMs'],
    [{ optimizeFor: { textsPerSecond: Number.NaN } }, 'optimizeFor.textsPerSecond'],
    [{ optimizeFor: { latency: 5 } }, 'latencyMs'],
    [{ optimizeFor: 'latency' }, 'optimizeFor'],
    [{ optimizeFor: {}, lazy: true }, 'lazy'],
  ])('refuses %j', async (options, named) => {
    const loading = Embedder.load({ model, ...(options as LoadOptions) })
    await expect(loading).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining(named),
    })
  })
})
