import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { computeScore, Embedder } from '../../../lib/index.js'
import { tinyPath } from '../../helpers/standins.js'
import { writeHeadless } from './headless.js'
import { cli } from './run.js'

let model: string
let directory: string
let headless: string
beforeAll(async () => {
  model = await tinyPath()
  directory = await mkdtemp(path.join(tmpdir(), 'bge-m3-score-'))
  headless = path.join(directory, 'headless.gguf')
  await writeHeadless(model, headless)
})
afterAll(() => rm(directory, { recursive: true }))

const score = (args: string[], options?: Parameters<typeof cli>[1]) =>
  cli(['score', '--model', model, ...args], options)

const QUERY = 'What is the capital of France?'
const PASSAGES = ['Paris is the capital of France.', 'Bread is baked from flour.']

describe('score', () => {
  it("prints FlagEmbedding's five modes as JSON, as the library computes them", async () => {
    const { code, stdout, stderr } = await score([
      '--json',
      '-w',
      '0.4,0.2,0.4',
      QUERY,
      ...PASSAGES,
    ])
    expect(code).toBe(0)
    expect(stderr).toContain('is a stand-in')
    const report = JSON.parse(stdout)
    expect(report).toMatchObject({ model, weights: [0.4, 0.2, 0.4] })

    const embedder = await Embedder.load({ model })
    const outputs = { dense: true, sparse: true, colbert: true }
    const [query, ...passages] = await embedder.embed([QUERY, ...PASSAGES], { outputs })
    await embedder.dispose()
    expect(report.scores).toEqual(
      passages.map((passage, index) => ({
        index,
        ...computeScore(query as object, passage, { weights: [0.4, 0.2, 0.4] }),
      })),
    )
    expect(Object.keys(report.scores[0]).sort()).toEqual(
      ['colbert', 'colbert+sparse+dense', 'dense', 'index', 'sparse', 'sparse+dense'].sort(),
    )
  })

  it('prints a table for people, passages shortened to a line', async () => {
    const { stdout } = await score([QUERY, `one\ntwo\u001b[31m ${'long '.repeat(20)}`, 'short'])
    const [head, first, second, ...rest] = stdout.trimEnd().split('\n')
    expect(head).toMatch(
      /^ *colbert +sparse +dense +sparse\+dense +colbert\+sparse\+dense +passage$/,
    )
    expect(first).toMatch(/^( *-?\d\.\d{4}){5} {2}one two \[31m long long .*\.\.\.$/)
    expect(second).toMatch(/ {2}short$/)
    expect(rest).toEqual([])
  })

  it('scores dense only without heads, and says that weights do nothing', async () => {
    const args = ['score', '--model', headless, '-w', '1,2,3', '--json', QUERY, 'a']
    const { code, stdout, stderr } = await cli(args)
    expect(code).toBe(0)
    expect(Object.keys(JSON.parse(stdout).scores[0])).toEqual(['index', 'dense'])
    expect(stderr).toContain('has no heads')
    const table = await cli(['score', '--model', headless, QUERY, 'a'])
    expect(table.stdout).toMatch(/^ *dense +passage\n/)
  })

  it('goes on after a passage that fails, but not after the query', async () => {
    const long = 'word '.repeat(50)
    const { code, stdout } = await score(['--max-tokens', '20', '--json', 'q', long, 'p'])
    expect(code).toBe(1)
    expect(JSON.parse(stdout).scores).toMatchObject([
      {
        index: 0,
        error: {
          code: 'INPUT_TOO_LONG',
          message: expect.stringMatching(/^The passage at index 0 has \d+ tokens/),
        },
      },
      { index: 1, dense: expect.any(Number) },
    ])
    const table = await score(['--max-tokens', '20', 'q', long, 'p'])
    expect(table.stdout).toMatch(/- {2}The passage at index 0 has/)

    const query = await score(['--max-tokens', '20', '--json', long, 'p'])
    expect(query.code).toBe(1)
    expect(query.stderr).toMatch(/bge-m3: The query has \d+ tokens/)
    expect(JSON.parse(query.stdout)).toMatchObject({ error: { code: 'INPUT_TOO_LONG' } })
  })

  it('refuses weights that are none, and missing arguments', async () => {
    for (const weights of ['1,2', '1,2,3,4', 'a,b,c', '-1,1,1', '0,0,0', '1,,1', 'Infinity,1,1']) {
      const { code, stderr } = await score([`--weights=${weights}`, 'q', 'p'])
      expect(stderr).toContain('--weights must be three numbers')
      expect(code).toBe(2)
    }
    expect(await score(['q'])).toMatchObject({ code: 2 })
    const json = await score(['--json'])
    expect(JSON.parse(json.stdout)).toEqual({
      error: { code: 'USAGE', message: "missing required argument 'query'" },
    })
  })
})
