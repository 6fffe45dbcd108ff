import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { Pressure } from '../../lib/engine/pressure.js'

const MB = 1_000_000
const KB_A_TOKEN = 25_000

function pressure(free: () => number, held = 0, batchTokens = 512) {
  const onMemory = vi.fn()
  const one = new Pressure({
    batchTokens,
    contextBytes: (tokens) => tokens * KB_A_TOKEN,
    heldBytes: () => held,
    onMemory,
    free,
  })
  return { one, onMemory }
}

describe('memory that gets short', () => {
  it('leaves batches alone while there is enough, and says nothing', () => {
    const { one, onMemory } = pressure(() => 1000 * MB)
    expect(one.batchTokens).toBe(512)
    expect(onMemory).not.toHaveBeenCalled()
  })

  it('makes them smaller, then as large as before, and tells both', async () => {
    let free = 80 * MB
    const { one, onMemory } = pressure(() => free)
    // half of 16 MB is 320 tokens
    expect(one.batchTokens).toBe(256)
    free = 2000 * MB
    // a reading is good for a while
    expect(one.batchTokens).toBe(256)
    await new Promise((resolve) => setTimeout(resolve, 120))
    expect(one.batchTokens).toBe(512)
    expect(onMemory.mock.calls).toEqual([
      [{ freeBytes: 80 * MB, batchTokens: 256 }],
      [{ freeBytes: 2000 * MB, batchTokens: 512 }],
    ])
  })

  it('counts the context that is held as free: the next batch uses it', () => {
    expect(pressure(() => 64 * MB, 512 * KB_A_TOKEN * 2).one.batchTokens).toBe(512)
  })

  it('survives a listener that throws', () => {
    const { one, onMemory } = pressure(() => 0)
    onMemory.mockImplementation(() => {
      throw new Error('mine')
    })
    expect(one.batchTokens).toBe(64)
  })

  it('never gives more than was asked for, nor nothing, and takes no more than half of what is free', () => {
    const sizes = fc.record({
      free: fc.integer({ min: 0, max: 4000 }),
      held: fc.integer({ min: 0, max: 100 }),
      batchTokens: fc.integer({ min: 1, max: 4096 }),
    })
    fc.assert(
      fc.property(sizes, ({ free, held, batchTokens }) => {
        const { one } = pressure(() => free * MB, held * MB, batchTokens)
        const tokens = one.batchTokens
        expect(tokens).toBeGreaterThanOrEqual(Math.min(64, batchTokens))
        expect(tokens).toBeLessThanOrEqual(batchTokens)
        if (tokens > 64) expect(tokens * KB_A_TOKEN).toBeLessThanOrEqual(((free + held) * MB) / 2)
      }),
    )
  })
})
