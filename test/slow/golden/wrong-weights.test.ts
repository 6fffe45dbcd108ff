/** The golden comparisons fail on weights that are not bge-m3's, so passing them means something. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../../lib/index.js'
import {
  type Comparison,
  compareLexicalWeights,
  compareScores,
  failures,
  golden,
  passes,
} from '../../golden/compare.js'
import { root, run } from '../../helpers/child.js'
import { standinPath } from '../../helpers/standins.js'

const HEADS = join(root, 'test/fixtures/heads')
let model: string
let m3: Embedder

beforeAll(async () => {
  model = await standinPath({ size: 'small' })
  m3 = await Embedder.load({ model, heads: HEADS, cache: false })
})

afterAll(() => m3.dispose())

describe('a stand-in with the official heads', () => {
  it('fails on the lexical weights of every text', async () => {
    const comparisons = await compareLexicalWeights(m3)
    const expected = golden.lexical_weights.reduce(
      (sum, { weights }) => sum + Object.keys(weights).length,
      0,
    )
    expect(comparisons.length).toBeGreaterThanOrEqual(expected)
    expect(failures(comparisons).length).toBeGreaterThan(expected / 2)
    const cosines = comparisons.filter(({ what }) => what.startsWith('cosine'))
    expect(cosines).toHaveLength(golden.lexical_weights.length - 1)
    expect(cosines.filter(passes)).toEqual([])
  })

  it('fails on dense, lexical and ColBERT scores', async () => {
    const comparisons = await compareScores(m3)
    expect(comparisons).toHaveLength(8)
    const failed = comparisons.filter((one) => !passes(one)).map(({ what }) => what)
    for (const kind of ['dense score', 'lexical', 'ColBERT']) {
      expect(
        failed.filter((what) => what.startsWith(kind)),
        kind,
      ).not.toEqual([])
    }
    expect(failed.length).toBeGreaterThanOrEqual(6)
  })
})

describe('the comparisons', () => {
  const exact: Comparison = { what: 'a', expected: 0.5, found: 0.5, tolerance: 0.02 }
  it('pass what is within the tolerance, and nothing else', () => {
    expect(failures([exact, { ...exact, found: 0.519 }])).toEqual([])
    expect(
      failures([
        { ...exact, found: 0.521 },
        { ...exact, found: 0.4 },
      ]),
    ).toHaveLength(2)
    expect(failures([{ ...exact, found: Number.NaN }])).toHaveLength(1)
  })
})

describe('npm run test:golden', () => {
  let directory: string
  let config: string

  // without the global setup, which builds
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'bge-m3-golden-'))
    config = join(directory, 'vitest.config.mjs')
    const include = ['test/golden/golden.test.ts']
    await writeFile(config, `export default ${JSON.stringify({ root, test: { include } })}`)
  })

  afterAll(() => rm(directory, { recursive: true, force: true }))

  function vitest(env: NodeJS.ProcessEnv) {
    const outer = Object.entries(process.env).filter(([name]) => !/^VITEST|^BGE_M3_M/.test(name))
    const args = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--config', config]
    return run(process.execPath, args, {
      env: { ...Object.fromEntries(outer), NO_COLOR: '1', ...env },
      deadline: 120_000,
    })
  }

  it('is skipped loudly without weights and with a stand-in', async () => {
    for (const [env, why] of [
      [{}, 'BGE_M3_MODEL is not set'],
      [{ BGE_M3_MODEL: model }, 'is a stand-in'],
    ] as const) {
      const end = await vitest(env)
      expect(end, end.stderr).toMatchObject({ code: 0, timedOut: false })
      expect(end.stdout + end.stderr).toContain('GOLDEN TESTS SKIPPED')
      expect(end.stdout + end.stderr).toContain(why)
      expect(end.stdout).toMatch(/2 skipped/)
    }
  })

  it('fails when it is forced onto a stand-in', async () => {
    const end = await vitest({ BGE_M3_MODEL: model, BGE_M3_GOLDEN_FORCE: '1' })
    expect(end.timedOut).toBe(false)
    expect(end.code).toBe(1)
    expect(end.stdout).toMatch(/2 failed/)
  })
})
