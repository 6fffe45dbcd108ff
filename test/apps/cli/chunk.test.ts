import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { standinPath } from '../../helpers/standins.js'
import { cli, jsonLines } from './run.js'

let model: string
let directory: string
beforeAll(async () => {
  model = await standinPath({ size: 'tiny' })
  directory = await mkdtemp(path.join(tmpdir(), 'bge-m3-chunk-'))
})
afterAll(() => rm(directory, { recursive: true }))

const chunk = (args: string[], options?: Parameters<typeof cli>[1]) =>
  cli(['chunk', '--model', model, ...args], options)

const text = Array.from({ length: 60 }, (_, i) => `Sentence number ${i} is here.`).join(' ')

describe('chunk', () => {
  it('gives chunks that cover the text, in the size that was asked for', async () => {
    const { code, stdout } = await chunk(['--max-tokens', '40', '--overlap', '0', text])
    expect(code).toBe(0)
    const chunks = jsonLines(stdout)
    expect(chunks.length).toBeGreaterThan(5)
    expect(chunks.map(({ text }) => text).join('')).toBe(text)
    for (const [part, { id, document, start, end, tokenCount, ...chunk }] of chunks.entries()) {
      expect({ id, document, part: chunk.part }).toEqual({ id: `0#${part}`, document: 0, part })
      expect(text.slice(start, end)).toBe(chunk.text)
      expect(tokenCount).toBeLessThanOrEqual(40)
    }
  })

  it('counts as the tokenizer does, in what embed reads, as embed --chunk cuts', async () => {
    const file = path.join(directory, 'chunks.jsonl')
    const stdin = `${JSON.stringify({ id: 'a', text, page: 7 })}\n${JSON.stringify({ id: 'b', text: '' })}\n`
    const args = ['--max-tokens', '50', '--overlap', '10', '--fields', '-o', file]
    expect(await chunk(args, { stdin })).toMatchObject({ code: 0, stdout: '', stderr: '' })
    const embed = ['embed', '--model', model, '--dimensions', '2']
    const twice = await cli([...embed, '-i', file, '--fields'])
    const once = await cli([...embed, '--chunk', '50', '--overlap', '10', '--fields'], { stdin })
    expect(jsonLines(twice.stdout)).toEqual(jsonLines(once.stdout))
    expect(jsonLines(twice.stdout)[0]).toMatchObject({ id: 'a#0', document: 'a', page: 7 })
    const counts = jsonLines(await readFile(file, 'utf8')).map(({ tokenCount }) => tokenCount)
    expect(counts).toEqual(jsonLines(once.stdout).map(({ tokenCount }) => tokenCount))
    expect(counts.at(-1)).toBe(2)
  })

  it('goes on behind what is no text, and says how many there were', async () => {
    const { code, stdout, stderr } = await chunk([], { stdin: '{"id":1,"text":5}\n{"text":"ok"}' })
    expect(code).toBe(1)
    expect(jsonLines(stdout)).toMatchObject([
      { id: 1, error: { code: 'INVALID_INPUT' } },
      { id: '1#0', text: 'ok' },
    ])
    expect(stderr).toBe('bge-m3: A text could not be cut.\n')
  })

  it.each([
    [['--max-tokens', '2']],
    [['--max-tokens', '40', '--overlap', '39']],
    [['--overlap', 'x']],
  ])('refuses %j', async (args) => {
    const { code, stderr } = await chunk([...args, 'a text'])
    expect(code).toBe(2)
    expect(stderr).toMatch(/overlap|max-tokens/)
  })

  it('is not disturbed by the limit of a text in the environment', async () => {
    const { stdout } = await chunk([text], { env: { BGE_M3_MAX_TOKENS: '10' } })
    expect(jsonLines(stdout)).toHaveLength(1)
  })
})
