import { describe, expect, it } from 'vitest'
import { reportProgress } from '../../lib/common/progress.js'
import type { Progress } from '../../lib/common/types.js'

/** A clock that the test moves. */
class Clock {
  ms = 0
  now = () => this.ms
}

describe('reportProgress', () => {
  it('counts texts and tokens', () => {
    const seen: Progress[] = []
    const clock = new Clock()
    const step = reportProgress(
      (p) => seen.push(p),
      4,
      () => {},
      { now: clock.now },
    )
    for (let i = 0; i < 4; i++) {
      clock.ms += 500
      step(10)
    }
    expect(seen.map(({ done, total, tokens }) => [done, total, tokens])).toEqual([
      [1, 4, 10],
      [2, 4, 20],
      [3, 4, 30],
      [4, 4, 40],
    ])
    for (const { rate } of seen) expect(rate).toBeCloseTo(2, 6)
    expect(seen.map(({ eta }) => eta)).toEqual([1.5, 1, 0.5, 0])
  })

  it('follows the speed of late, not the mean since the start', () => {
    let last: Progress | undefined
    const clock = new Clock()
    const step = reportProgress(
      (p) => (last = p),
      2000,
      () => {},
      { now: clock.now },
    )
    for (let i = 0; i < 1000; i++) {
      clock.ms += 100
      step(1)
    }
    expect(last?.rate).toBeCloseTo(10, 3)
    for (let i = 0; i < 60; i++) {
      clock.ms += 1000
      step(1)
    }
    // the mean would be 6.6
    expect(last?.rate).toBeGreaterThan(0.95)
    expect(last?.rate).toBeLessThan(1.1)
    expect(last?.eta).toBeCloseTo(940 / (last?.rate as number), 6)
  })

  it('tells the time left from tokens where they are known', () => {
    let last: Progress | undefined
    const clock = new Clock()
    const details = { now: clock.now, totalTokens: 1100 }
    const step = reportProgress(
      (p) => (last = p),
      2,
      () => {},
      details,
    )
    clock.ms += 1000
    step(100)
    expect(last?.eta).toBeCloseTo(10, 6)
  })

  it('knows no end of a stream', () => {
    let last: Progress | undefined
    reportProgress(
      (p) => (last = p),
      null,
      () => {},
    )(5)
    expect(last).toMatchObject({ done: 1, total: null, eta: null })
    expect(last?.rate).toBeGreaterThan(0)
  })

  it('does not let a slow listener take more than a tenth of the time', () => {
    const clock = new Clock()
    const seen: number[] = []
    const slow = ({ done }: Progress) => {
      seen.push(done)
      clock.ms += 90
    }
    const step = reportProgress(slow, 10_000, () => {}, { now: clock.now })
    for (let i = 0; i < 9_999; i++) {
      clock.ms += 1
      step(1)
    }
    expect(seen.length).toBeLessThan(20)
    expect(seen.length).toBeGreaterThan(5)
    step(1)
    expect(seen.at(-1)).toBe(10_000)
    const told = seen.length
    step.finish()
    expect(seen.length).toBe(told)
  })

  it('tells at the end what it kept back', () => {
    const clock = new Clock()
    const seen: number[] = []
    const slow = ({ done }: Progress) => {
      seen.push(done)
      clock.ms += 90
    }
    const step = reportProgress(slow, null, () => {}, { now: clock.now })
    for (let i = 0; i < 5; i++) step(1)
    expect(seen).toEqual([1])
    step.finish()
    expect(seen).toEqual([1, 5])
  })

  it('reports what the listener throws or rejects with, once, and goes on', async () => {
    const errors: unknown[] = []
    let calls = 0
    const step = reportProgress(
      () => {
        calls++
        throw new RangeError('x')
      },
      3,
      (error) => errors.push(error),
    )
    for (let i = 0; i < 3; i++) step(1)
    expect(calls).toBeGreaterThanOrEqual(2)
    expect(errors).toHaveLength(1)
    const rejecting = reportProgress(
      (async () => {
        throw new RangeError('y')
      }) as () => void,
      1,
      (error) => errors.push(error),
    )
    rejecting(1)
    await new Promise((resolve) => setImmediate(resolve))
    expect(errors).toHaveLength(2)
  })

  it('does nothing without a listener', () => {
    const step = reportProgress(undefined, 3, () => {})
    step(1)
    step.finish()
  })
})
