import { beforeAll, describe, expect, it } from 'vitest'
import { standinPath } from '../../helpers/standins.js'
import { cli } from './run.js'

let model: string
beforeAll(async () => {
  model = await standinPath({ size: 'tiny' })
})

const bench = (...args: string[]) => cli(['bench', '--model', model, '--rounds', '2', ...args])

describe('bench', () => {
  it('prints a row for each shape', async () => {
    const { code, stdout } = await bench()
    expect(code).toBe(0)
    const [name, machine, loaded, blank, head, ...rows] = stdout.trimEnd().split('\n')
    expect(name).toMatch(/stand-in/)
    expect(machine).toMatch(/, \w+, \d+ threads?$/)
    expect(loaded).toMatch(/^loaded in .+; [\d.]+ MB of memory$/)
    expect([blank, head?.split(/ {2,}/)]).toEqual([
      '',
      ['texts x tokens', 'texts/s', 'tokens/s', 'median', 'best'],
    ])
    expect(rows.map((row) => row.split(/ {2,}/)[0])).toEqual([
      '1 x 16',
      '32 x 16',
      '8 x 128',
      '1 x 512',
    ])
    expect(stdout).not.toMatch(/NaN|Infinity|undefined/)
  })

  it('gives numbers that agree with each other', async () => {
    const { stdout } = await bench('--json', '--threads', '1')
    const { machine, model: about, loadMs, rssBytes, shapes } = JSON.parse(stdout)
    expect(machine.threads).toBe(1)
    expect(about).toMatchObject({
      standin: true,
      fingerprint: expect.stringMatching(/^[0-9a-f]{32}$/),
    })
    expect(loadMs).toBeGreaterThan(0)
    expect(rssBytes).toBeGreaterThan(20e6)
    for (const { texts, tokens, medianMs, bestMs, textsPerSecond, tokensPerSecond } of shapes) {
      expect(bestMs).toBeLessThanOrEqual(medianMs)
      expect(textsPerSecond).toBeCloseTo((texts * 1000) / medianMs)
      expect(tokensPerSecond).toBeCloseTo(textsPerSecond * tokens)
    }
  })
})
