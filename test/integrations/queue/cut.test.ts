/** Cutting a corpus: whole, within budget, and the same every time. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BatchError, InferenceError } from '../../../lib/common/errors.js'
import { type CorpusItem, type CutOptions, cut } from '../../../lib/integrations/queue/cut.js'
import { IdSet } from '../../../lib/integrations/queue/id-set.js'
import { type NewJob, readJob } from '../../../lib/integrations/queue/job.js'

const counter = { countTokens: (texts: readonly string[]) => texts.map((text) => text.length + 2) }

async function cutAll(
  source: Iterable<CorpusItem> | AsyncIterable<CorpusItem>,
  options: CutOptions,
) {
  const jobs: NewJob[] = []
  const refused: { id: string; index: number; code: string }[] = []
  for await (const found of cut(source, counter, options)) {
    if ('job' in found) jobs.push(found.job)
    else {
      const { id, index, error } = found.refused
      refused.push({ id, index, code: error.code })
    }
  }
  return { jobs, refused }
}

async function* slowly<T>(items: Iterable<T>, pauses: readonly boolean[]): AsyncGenerator<T> {
  let i = 0
  for (const item of items) {
    if (pauses[i++ % pauses.length]) await new Promise((resolve) => setImmediate(resolve))
    yield item
  }
}

const texts = fc.array(fc.string({ unit: 'binary', maxLength: 60 }), { maxLength: 80 })

describe('cut', () => {
  it('keeps every chunk, in order, within the budget, and gives the same jobs again', async () => {
    const pauses = fc.array(fc.boolean(), { minLength: 1, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(
        texts,
        pauses,
        fc.integer({ min: 1, max: 200 }),
        async (all, when, budget) => {
          const options = { jobTokens: budget, maxTokens: 50 }
          const { jobs, refused } = await cutAll(all, options)
          expect(refused).toEqual([])
          const chunks = jobs.flatMap(
            ({ data }) => readJob(JSON.parse(JSON.stringify(data))).chunks,
          )
          expect(chunks).toEqual(all.map((text, i) => ({ id: String(i), text })))
          for (const { data } of jobs) {
            const sum = data.items.reduce((s, [, text]) => s + Math.min(50, text.length + 2), 0)
            expect(data.tokens).toBe(sum)
            if (data.items.length > 1) expect(sum).toBeLessThanOrEqual(budget)
          }
          const again = await cutAll(slowly(all, when), options)
          expect(again.jobs).toEqual(jobs)
          expect(new Set(jobs.map(({ id }) => id)).size).toBe(jobs.length)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('another text, id, order or metadata is another job', async () => {
    const id = async (items: CorpusItem[]) =>
      (await cutAll(items, { jobTokens: 1000, maxTokens: 50 })).jobs.map((job) => job.id).join()
    const a = { id: 'a', text: 'x' }
    const b = { id: 'b', text: 'y' }
    const all = [
      [a, b],
      [b, a],
      [a],
      [{ ...a, text: 'y' }],
      [{ ...a, metadata: {} }],
      [{ id: 'ax', text: '' }],
    ]
    const ids = await Promise.all(all.map(id))
    expect(new Set(ids).size).toBe(ids.length)
    expect(await id([a, b])).toBe(ids[0])
    for (const one of ids) expect(one).toMatch(/^j[0-9a-f]{32}/)
  })

  it('blank texts fill a job by their number', async () => {
    const { jobs } = await cutAll(Array(9000).fill(''), { jobTokens: 1_000_000, maxTokens: 50 })
    expect(jobs.map(({ data }) => data.items.length)).toEqual([4096, 4096, 808])
  })

  it('refuses what the counter cannot count, and passes on what it throws', async () => {
    const failing = {
      countTokens(texts: readonly string[]): number[] {
        const results = texts.map((text) => (text === 'bad' ? undefined : 5))
        const failures = [{ index: texts.indexOf('bad'), error: new InferenceError('no') }]
        throw new BatchError(failures, results)
      },
    }
    const found = []
    const options = { jobTokens: 100, maxTokens: 50 }
    for await (const one of cut(['fine', 'bad', 'too'], failing, options)) found.push(one)
    expect(found).toEqual([
      { refused: expect.objectContaining({ id: '1', index: 1 }) },
      { job: expect.objectContaining({ data: expect.objectContaining({ tokens: 10 }) }) },
    ])
    const broken = {
      countTokens: () => {
        throw new TypeError('broken')
      },
    }
    await expect(cut(['x'], broken, options).next()).rejects.toThrow('broken')
  })
})

describe('IdSet', () => {
  it('is a set', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 3 })), (ids) => {
        const set = new IdSet()
        const real = new Set<string>()
        for (const id of ids) {
          expect(set.add(id)).toBe(!real.has(id))
          real.add(id)
        }
        expect(set.size).toBe(real.size)
      }),
    )
  })

  it('grows', () => {
    const set = new IdSet()
    const ids = Array.from({ length: 20_000 }, (_, i) => `id ${i}`)
    expect(ids.filter((id) => set.add(id))).toHaveLength(20_000)
    expect(ids.filter((id) => set.add(id))).toHaveLength(0)
    // lone surrogates are ids like any other
    expect(set.add('\ud800')).toBe(true)
    expect(set.add('\ud801')).toBe(true)
  })
})
