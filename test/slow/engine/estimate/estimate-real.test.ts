/** Estimated seconds against measured ones. The machine may be shared, so medians decide, and it may be tried again. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../../../lib/index.js'
import { standinPath } from '../../../helpers/standins.js'
import { mixedTexts } from '../../../helpers/texts.js'
import { TIMES } from '../../times.js'

/** Beside other work on two cores nobody's time can be foretold: there it is the magnitude. */
const [LEAST, MOST] = TIMES >= 10 ? [0.75, 1.25] : [0.2, 5]
const TRIES = 4
const ROUNDS = 3
const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] as number

/** Short and long, one after the other. */
function lengthsMixed(count: number): string[] {
  return mixedTexts(count).map((text, i) => (i % 3 === 0 ? text.slice(0, 40 + i) : text))
}

/** Estimated over measured seconds, in turns: the median. */
async function ratio(m3: Embedder, texts: readonly string[]): Promise<number> {
  const ratios: number[] = []
  for (let i = 0; i < ROUNDS; i++) {
    const { seconds } = await m3.estimate(texts)
    const started = performance.now()
    await m3.embed(texts)
    ratios.push(seconds / ((performance.now() - started) / 1000))
  }
  return median(ratios)
}

async function expectRight(m3: Embedder, texts: readonly string[]): Promise<void> {
  const seen: number[] = []
  for (let i = 0; i < TRIES; i++) {
    seen.push(await ratio(m3, texts))
    const last = seen.at(-1) as number
    if (last >= LEAST && last <= MOST) return
  }
  expect.fail(`estimated over measured: ${seen.map((r) => r.toFixed(2)).join(', ')}`)
}

describe.each([
  ['tiny', 240],
  ['small', 24],
] as const)('estimate on %s', (size, count) => {
  let m3: Embedder
  let cacheDir: string
  beforeAll(async () => {
    cacheDir = await mkdtemp(join(tmpdir(), 'bge-m3-estimate-'))
    // two threads that wait for each other feel every other program
    const model = await standinPath({ size })
    m3 = await Embedder.load({ model, cache: false, cacheDir, threads: 1 })
  })
  afterAll(async () => {
    await m3.dispose()
    await rm(cacheDir, { recursive: true })
  })

  it('is right when nothing ran yet', async () => {
    await expectRight(m3, lengthsMixed(count))
  })

  it('stays right for other lengths than those that ran', async () => {
    const long = Array.from({ length: 3 }, (_, i) =>
      lengthsMixed(40 + i)
        .slice(-8)
        .join(' '),
    )
    await expectRight(
      m3,
      size === 'tiny' ? long.concat(long.map((t) => `${t}.`)) : long.slice(0, 1),
    )
    await expectRight(
      m3,
      mixedTexts(count * 2).map((text) => text.slice(0, 30)),
    )
  })
})
