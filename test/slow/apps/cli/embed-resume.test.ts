import { spawn, spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NpyWriter } from '../../../../lib/integrations/files/npy-output.js'
import { cli } from '../../../apps/cli/run.js'
import { root } from '../../../helpers/child.js'
import { has, pythonWith } from '../../../helpers/needs.mjs'
import { standinPath, tinyPath } from '../../../helpers/standins.js'

let model: string
let other: string
let directory: string
beforeAll(async () => {
  model = await tinyPath()
  other = await standinPath({ size: 'tiny', seed: 2 })
  directory = await mkdtemp(path.join(tmpdir(), 'bge-m3-resume-'))
})
afterAll(() => rm(directory, { recursive: true }))

const at = (name: string) => path.join(directory, name)
const embed = (...args: string[]) => cli(['embed', '--model', model, ...args])

/** Ids of all kinds, a text that fails, one that is cut, a line that is none. */
const CORPUS = [
  '{"id":"a\\"\\\\\\n,\\"error\\":{","text":"first"}',
  '{"id":12345678901234567890,"text":"Grüße aus 東京"}',
  '{"text":"long word word word word word word word word word word"}',
  'no JSON',
  '{"id":"lone","text":"\\ud800"}',
  '{"id":"","text":""}',
  ...Array.from({ length: 20 }, (_, i) => `{"id":"${i}","text":"number ${i}"}`),
].join('\n')
const FAILED = 2

async function input(text = CORPUS): Promise<string> {
  const file = at('corpus.jsonl')
  await writeFile(file, text)
  return file
}

