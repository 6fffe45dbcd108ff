/** What people are told, in the words of what they used; and before a model is loaded. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inCommandWords } from '../../../lib/apps/cli/shared/wording.js'
import { tinyPath } from '../../helpers/standins.js'
import { cli } from './run.js'

let folder: string
let model: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bge-m3-words-'))
  model = await tinyPath()
})
afterAll(() => rm(folder, { recursive: true }))

/** A file with the header of a model and no weights: whoever loads it fails in another way. */
const unloadable = async () => {
  const path = join(folder, 'none.gguf')
  await writeFile(path, 'no model')
  return path
}

it('an option is a flag, or the variable that set it', () => {
  const message = 'The option `maxTokens` must be an integer. Or name it with the `model` option.'
  expect(inCommandWords(message)).toMatch(/^--max-tokens must .* with --model\.$/)
  const env = { BGE_M3_MAX_TOKENS: 'x', BGE_M3_MODEL: 'y' }
  expect(inCommandWords(message, ['embed', '--model=z'], env)).toMatch(
    /^BGE_M3_MAX_TOKENS must .* with --model\.$/,
  )
  expect(inCommandWords("or pass truncate: 'end'.")).toBe('or give --truncate.')
})

describe('commands', () => {
  it('blame the variable or the flag that names a model', async () => {
    const typed = await cli(['embed', 'a', '--model', '/no/such.gguf'])
    expect(typed.stderr).toMatch(/which --model names/)
    const set = await cli(['embed', 'a'], { env: { BGE_M3_MODEL: '/no/such.gguf' } })
    expect(set.stderr).toMatch(/which BGE_M3_MODEL names/)
  })

  it('speak of --truncate', async () => {
    const args = ['embed', '--model', model, '--max-tokens', '3', 'one two three four']
    expect((await cli(args)).stdout).toMatch(/Cut it into chunks, or give --truncate\./)
  })

  it('refuse too many dimensions by the header', async () => {
    const { code, stderr } = await cli(['embed', 'a', '--model', model, '--dimensions', '5000'])
    expect(code).toBe(2)
    expect(stderr).toMatch(/--dimensions is 5000, and this model's vectors have \d+/)
  })

  it('refuse paths before they load a model', async () => {
    const path = await unloadable()
    const absent = join(folder, 'no', 'such')
    for (const args of [
      ['index', absent, '--store', join(folder, 'store')],
      ['embed', 'a', '-o', absent],
      ['embed', 'a', '-o', folder],
      ['embed', 'a', '--stats', absent],
      ['tokenize', 'a', '-o', absent],
    ]) {
      const { code, stderr } = await cli([...args, '--model', path])
      expect(stderr).toMatch(/such cannot be read \(ENOENT\)|Cannot write .*(ENOENT|directory)/)
      expect(code).toBe(2)
    }
  })
})
