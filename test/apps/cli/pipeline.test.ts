import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { mapAhead, windows } from '../../../lib/apps/cli/shared/pipeline.js'
import { InvalidInputError } from '../../../lib/common/errors.js'
import type { InputItem } from '../../../lib/integrations/files/items.js'
import { until } from '../../helpers/until.js'

async function* from<T>(...values: T[]): AsyncGenerator<T> {
  yield* values
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const value of source) found.push(value)
  return found
}

describe('windows', () => {
  const item = (index: number, text: string): InputItem => ({ id: index, index, end: 0, text })
  const indices = async (groups: InputItem[][], limits: { items: number; units: number }) =>
    (await collect(windows(from(...groups), limits))).map((window) =>
      window.map(({ index }) => index),
    )

  it('hold so many items', async () => {
    const group = [0, 1, 2, 3, 4].map((i) => item(i, 'x'))
    expect(await indices([group], { items: 2, units: 100 })).toEqual([[0, 1], [2, 3], [4]])
  })

  it('hold so much text, or one text that is longer', async () => {
    const group = ['aa', 'aa', 'a'.repeat(9), 'a', 'aaa', 'a'].map((text, i) => item(i, text))
    expect(await indices([group], { items: 9, units: 4 })).toEqual([[0, 1], [2], [3, 4], [5]])
  })

  it('end with their group', async () => {
    const groups = [[item(0, 'a')], [], [item(1, 'b'), item(2, 'c')]]
    expect(await indices(groups, { items: 9, units: 9 })).toEqual([[0], [1, 2]])
  })

  it('count places without a text as items', async () => {
    const broken = { id: 0, index: 0, end: 0, error: new InvalidInputError('') }
    expect(await indices([[broken, item(1, 'a'), broken]], { items: 2, units: 9 })).toEqual([
      [0, 1],
      [0],
    ])
  })
})

describe('mapAhead', () => {
  it('keeps the order, whoever ends first', async () => {
    const delays = [30, 1, 20, 1, 1, 10]
    const results = await collect(
      mapAhead(from(...delays.keys()), 3, async (i) => {
        await sleep(delays[i])
        return i
      }),
    )
    expect(results).toEqual([0, 1, 2, 3, 4, 5])
  })

  it('has so many calls under way, and no more', async () => {
    let running = 0
    let most = 0
    const work = async () => {
      most = Math.max(most, ++running)
      await sleep(2)
      running--
    }
    await collect(mapAhead(from(...Array(20).keys()), 4, work))
    expect(most).toBe(4)
  })

  it('reads no further than it works', async () => {
    let read = 0
    async function* source() {
      for (;;) yield read++
    }
    for await (const value of mapAhead(source(), 3, async (i) => i)) {
      if (value === 10) break
    }
    expect(read).toBeLessThanOrEqual(15)
  })

  it('hands out a result while the source is silent', async () => {
    let answer = () => {}
    async function* source() {
      yield 1
      await new Promise<void>((resolve) => {
        answer = resolve
      })
      yield 2
    }
    const results: number[] = []
    for await (const value of mapAhead(source(), 4, async (i) => i)) {
      results.push(value)
      answer()
    }
    expect(results).toEqual([1, 2])
  })

  it('gives what came before an error of the source, and then the error', async () => {
    async function* source() {
      yield 1
      yield 2
      throw new Error('torn')
    }
    const results: number[] = []
    await expect(async () => {
      const slow = async (i: number) => {
        await sleep(20)
        return i
      }
      for await (const value of mapAhead(source(), 4, slow)) results.push(value)
    }).rejects.toThrow('torn')
    expect(results).toEqual([1, 2])
  })

  it('ends with the first error of the work, and leaves no rejection unhandled', async () => {
    const unhandled: unknown[] = []
    const listen = (error: unknown) => unhandled.push(error)
    process.on('unhandledRejection', listen)
    const results: number[] = []
    await expect(async () => {
      const work = async (i: number) => {
        if (i > 0) throw new Error(`no ${i}`)
        await sleep(5)
        return i
      }
      for await (const value of mapAhead(from(0, 1, 2, 3), 4, work)) results.push(value)
    }).rejects.toThrow('no 1')
    await sleep(20)
    process.off('unhandledRejection', listen)
    expect(results).toEqual([0])
    expect(unhandled).toEqual([])
  })

  it('leaves the source when nobody wants more', async () => {
    let closed = false
    async function* source() {
      try {
        for (let i = 0; ; i++) yield i
      } finally {
        closed = true
      }
    }
    for await (const _ of mapAhead(source(), 2, async (i) => i)) break
    await until(() => closed)
  })
})
