import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { standinPath } from '../../helpers/standins.js'
import { cli, interruptible, jsonLines } from './run.js'

let model: string
let directory: string
beforeAll(async () => {
  model = await standinPath({ size: 'tiny' })
  directory = await mkdtemp(path.join(tmpdir(), 'bge-m3-tokenize-'))
})
afterAll(() => rm(directory, { recursive: true }))

const tokenize = (args: string[], options?: Parameters<typeof cli>[1]) =>
  cli(['tokenize', '--model', model, ...args], options)

describe('tokenize', () => {
  it("prints a line of the model's ids per text", async () => {
    const { code, stdout } = await tokenize(['What is BGE M3?', ''])
    // ids of the gold file
    expect(jsonLines(stdout)).toEqual([
      { id: 0, ids: [0, 4865, 83, 335, 11679, 276, 363, 32, 2], truncated: false },
      { id: 1, ids: [0, 2], truncated: false },
    ])
    expect(code).toBe(0)
  })

  it('prints the pieces and their places', async () => {
    const { stdout } = await tokenize(['--pieces', 'a  Hello'])
    expect(jsonLines(stdout)[0].pieces).toEqual([
      { piece: '<s>', start: 0, end: 0 },
      { piece: '▁a', start: 0, end: 1 },
      { piece: '▁Hello', start: 3, end: 8 },
      { piece: '</s>', start: 8, end: 8 },
    ])
  })

  it('has every gold id, read from JSONL', async () => {
    const gold = JSON.parse(
      await readFile(
        path.resolve(import.meta.dirname, '../../fixtures/tokenizer/xlmr-gold.json'),
        'utf8',
      ),
    ) as { cases?: { text: string; ids: number[] }[] } | { text: string; ids: number[] }[]
    const cases = (Array.isArray(gold) ? gold : (gold.cases ?? [])).filter(({ text }) =>
      (text as string & { isWellFormed(): boolean }).isWellFormed(),
    )
    expect(cases.length).toBeGreaterThan(20)
    const stdin = cases.map(({ text }, i) => JSON.stringify({ id: `c${i}`, text })).join('\n')
    const { stdout } = await tokenize([], { stdin })
    expect(jsonLines(stdout).map(({ id, ids }) => ({ id, ids }))).toEqual(
      cases.map(({ ids }, i) => ({ id: `c${i}`, ids })),
    )
  })

  it('has no limit of its own, and heeds the one it is given', async () => {
    const long = 'word '.repeat(9000)
    const free = jsonLines((await tokenize([long])).stdout)[0]
    expect(free.ids.length).toBeGreaterThan(8192)
    expect(free.truncated).toBe(false)

    const atModel = jsonLines((await tokenize(['--truncate', long, 'a'])).stdout)
    expect(atModel.map(({ ids, truncated }) => [ids.length, truncated])).toEqual([
      [8192, true],
      [3, false],
    ])

    const cut = await tokenize(['--max-tokens', '5', '--truncate', 'a b c d e f g'])
    expect(jsonLines(cut.stdout)[0]).toMatchObject({ truncated: true })
    expect(jsonLines(cut.stdout)[0].ids).toHaveLength(5)

    const failed = await tokenize(['--max-tokens', '5', 'a', 'a b c d e f g'])
    expect(failed.code).toBe(1)
    expect(failed.stderr).toContain('1 of 2 texts failed.')
    expect(jsonLines(failed.stdout)[1]).toMatchObject({
      id: 1,
      error: { code: 'INPUT_TOO_LONG', message: expect.stringMatching(/^The text at index 1 has/) },
    })
  })

  it('writes to a file, in the order of a long input', async () => {
    const input = path.join(directory, 'in.txt')
    const output = path.join(directory, 'out.jsonl')
    await writeFile(input, Array.from({ length: 1000 }, (_, i) => `line ${i}`).join('\n'))
    expect(await tokenize(['-i', input, '-o', output])).toMatchObject({ code: 0, stdout: '' })
    const lines = jsonLines(await readFile(output, 'utf8'))
    expect(lines.map((line) => line.id)).toEqual([...Array(1000).keys()])
  })

  it('can be interrupted', async () => {
    const { signal, interrupt } = interruptible()
    async function* endless() {
      for (;;) yield 'words and words\n'
    }
    const { Readable } = await import('node:stream')
    const running = tokenize([], { stdin: Readable.from(endless()), signal })
    setTimeout(interrupt, 400)
    expect((await running).code).toBe(130)
  })
})
