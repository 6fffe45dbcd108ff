import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RunRecorder } from '../../../lib/apps/cli/shared/run-record.js'
import { InputTooLongError } from '../../../lib/common/errors.js'

// the recorder's clock is Node's own, whatever a realm does to its globals: here it is the faked one
vi.mock('../../../lib/common/timers.js', () => ({
  performance: { now: () => globalThis.performance.now() },
  setInterval: (...args: Parameters<typeof setInterval>) => globalThis.setInterval(...args),
  clearInterval: (timer: NodeJS.Timeout) => globalThis.clearInterval(timer),
}))

const about = {
  command: 'embed',
  loadMs: 12.3456,
  skipped: 4,
  retries: 2,
  interrupted: false,
  model: {},
  options: {},
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance', 'Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('RunRecorder', () => {
  it('counts, and samples every second', () => {
    const recorder = new RunRecorder()
    recorder.add({ tokenCount: 10, cached: true, timings: { tokenizeMs: 1, queueMs: 2 } })
    recorder.add(new InputTooLongError('long', { tokenCount: 9, maxTokens: 8 }))
    vi.advanceTimersByTime(1000)
    recorder.add({ tokenCount: 30, cached: false, timings: { tokenizeMs: 3, queueMs: 5 } })
    vi.advanceTimersByTime(1500)
    const record = recorder.finish(about, 123.4)
    expect(record).toMatchObject({
      seconds: 2.5,
      texts: 3,
      tokens: 40,
      failures: 1,
      failuresByCode: { INPUT_TOO_LONG: 1 },
      command: 'embed',
      loadMs: 12.346,
      skipped: 4,
      retries: 2,
      textsPerSecond: 1.2,
      tokensPerSecond: 16,
      interrupted: false,
      cached: 1,
      cacheHitRate: 0.5,
      stages: { tokenizeMs: 4, queueMs: 7, computeMs: 123.4 },
    })
    expect(record.peakRssBytes).toBeGreaterThan(20e6)
    expect(new Date(record.startedAt).toISOString()).toBe(record.startedAt)
    expect(
      record.timeline.map(({ rssBytes, ...rest }) => (rssBytes > 1e6 ? rest : rssBytes)),
    ).toEqual([
      { seconds: 1, texts: 2, tokens: 10, textsPerSecond: 2, tokensPerSecond: 10, cached: 1 },
      { seconds: 2, texts: 3, tokens: 40, textsPerSecond: 1, tokensPerSecond: 30, cached: 1 },
      { seconds: 2.5, texts: 3, tokens: 40, textsPerSecond: 0, tokensPerSecond: 0, cached: 1 },
    ])
  })

  it('counts batches once, and what the engine says of their texts beside', () => {
    const recorder = new RunRecorder()
    vi.advanceTimersByTime(5000)
    recorder.restart()
    for (const cached of [true, false]) {
      recorder.shared({ tokenCount: 10, cached, timings: { tokenizeMs: 1, queueMs: 2 } })
    }
    recorder.batch({
      texts: 3,
      stored: 1,
      tokens: 10,
      phases: { embedMs: 5, writeMs: 2 },
      failed: { 'STORE 23514': 1, INPUT_TOO_LONG: 1 },
    })
    recorder.batch({ texts: 1, stored: 1, tokens: 4, phases: { embedMs: 1.5 }, failed: {} })
    vi.advanceTimersByTime(2000)
    expect(recorder.finish(about, 8)).toMatchObject({
      seconds: 2,
      texts: 4,
      tokens: 14,
      failures: 2,
      failuresByCode: { 'STORE 23514': 1, INPUT_TOO_LONG: 1 },
      cached: 1,
      stages: { tokenizeMs: 2, queueMs: 4, computeMs: 8 },
      phases: { embedMs: 6.5, writeMs: 2 },
    })
  })

  it('keeps a day to a few thousand samples, evenly spread, that add up', () => {
    const recorder = new RunRecorder()
    for (let second = 0; second < 86_400; second++) {
      recorder.add({ tokenCount: 7 })
      vi.advanceTimersByTime(1000)
    }
    const { timeline, tokens } = recorder.finish(about)
    expect(timeline.length).toBeGreaterThan(1500)
    expect(timeline.length).toBeLessThan(3600)
    let before = 0
    let sum = 0
    for (const sample of timeline) {
      sum += sample.tokensPerSecond * (sample.seconds - before)
      before = sample.seconds
    }
    expect(sum).toBeCloseTo(tokens, -2)
    for (const sample of timeline.slice(0, -1)) expect(sample.tokensPerSecond).toBeCloseTo(7, 5)
  })
})
