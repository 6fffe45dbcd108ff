import { describe, expect, it } from 'vitest'
import { MemoryLimitError } from '../../lib/common/errors.js'
import { MemoryBudget } from '../../lib/engine/memory.js'

const MB = 1_000_000

/** 64 MB overhead, 100 MB of weights, 0.1 MB of context a token; results count 1.5 times. */
function budget(limit: number): MemoryBudget {
  return new MemoryBudget({
    limit,
    weights: 100 * MB,
    cache: 0,
    batchTokens: 100,
    contextBytes: (tokens) => tokens * 0.1 * MB,
  })
}

const soon = () => new Promise((resolve) => setTimeout(resolve, 5))

describe('the memory budget', () => {
  it('refuses weights and a context over the limit, naming both numbers', () => {
    expect(() => budget(150 * MB)).toThrow(MemoryLimitError)
    expect(() => budget(150 * MB)).toThrow(/100\.0 MB.*150\.0 MB/)
    expect(() => budget(175 * MB)).not.toThrow()
  })

  it('knows which text can never fit', () => {
    const memory = budget(200 * MB)
    expect(memory.fits(300)).toBe(true)
    expect(memory.fits(400)).toBe(false)
    const error = memory.refusal(400, 7)
    expect(error).toMatchObject({ code: 'MEMORY_LIMIT', index: 7 })
    expect(error.message).toMatch(/index 7 has 400 tokens.*200\.0 MB/)
  })

  it('refuses results that can never fit, and says what to do', async () => {
    const memory = budget(200 * MB)
    const admitting = memory.admit({ results: 50 * MB, longest: 10 })
    await expect(admitting).rejects.toThrow(/75\.0 MB of results.*embedStream/)
    expect(memory.stats).toEqual({ limit: 200 * MB, results: 0, waitingCalls: 0 })
  })

  it('lets calls in while they fit, and the others in order of arrival', async () => {
    const memory = budget(300 * MB)
    const order: string[] = []
    const enter = (name: string, results: number) =>
      memory.admit({ results: results * MB, longest: 1 }).then((release) => {
        order.push(name)
        return release
      })
    const a = await enter('a', 40)
    const large = enter('large', 80)
    const small = enter('small', 1)
    await soon()
    // the small one would fit, but does not overtake the large one
    expect(order).toEqual(['a'])
    expect(memory.stats.waitingCalls).toBe(2)
    a()
    a() // a second release changes nothing
    await soon()
    expect(order).toEqual(['a', 'large', 'small'])
    ;(await large)()
    ;(await small)()
    expect(memory.stats).toMatchObject({ results: 0, waitingCalls: 0 })
  })

  it('a long text holds its context for as long as its call runs', async () => {
    const memory = budget(300 * MB)
    const long = await memory.admit({ results: 0, longest: 1200 })
    let entered = false
    const other = memory.admit({ results: 30 * MB, longest: 1 }).then((release) => {
      entered = true
      return release
    })
    await soon()
    expect(entered).toBe(false)
    long()
    ;(await other)()
  })

  it('who leaves while waiting rejects with the reason, and lets the next one in', async () => {
    const memory = budget(300 * MB)
    const a = await memory.admit({ results: 60 * MB, longest: 1 })
    const controller = new AbortController()
    const gone = memory.admit({ results: 80 * MB, longest: 1 }, controller.signal)
    const next = memory.admit({ results: 1 * MB, longest: 1 })
    const reason = new Error('enough')
    controller.abort(reason)
    await expect(gone).rejects.toBe(reason)
    ;(await next)()
    a()
    const aborted = memory.admit({ results: 1, longest: 1 }, AbortSignal.abort(reason))
    await expect(aborted).rejects.toBe(reason)
  })

  it('says what a call alone would take', () => {
    const needs = { results: 10 * MB, longest: 200 }
    expect(budget(300 * MB).peakOf(needs)).toBe((64 + 100 + 15 + 20) * MB)
  })
})
