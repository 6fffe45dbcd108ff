import { describe, expect, it } from 'vitest'
import { BatchSize } from '../../../lib/engine/scheduler/batch-size.js'

describe('the size of a batch', () => {
  it('is what was asked for while nothing is known, and on a fast machine', () => {
    const size = new BatchSize(512, 1000)
    expect(size.tokens).toBe(512)
    for (let i = 0; i < 50; i++) size.ran(512, 500)
    expect(size.tokens).toBe(512)
  })

  it('shrinks on a slow machine, so that nobody waits for long, but not below 64', () => {
    const size = new BatchSize(512, 1000)
    for (let i = 0; i < 100; i++) size.ran(512, 5120)
    expect(size.tokens).toBeCloseTo(100, -1)
    for (let i = 0; i < 100; i++) size.ran(512, 512_000)
    expect(size.tokens).toBe(64)
  })

  it('does not judge speed by tiny batches', () => {
    const size = new BatchSize(512, 1000)
    for (let i = 0; i < 100; i++) size.ran(3, 300)
    expect(size.tokens).toBe(512)
  })

  it('halves when memory ran out, and comes back after a while', () => {
    const size = new BatchSize(512, Number.POSITIVE_INFINITY)
    size.outOfMemory()
    expect(size.tokens).toBe(256)
    for (let i = 0; i < 10; i++) size.outOfMemory()
    expect(size.tokens).toBe(64)
    for (let i = 0; i < 16 * 3; i++) size.ran(64, 1)
    expect(size.tokens).toBe(512)
  })

  it('keeps to a small budget that was asked for', () => {
    const size = new BatchSize(16, 1000)
    size.outOfMemory()
    expect(size.tokens).toBe(16)
  })
})
