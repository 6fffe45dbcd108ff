import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { cli } from './run.js'

const COMMANDS = [
  ['embed'],
  ['tokenize'],
  ['score'],
  ['rerank'],
  ['evaluate'],
  ['index'],
  ['search'],
  ['mcp'],
  ['model'],
  ['model', 'pull'],
  ['model', 'path'],
  ['model', 'info'],
  ['model', 'verify'],
  ['model', 'convert'],
  ['model', 'standin'],
  ['serve'],
  ['load', 'postgres'],
  ['queue', 'add'],
  ['queue', 'status'],
  ['queue', 'retry'],
  ['queue', 'clear'],
  ['worker'],
  ['report'],
  ['doctor'],
]

describe('help', () => {
  for (const command of COMMANDS) {
    it(`of ${command.join(' ')} goes to stdout, and fits the terminal`, async () => {
      const { code, stdout, stderr } = await cli([...command, '--help'])
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toMatch(new RegExp(`^Usage: bge-m3 ${command.join(' ')}`))
      // examples of what lines look like may be longer
      const lines = stdout.split('\n').filter((line) => !/^ {2}[{$]/.test(line))
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(105)
      if (command.join() !== 'model') expect(stdout).toContain('Examples:\n  # ')
    })
  }

  it('names every command, exit code and where output goes', async () => {
    const { stdout } = await cli(['--help'])
    for (const name of ['embed', 'tokenize', 'score', 'evaluate', 'model', 'doctor']) {
      expect(stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'))
    }
    for (const code of [0, 1, 2, 3, 130]) expect(stdout).toMatch(new RegExp(`^ {2}${code} `, 'm'))
    expect((await cli(['help', 'embed'])).stdout).toBe((await cli(['embed', '--help'])).stdout)
  })

  it("has the option table's words and variables", async () => {
    const { stdout } = await cli(['embed', '--help'])
    expect(stdout).toContain('[BGE_M3_BATCH_TOKENS]')
    expect(stdout.replace(/\s+/g, ' ')).toContain('one of float32, float16, int8, binary')
  })
})

describe('usage errors', () => {
  it('are a line on stderr and exit code 2', async () => {
    const unknown = await cli(['emded', 'x'])
    expect(unknown).toMatchObject({ code: 2, stdout: '' })
    expect(unknown.stderr).toBe("bge-m3: unknown command 'emded'\n(Did you mean embed?)\n")
    const option = await cli(['embed', '--modle', 'x'])
    expect(option.code).toBe(2)
    expect(option.stderr).toContain('Did you mean --model?')
    expect(option.stderr).toContain('Try: bge-m3 embed --help')
    expect(await cli(['model', 'pul'])).toMatchObject({ code: 2 })
  })

  it('without a command are the help, on stderr', async () => {
    for (const argv of [[], ['model']]) {
      const { code, stdout, stderr } = await cli(argv)
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).toContain('Usage: bge-m3')
    }
  })

  it('are JSON, too, for programs', async () => {
    const { code, stdout } = await cli(['model', 'path', '--json', '--nonsense'])
    expect(code).toBe(2)
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'USAGE', message: "unknown option '--nonsense'" },
    })
    // after -- it is a text
    expect((await cli(['embed', '--nonsense', '--', '--json'])).stdout).toBe('')
  })
})

describe('--version', () => {
  it("is package.json's", async () => {
    const file = path.resolve(import.meta.dirname, '../../../package.json')
    const { version } = JSON.parse(await readFile(file, 'utf8'))
    expect(await cli(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  })
})
