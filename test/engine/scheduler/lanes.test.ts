/** Whose turn it is: pure, so every rule is checked on its own. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Entry, Job, type Priority } from '../../../lib/engine/scheduler/job.js'
import { Lanes } from '../../../lib/engine/scheduler/lanes.js'

let next = 0

function entry(job: Job, tokens: number): Entry {
  const index = next++
  const made: Entry = {
    key: String(index),
    ids: new Int32Array(tokens),
    outputs: job.outputs,
    waiters: [{ job, index, since: 0 }],
    state: 'waiting',
    failures: 0,
  }
  job.push(made)
  return made
}

function jobOf(lanes: Lanes, lengths: number[], priority: Priority = 'interactive', outputs = 1) {
  const job = new Job({ outputs, priority, onOutcome: () => {} })
  const entries = lengths.map((tokens) => entry(job, tokens))
  lanes.enter(job)
  return { job, entries }
}

const LIMITS = { tokens: 100, texts: 8 }
const lengths = (entries: readonly Entry[]) => entries.map(({ ids }) => ids.length)
const owners = (entries: readonly Entry[]) => entries.map(({ waiters }) => waiters[0]?.job)

describe('lanes', () => {
  it('fills a batch up to its tokens and its texts', () => {
    const lanes = new Lanes()
    jobOf(lanes, [40, 40, 40, ...Array(20).fill(1)])
    const { entries } = lanes.nextBatch(LIMITS)
    // the third 40 does not fit, shorter ones behind it do
    expect(lengths(entries)).toEqual([40, 40, 1, 1, 1, 1, 1, 1])
    expect(lengths(lanes.nextBatch(LIMITS).entries)).toEqual([40, ...Array(7).fill(1)])
  })

  it('takes a text that is longer than a batch alone', () => {
    const lanes = new Lanes()
    jobOf(lanes, [500, 10])
    expect(lengths(lanes.nextBatch(LIMITS).entries)).toEqual([500])
    expect(lengths(lanes.nextBatch(LIMITS).entries)).toEqual([10])
    expect(lanes.nextBatch(LIMITS).entries).toEqual([])
  })

  it('lets callers take turns, text by text', () => {
    const lanes = new Lanes()
    const a = jobOf(lanes, [20, 20, 20, 20])
    const b = jobOf(lanes, [20, 20, 20, 20])
    expect(owners(lanes.nextBatch(LIMITS).entries)).toEqual([a.job, b.job, a.job, b.job, a.job])
  })

  it('puts interactive work before bulk work, and never mixes them', () => {
    const lanes = new Lanes()
    const bulk = jobOf(lanes, [10, 10], 'bulk')
    const query = jobOf(lanes, [10])
    expect(owners(lanes.nextBatch(LIMITS).entries)).toEqual([query.job])
    expect(owners(lanes.nextBatch(LIMITS).entries)).toEqual([bulk.job, bulk.job])
  })

  it('puts a new caller before one that has had its turn', () => {
    const lanes = new Lanes()
    const million = jobOf(lanes, Array(1000).fill(50))
    lanes.nextBatch(LIMITS)
    const query = jobOf(lanes, [10])
    expect(owners(lanes.nextBatch(LIMITS).entries)[0]).toBe(query.job)
    expect(owners(lanes.nextBatch(LIMITS).entries)[0]).toBe(million.job)
  })

  it('starves nobody: work that was passed over for long goes first, and says so', () => {
    const lanes = new Lanes()
    const bulk = jobOf(lanes, [10, 10, 10], 'bulk')
    const order: boolean[] = []
    for (let i = 0; i < 20; i++) {
      jobOf(lanes, [10])
      const { entries, overdue } = lanes.nextBatch(LIMITS)
      const isBulk = owners(entries)[0] === bulk.job
      expect(overdue).toBe(isBulk)
      order.push(isBulk)
    }
    expect(order.indexOf(true)).toBe(8)
  })

  it('shares a batch among texts with the same outputs only', () => {
    const lanes = new Lanes()
    const dense = jobOf(lanes, [10, 10])
    const all = jobOf(lanes, [10, 10], 'interactive', 7)
    expect(owners(lanes.nextBatch(LIMITS).entries)).toEqual([dense.job, dense.job])
    expect(owners(lanes.nextBatch(LIMITS).entries)).toEqual([all.job, all.job])
  })

  it('drops what was computed for others, and what nobody waits for', () => {
    const lanes = new Lanes()
    const { entries } = jobOf(lanes, [10, 10, 10])
    ;(entries[0] as Entry).state = 'done'
    ;(entries[1] as Entry).waiters = []
    expect(lanes.nextBatch(LIMITS).entries).toEqual([entries[2]])
  })

  it('hands out every text exactly once, within the limits, whatever comes', () => {
    const jobs = fc.array(
      fc.record({
        lengths: fc.array(fc.integer({ min: 1, max: 150 }), { minLength: 1, maxLength: 40 }),
        bulk: fc.boolean(),
        outputs: fc.constantFrom(1, 3, 7),
      }),
      { minLength: 1, maxLength: 8 },
    )
    fc.assert(
      fc.property(jobs, (given) => {
        const lanes = new Lanes()
        const all = given.flatMap(
          ({ lengths: tokens, bulk, outputs }) =>
            jobOf(lanes, tokens, bulk ? 'bulk' : 'interactive', outputs).entries,
        )
        const seen = new Set<Entry>()
        for (;;) {
          const { entries } = lanes.nextBatch(LIMITS)
          if (entries.length === 0) break
          const sum = lengths(entries).reduce((total, n) => total + n, 0)
          expect(sum <= LIMITS.tokens || entries.length === 1).toBe(true)
          expect(entries.length).toBeLessThanOrEqual(LIMITS.texts)
          expect(new Set(entries.map((one) => one.outputs)).size).toBe(1)
          expect(new Set(owners(entries).map((job) => job?.priority)).size).toBe(1)
          for (const one of entries) {
            expect(seen.has(one)).toBe(false)
            seen.add(one)
          }
        }
        expect(seen.size).toBe(all.length)
      }),
      { numRuns: 200 },
    )
  })
})

describe('job', () => {
  it('waits for room until entries were taken', async () => {
    const lanes = new Lanes()
    const { job } = jobOf(lanes, [60, 60])
    let open = false
    const room = job.room(100).then(() => {
      open = true
    })
    await Promise.resolve()
    expect(open).toBe(false)
    lanes.nextBatch(LIMITS)
    await room
    expect(job.waitingTokens).toBe(60)
  })

  it('a cancelled job has room at once, and its end rejects with the reason', async () => {
    const lanes = new Lanes()
    const { job } = jobOf(lanes, [60, 60])
    const room = job.room(10)
    const reason = new Error('enough')
    job.cancel(reason)
    await room
    await expect(job.end()).rejects.toBe(reason)
  })

  it('keeps its memory small when a long queue is worked off', () => {
    const lanes = new Lanes()
    const { job } = jobOf(lanes, Array(5000).fill(1))
    for (let i = 0; i < 500; i++) lanes.nextBatch({ tokens: 10, texts: 10 })
    expect(job.waiting).toBe(0)
    expect(job.hasWork).toBe(false)
  })
})
