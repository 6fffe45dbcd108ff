/**
 * The scheduler's ways with failures. The session is one that fails on purpose, which the real one
 * does not do on demand; everything else about the scheduler is tested through the embedder.
 */
import { describe, expect, it } from 'vitest'
import { DisposedError } from '../../../lib/common/errors.js'
import type { Outcome } from '../../../lib/engine/scheduler/outcome.js'
import { Scheduler } from '../../../lib/engine/scheduler/scheduler.js'
import type { NativeBatchResult, NativeSession } from '../../../lib/native/addon.js'

interface Run {
  id: number
  lengths: number[]
  resolve(): void
  reject(code: string): void
}

/** A session whose batches end when the test says so. */
class Session implements NativeSession {
  runs: Run[] = []
  withdrawn: number[] = []
  cancelled: number[] = []
  started = 0
  /** Texts that begin with it give NaN. */
  spoiled: number | undefined
  run(id: number, tokens: Int32Array, lengths: Uint32Array): Promise<NativeBatchResult> {
    return new Promise((resolve, reject) => {
      const pooled = new Float32Array(lengths.length * 2)
      let at = 0
      lengths.forEach((length, i) => {
        pooled[2 * i] = tokens[at] as number
        pooled[2 * i + 1] = length
        at += length
      })
      this.runs.push({
        id,
        lengths: [...lengths],
        resolve: () => {
          const bad = (value: number, i: number) => i % 2 === 0 && value === this.spoiled
          const given = pooled.map((value, i) => (bad(value, i) ? Number.NaN : value))
          resolve({ pooled: given, queueMs: 0, computeMs: 1 })
        },
        reject: (code) => reject(Object.assign(new Error(code), { code })),
      })
    })
  }
  cancel(id: number): void {
    this.cancelled.push(id)
  }
  withdraw(id: number): boolean {
    // the first one that is left runs
    if (this.runs[0]?.id === id) return false
    this.withdrawn.push(id)
    const run = this.runs.find((one) => one.id === id)
    this.runs = this.runs.filter((one) => one !== run)
    run?.reject('CANCELLED')
    return true
  }
  contextBytes = () => 0
  stats = () => ({ threads: 1, contextTokens: 0, contextBytes: 0 })
  release = () => Promise.resolve()
  /** Ends the batch that runs. */
  async end(how: 'ok' | string = 'ok'): Promise<number[]> {
    const run = this.runs.shift() as Run
    if (how === 'ok') run.resolve()
    else run.reject(how)
    await new Promise((resolve) => setImmediate(resolve))
    return run.lengths
  }
}

function setUp({ retry = 1, batchTokens = 100, inFlight = 2 } = {}) {
  const session = new Session()
  const scheduler = new Scheduler(session, {
    dim: 2,
    heads: null,
    batchTokens,
    targetMs: 1e9,
    inFlight,
    retry,
  })
  const submit = (
    texts: number[][],
    priority: 'interactive' | 'bulk' = 'interactive',
    signal?: AbortSignal,
  ) => {
    const outcomes = new Map<number, Outcome>()
    const job = scheduler.open(
      { outputs: 1, priority, onOutcome: (index, outcome) => outcomes.set(index, outcome) },
      signal,
    )
    texts.forEach((ids, index) => {
      scheduler.add(job, index, Int32Array.from(ids))
    })
    scheduler.start(job)
    return { outcomes, end: job.end(), job }
  }
  return { session, scheduler, submit }
}

/** A text of so many tokens that starts with `first`. */
const text = (first: number, length: number) => [first, ...Array(length - 1).fill(7)]
const pooledOf = (outcome: Outcome | undefined) =>
  outcome && 'pooled' in outcome ? [...outcome.pooled] : outcome?.error.code

describe('failures', () => {
  it('tries the texts of a failed batch again alone, so that the bad one fails by itself', async () => {
    const { session, submit, scheduler } = setUp()
    const { outcomes, end } = submit([text(1, 10), text(2, 10), text(3, 10)])
    expect(await session.end('INFERENCE')).toEqual([10, 10, 10])
    expect(await session.end()).toEqual([10])
    expect(await session.end('INFERENCE')).toEqual([10])
    await session.end()
    await end
    expect([0, 1, 2].map((i) => pooledOf(outcomes.get(i)))).toEqual([[1, 10], 'INFERENCE', [3, 10]])
    expect(scheduler.stats).toMatchObject({ failures: 1, retries: 3 })
  })

  it.each([0, 1, 3])('tries a text that was alone %i times more', async (retry) => {
    const { session, submit } = setUp({ retry })
    const { outcomes, end } = submit([text(1, 5)])
    for (let i = 0; i <= retry; i++) await session.end('INFERENCE')
    await end
    expect(session.runs).toEqual([])
    expect(pooledOf(outcomes.get(0))).toBe('INFERENCE')
  })

  it('makes smaller batches for a while when memory ran out', async () => {
    const { session, submit, scheduler } = setUp({ batchTokens: 512 })
    const { end } = submit([text(1, 200), text(2, 200)])
    await session.end('MEMORY_LIMIT')
    expect(scheduler.batchTokens).toBe(256)
    await session.end()
    await session.end()
    await end
    submit([text(3, 200), text(4, 200)])
    expect(session.runs.map((run) => run.lengths)).toEqual([[200], [200]])
  })

  it('a caller that throws at an outcome is told once, and loses its own call alone', async () => {
    const { session, scheduler, submit } = setUp()
    const seen: number[] = []
    const job = scheduler.open({
      outputs: 1,
      priority: 'interactive',
      onOutcome: (index) => {
        seen.push(index)
        throw new Error('broken')
      },
    })
    scheduler.add(job, 0, Int32Array.from([1]))
    scheduler.add(job, 1, Int32Array.from([2]))
    const other = submit([text(1, 1), text(3, 1)])
    scheduler.start(job)
    const told = expect(job.end()).rejects.toMatchObject({ code: 'INFERENCE', message: 'broken' })
    await session.end()
    await told
    await session.end()
    await other.end
    expect(seen).toHaveLength(1)
    expect([...other.outcomes.values()].every((outcome) => 'pooled' in outcome)).toBe(true)
    expect(scheduler.pending).toBe(0)
  })

  it('a caller that throws at a batch loses its own call alone', async () => {
    const { session, scheduler } = setUp()
    const job = scheduler.open({
      outputs: 1,
      priority: 'interactive',
      onOutcome: () => {},
      onBatch: () => {
        throw new Error('broken')
      },
    })
    scheduler.add(job, 0, Int32Array.from([1]))
    scheduler.start(job)
    const told = expect(job.end()).rejects.toMatchObject({ code: 'INFERENCE' })
    await session.end()
    await told
    expect(scheduler.pending).toBe(0)
  })

  it('a vector that is not finite is tried again, alone, and is that text’s failure alone', async () => {
    const { session, submit } = setUp()
    session.spoiled = 1
    const { outcomes, end } = submit([text(1, 10), text(2, 10)])
    expect(await session.end()).toEqual([10, 10])
    expect(pooledOf(outcomes.get(1))).toEqual([2, 10])
    expect(outcomes.has(0)).toBe(false)
    expect(await session.end()).toEqual([10])
    await end
    expect(pooledOf(outcomes.get(0))).toBe('INFERENCE')
    expect(session.runs).toHaveLength(0)
  })
})