describe('embed --resume to JSON Lines', () => {
  const flags = ['--dense', '--sparse', '--colbert', '--truncate', '--max-tokens', '12']

  it('goes on wherever it was cut off', async () => {
    const source = await input()
    expect((await embed('-i', source, '-o', at('whole.jsonl'), ...flags)).code).toBe(1)
    const whole = await readFile(at('whole.jsonl'))
    const ends = [...whole.keys()].filter((i) => whole[i] === 0x0a)
    const second = (ends[1] as number) + 1
    const cuts = [0, 1, 6, second - 1, second, second + 1, second + 9, ends[4] as number]
    cuts.push(whole.length >> 1, whole.length - 1, whole.length)
    for (const cut of cuts) {
      await writeFile(at('part.jsonl'), whole.subarray(0, cut))
      const { code, stderr } = await embed(
        '-i',
        source,
        '-o',
        at('part.jsonl'),
        '--resume',
        ...flags,
      )
      // what failed before counts too
      expect(stderr).toContain(`${FAILED} of 26 texts failed.`)
      expect(code).toBe(1)
      expect((await readFile(at('part.jsonl'))).equals(whole), `cut at ${cut}`).toBe(true)
    }
  })

  it('begins where there is nothing, and has nothing to do where all is there', async () => {
    const source = await input('one\ntwo\n')
    const args = ['-i', source, '--input-format', 'txt', '-o', at('new.jsonl'), '--resume']
    expect((await embed(...args)).code).toBe(0)
    const first = await readFile(at('new.jsonl'), 'utf8')
    const again = await embed(...args)
    expect(again.code).toBe(0)
    expect(again.stderr).toContain('has 2 texts already')
    expect(await readFile(at('new.jsonl'), 'utf8')).toBe(first)
  })

  it('reads lines that are larger than its buffer', async () => {
    const source = await input(`${'word '.repeat(3000)}\nshort\n`)
    const args = ['-i', source, '--input-format', 'txt', '-o', at('large.jsonl'), '--colbert']
    await embed(...args)
    const whole = await readFile(at('large.jsonl'))
    expect(whole.indexOf(0x0a)).toBeGreaterThan(1.2e6)
    for (const cut of [1.1e6, whole.indexOf(0x0a) + 3]) {
      await writeFile(at('large.jsonl'), whole.subarray(0, cut))
      expect((await embed(...args, '--resume')).code).toBe(0)
      expect((await readFile(at('large.jsonl'))).equals(whole)).toBe(true)
    }
  })

  describe('refuses, and leaves the file as it is', () => {
    const made = ['--truncate', '--max-tokens', '12']
    const refused = async (args: string[], change = (bytes: Buffer) => bytes, text?: string) => {
      await embed('-i', await input(), '-o', at('old.jsonl'), ...made)
      const old = change(await readFile(at('old.jsonl')))
      await writeFile(at('old.jsonl'), old)
      const source = await input(text)
      const { code, stderr } = await embed('-i', source, '-o', at('old.jsonl'), '--resume', ...args)
      expect((await readFile(at('old.jsonl'))).equals(old)).toBe(true)
      expect(code).toBe(2)
      return stderr
    }

    it.each([
      ['other outputs', ['--sparse', '--dense', ...made]],
      ['other dimensions', ['--dimensions', '32', ...made]],
      ['another precision', ['--precision', 'float16', ...made]],
      ['another length of vectors', ['--no-normalize', ...made]],
      ['texts that fail now', ['--max-tokens', '12']],
      ['a higher limit', ['--truncate', '--max-tokens', '20']],
      ['a lower limit', ['--truncate', '--max-tokens', '5']],
    ])('%s', async (_what, args) => {
      expect(await refused(args)).toContain('has another result now than the one that is there')
    })

    it('another model', async () => {
      // by its name, where the file that embed writes beside its output is there; else by what it gives
      expect(await refused(['--model', other, ...made])).toContain('it was made with')
      const withoutHeader = (bytes: Buffer) => {
        rmSync(at('old.jsonl.meta.json'))
        return bytes
      }
      expect(await refused(['--model', other, ...made], withoutHeader)).toContain(
        'The text, the model',
      )
    })

    it('another input', async () => {
      const swapped = CORPUS.replace('"id":"7"', '"id":"x7"')
      expect(await refused(made, undefined, swapped)).toContain('Line 14 of')
      const texts = CORPUS.replace('"first"', '"other"')
      expect(await refused(made, undefined, texts)).toContain('the text at index 0')
      const fewer = CORPUS.split('\n').slice(0, 9).join('\n')
      expect(await refused(made, undefined, fewer)).toContain('cannot be resumed')
    })

    it('what is no output', async () => {
      const notes = () => Buffer.from('my notes')
      expect(await refused(made, notes)).toContain('Line 1 of')
      expect(await refused(made, () => Buffer.from('{"id":"x","dense":'))).toContain('Line 1 of')
      const first = '{"id":"a\\"\\\\\\n,\\"error\\":{"'
      const lines = () => Buffer.from(`${first},"dense":[1]}\n`)
      expect(await refused(made, lines)).toContain('is no line of embeddings')
      expect(await refused(made, () => Buffer.from(`${first}\n`))).toContain('Line 1 of')
    })
  })

  it('needs a file', async () => {
    for (const to of [[], ['-o', '-']]) {
      const { code, stderr } = await embed('a', '--resume', ...to)
      expect(stderr).toContain('--resume needs --output FILE')
      expect(code).toBe(2)
    }
    for (const to of [directory, '/dev/null', at('new.jsonl/x')]) {
      expect((await embed('a', '--resume', '-o', to)).code).toBe(2)
    }
  })
})

describe.each(['float32', 'float16'] as const)('embed --resume to .npy, %s', (precision) => {
  const flags = ['-f', 'npy', '--precision', precision, '--max-tokens', '12']
  const rowBytes = precision === 'float32' ? 256 : 128

  it('goes on wherever it was cut off', async () => {
    const source = await input()
    await embed('-i', source, '-o', at('whole.npy'), ...flags)
    const whole = await readFile(at('whole.npy'))
    expect(whole.length).toBe(128 + 26 * rowBytes)
    const header = await emptyHeader(precision)
    const cuts = [0, 5, 127, 128, 129, 128 + rowBytes, 128 + 7 * rowBytes + 3, whole.length]
    for (const [i, cut] of cuts.entries()) {
      const part = Buffer.from(whole.subarray(0, cut))
      // killed, the header tells of fewer rows; a torn copy may tell of more than there are
      if (i % 2 === 0 || cut < 128) header.copy(part)
      await writeFile(at('part.npy'), part)
      const { code, stderr } = await embed('-i', source, '-o', at('part.npy'), '--resume', ...flags)
      expect(stderr).toContain('3 of 26 texts failed.')
      expect(code).toBe(1)
      expect((await readFile(at('part.npy'))).equals(whole), `cut at ${cut}`).toBe(true)
    }
    checkWithNumpy(at('part.npy'), [26, 64])
  })

  it('refuses what other options or another input made', async () => {
    const source = await input()
    const args = ['-i', source, '-o', at('old.npy'), ...flags]
    await embed(...args)
    const old = await readFile(at('old.npy'))
    const wrong = [
      ['--dimensions', '32'],
      ['--precision', precision === 'float32' ? 'float16' : 'float32'],
      ['--model', other],
      ['--max-tokens', '100'],
      ['--truncate'],
    ]
    for (const flag of wrong) expect((await embed(...args, '--resume', ...flag)).code).toBe(2)
    await input(CORPUS.split('\n').slice(0, 9).join('\n'))
    expect((await embed(...args, '--resume')).stderr).toContain('it has more than the input')
    expect((await readFile(at('old.npy'))).equals(old)).toBe(true)
    await writeFile(at('old.npy'), 'my notes')
    expect((await embed(...args, '--resume')).stderr).toContain('is no matrix that these options')
  })
})

async function emptyHeader(precision: string): Promise<Buffer> {
  const writer = await NpyWriter.create(
    at('empty.npy'),
    64,
    precision === 'float32' ? '<f4' : '<f2',
  )
  await writer.close()
  return readFile(at('empty.npy'))
}

/** What numpy itself says of the file. */
function checkWithNumpy(file: string, shape: number[]): void {
  if (!has('numpy')) return
  const script =
    'import sys, json, numpy; a = numpy.load(sys.argv[1]); print(json.dumps([list(a.shape), a.dtype.str, a.tobytes().hex()]))'
  const { status, stdout, stderr } = spawnSync(
    pythonWith('numpy') as string,
    ['-c', script, file],
    {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    },
  )
  expect(status, stderr).toBe(0)
  const [found, , hex] = JSON.parse(stdout) as [number[], string, string]
  expect(found).toEqual(shape)
  expect(hex).toHaveLength(hexLength(file, shape))
}

const hexLength = (file: string, [rows = 0, cols = 0]: number[]) =>
  2 * rows * cols * (spawnSync('head', ['-c', '40', file]).stdout.includes('<f4') ? 4 : 2)

describe('embed, killed again and again', () => {
  it.each([
    ['jsonl', ['--dense', '--sparse']],
    ['npy', ['-f', 'npy']],
  ])('%s: no text is lost or there twice', async (name, flags) => {
    const texts = Array.from({ length: 3000 }, (_, i) => `${i} ${'word '.repeat(i % 60)}`)
    await writeFile(at('many.txt'), texts.join('\n'))
    const [whole, part] = [at(`killed-whole.${name}`), at(`killed.${name}`)]
    const args = ['-i', at('many.txt'), ...flags]
    expect((await embed(...args, '-o', whole)).code).toBe(0)
    const size = async () => (await readFile(part).catch(() => Buffer.alloc(0))).length
    const main = path.join(root, 'dist/cli/main.js')
    const ends: number[] = []
    for (const share of [0.2, 0.5, 0.7]) {
      const target = share * (await readFile(whole)).length
      const child = spawn(
        process.execPath,
        [main, 'embed', '--model', model, ...args, '-o', part, '--resume'],
        { stdio: 'ignore' },
      )
      const end = new Promise((resolve) => child.once('exit', resolve))
      while ((await size()) < target && child.exitCode === null) await sleep(5)
      child.kill('SIGKILL')
      await end
      ends.push(await size())
      if (name === 'npy') numpyReads(part)
    }
    expect((await embed(...args, '-o', part, '--resume')).code).toBe(0)
    expect((await readFile(part)).equals(await readFile(whole))).toBe(true)
    console.info(`${name}: killed at ${ends.join(', ')} bytes`)
  })
})

/** A file whose writer was killed is a matrix. */
function numpyReads(file: string): void {
  if (!has('numpy')) return
  const script = 'import sys, numpy; print(len(numpy.load(sys.argv[1])))'
  const args = ['-c', script, file]
  const { stdout, stderr } = spawnSync(pythonWith('numpy') as string, args, { encoding: 'utf8' })
  expect(Number(stdout || 'nothing'), stderr).toBeGreaterThanOrEqual(0)
}