describe('identical texts', () => {
  it('are computed once, each caller with arrays of its own', async () => {
    const { session, submit, scheduler } = setUp()
    const a = submit([text(1, 10), text(1, 10), text(2, 10)])
    const b = submit([text(1, 10)])
    // a's batch holds two texts, b's waits for it
    expect(await session.end()).toEqual([10, 10])
    await Promise.all([a.end, b.end])
    expect(scheduler.stats).toMatchObject({ texts: 2, shared: 2 })
    const arrays = [a.outcomes.get(0), a.outcomes.get(1), b.outcomes.get(0)].map(
      (outcome) => (outcome as { pooled: Float32Array }).pooled,
    )
    expect(arrays.map((array) => [...array])).toEqual([
      [1, 10],
      [1, 10],
      [1, 10],
    ])
    expect(new Set(arrays.map((array) => array.buffer)).size).toBe(3)
  })

  it('a caller that leaves does not take them along', async () => {
    const { session, submit } = setUp()
    const controller = new AbortController()
    const gone = submit([text(1, 90), text(2, 90), text(3, 90)], 'interactive', controller.signal)
    const stays = submit([text(3, 90)])
    controller.abort(new Error('left'))
    await expect(gone.end).rejects.toThrow('left')
    // the two that were handed over run for nobody, and are told to stop
    expect(session.cancelled).toHaveLength(2)
    await session.end('CANCELLED')
    await session.end('CANCELLED')
    await session.end()
    await stays.end
    expect(pooledOf(stays.outcomes.get(0))).toEqual([3, 90])
    expect(session.runs).toEqual([])
  })
})

describe('who goes first', () => {
  it('takes the waiting batch of bulk work back for a query', async () => {
    const { session, submit } = setUp()
    const bulk = submit([text(1, 90), text(2, 90), text(3, 90)], 'bulk')
    expect(session.runs).toHaveLength(2)
    const query = submit([text(9, 5)])
    await new Promise((resolve) => setImmediate(resolve))
    expect(session.withdrawn).toHaveLength(1)
    expect(await session.end()).toEqual([90])
    expect(await session.end()).toEqual([5])
    await query.end
    await session.end()
    await session.end()
    await bulk.end
    expect([0, 1, 2].map((i) => pooledOf(bulk.outcomes.get(i)))).toEqual([
      [1, 90],
      [2, 90],
      [3, 90],
    ])
  })

  it('takes it back for a new caller as well, when its own caller has more to do', async () => {
    const { session, submit } = setUp()
    submit([text(1, 90), text(2, 90), text(3, 90)])
    submit([text(9, 5)])
    await new Promise((resolve) => setImmediate(resolve))
    expect(session.runs.map((run) => run.lengths)).toEqual([[90], [5, 90]])
  })

  it('does not take back the last text of a caller for another one’s only text', async () => {
    const { session, submit } = setUp()
    submit([text(1, 90)])
    submit([text(2, 90)])
    submit([text(3, 90)])
    expect(session.withdrawn).toEqual([])
    expect(session.runs).toHaveLength(2)
  })
})

describe('the end', () => {
  it('close ends what waits and what runs with DisposedError, and refuses more', async () => {
    const { submit, scheduler } = setUp()
    const work = submit([text(1, 90), text(2, 90), text(3, 90)])
    scheduler.close()
    await expect(work.end).rejects.toBeInstanceOf(DisposedError)
    expect(scheduler.pending).toBe(0)
    expect(() => scheduler.open({ outputs: 1, priority: 'bulk', onOutcome: () => {} })).toThrow(
      DisposedError,
    )
  })

  it('a job without texts ends at once', async () => {
    await setUp().submit([]).end
  })

  it('an aborted signal opens no job', () => {
    const reason = new Error('no')
    expect(() => setUp().submit([[1]], 'bulk', AbortSignal.abort(reason))).toThrow(reason)
  })
})
