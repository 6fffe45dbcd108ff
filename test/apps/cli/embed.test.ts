import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runCli } from '../../../lib/apps/cli/run.js'
import type { RunRecord } from '../../../lib/apps/cli/shared/run-record.js'
import { Embedder } from '../../../lib/index.js'
import { standinPath, tinyPath } from '../../helpers/standins.js'
import { settled, until } from '../../helpers/until.js'
import { writeHeadless } from './headless.js'
import { cli, interruptible, jsonLines } from './run.js'

let model: string
let directory: string
let reference: Embedder
beforeAll(async () => {
  model = await tinyPath()
  directory = await mkdtemp(path.join(tmpdir(), 'bge-m3-embed-'))
  reference = await Embedder.load({ model })
})
afterAll(async () => {
  await reference?.dispose()
  await rm(directory, { recursive: true })
})

const at = (name: string) => path.join(directory, name)
const embed = (args: string[], options?: Parameters<typeof cli>[1]) =>
  cli(['embed', '--model', model, ...args], options)

describe('what an output was made with', () => {
  const header = async (file: string) => JSON.parse(await readFile(at(`${file}.meta.json`), 'utf8'))

  it('stands beside it, for both formats, with the options', async () => {
    for (const format of ['jsonl', 'npy']) {
      await embed(['-f', format, '-o', at(`made.${format}`), '--precision', 'float16', 'secret'])
      const { model: about, options, version } = await header(`made.${format}`)
      const { name, fingerprint, dimensions } = reference.info
      expect(about).toEqual({ name, fingerprint, dimensions, standin: true })
      expect(options).toMatchObject({ precision: 'float16', outputs: { dense: true } })
      expect(version).toMatch(/^\d+\.\d+\.\d+/)
      expect(JSON.stringify(options)).not.toContain('secret')
    }
  })

  it('is left out where nobody wants it, and where there is no file', async () => {
    await embed(['--no-header', '-o', at('bare.jsonl'), 'a'])
    await embed(['-o', '/dev/null', 'a'])
    for (const file of [at('bare.jsonl'), '/dev/null'])
      await expect(readFile(`${file}.meta.json`)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('costs no result where it cannot be written', async () => {
    await mkdir(at('odd.jsonl.meta.json'))
    const { code, stderr } = await embed(['-o', at('odd.jsonl'), 'a'])
    expect(code).toBe(0)
    expect(stderr).toContain('note: cannot write')
  })

  it('names the other model when a run is to go on with its file', async () => {
    const output = at('of-another.jsonl')
    await embed(['-o', output, 'a'])
    const other = await standinPath({ size: 'tiny', seed: 5 })
    const before = await readFile(output, 'utf8')
    const { code, stderr } = await cli([
      'embed',
      '--model',
      other,
      '--resume',
      '-o',
      output,
      'a',
      'b',
    ])
    expect(code).toBe(2)
    expect(stderr).toContain('cannot be resumed: it was made with')
    expect(stderr).toContain(reference.info.fingerprint)
    expect(await readFile(output, 'utf8')).toBe(before)
  })
})

describe('embed', () => {
  it('gives what the library gives, to the bit, a line per argument', async () => {
    const texts = ['hello', '', 'Grüße aus 東京']
    const { code, stdout, stderr } = await embed(texts)
    expect(code).toBe(0)
    const lines = jsonLines(stdout)
    const expected = await reference.embed(texts)
    expect(lines.map((line) => Object.keys(line))).toEqual(
      texts.map(() => ['id', 'dense', 'tokenCount']),
    )
    lines.forEach((line, i) => {
      expect(line.id).toBe(i)
      expect(Float32Array.from(line.dense)).toEqual(expected[i]?.dense)
      expect(line.tokenCount).toBe(expected[i]?.tokenCount)
    })
    expect(stderr).toContain(`bge-m3: warning: ${model} is a stand-in with random weights`)
  })

  it('keeps the order of many texts of all lengths', async () => {
    const texts = Array.from(
      { length: 300 },
      (_, i) => `text ${i} ${'word '.repeat((i * 37) % 90)}`,
    )
    await writeFile(at('many.txt'), `${texts.join('\n')}\n`)
    const { code, stdout } = await embed(['--input', at('many.txt')])
    expect(code).toBe(0)
    const lines = jsonLines(stdout)
    expect(lines.map((line) => line.id)).toEqual([...texts.keys()])
    expect(lines.map((line) => line.tokenCount)).toEqual(await reference.countTokens(texts))
    const [expected] = await reference.embed([texts[299] as string])
    expect(Float32Array.from(lines[299].dense)).toEqual(expected?.dense)
  })

  it('reads texts, blank lines included, from stdin', async () => {
    const { code, stdout } = await embed([], { stdin: 'a\r\n\r\nb\n' })
    expect(code).toBe(0)
    expect(jsonLines(stdout).map((line) => [line.id, line.tokenCount])).toEqual([
      [0, 3],
      [1, 2],
      [2, 3],
    ])
  })

  it('reads JSONL with ids, and goes on after lines and texts that fail', async () => {
    const input = [
      '{"_id":"a","title":"T","text":"x"}',
      'secret',
      '{"id":12345678901234567890,"text":"lone \\ud800 secret"}',
      '{"id":"long","text":"secret secret secret secret secret secret secret"}',
      '{"text":"y"}',
    ].join('\n')
    const { code, stdout, stderr } = await embed(['--max-tokens', '8'], { stdin: input })
    expect(code).toBe(1)
    expect(stdout).toContain('{"id":12345678901234567890,"error"')
    const lines = jsonLines(stdout)
    expect(lines.map((line) => line.error?.code ?? line.tokenCount)).toEqual([
      4,
      'INVALID_INPUT',
      'INVALID_INPUT',
      'INPUT_TOO_LONG',
      3,
    ])
    expect(lines[0].id).toBe('a')
    expect(lines[1].error.message).toBe('Line 2 of the input is not valid JSON.')
    expect(lines[2].error.message).toMatch(/^The text at index 2 holds a lone surrogate/)
    expect(lines[3].error.message).toMatch(
      /^The text at index 3 has \d+ tokens, and the limit is 8/,
    )
    expect(stderr).toContain('3 of 5 texts failed.')
    expect(stdout + stderr).not.toContain('secret')
  })

  it('has nothing to say about nothing', async () => {
    expect(await embed([], { stdin: Buffer.alloc(0) })).toMatchObject({ code: 0, stdout: '' })
  })

  it('cuts long texts with --truncate, and says so', async () => {
    const { code, stdout } = await embed(['--truncate', '--max-tokens', '4', 'a b c d e f', 'a'])
    expect(code).toBe(0)
    expect(jsonLines(stdout).map((line) => [line.tokenCount, line.truncated])).toEqual([
      [4, true],
      [3, undefined],
    ])
  })

  it('takes options from the environment, and flags before them', async () => {
    const env = { BGE_M3_MODEL: model, BGE_M3_TRUNCATE: 'end', BGE_M3_MAX_TOKENS: '4' }
    const first = await cli(['embed', 'a b c d e f'], { env })
    expect(jsonLines(first.stdout)[0].tokenCount).toBe(4)
    const second = await cli(['embed', '--max-tokens', '5', 'a b c d e f'], { env })
    expect(jsonLines(second.stdout)[0].tokenCount).toBe(5)
  })

  it('cuts and converts vectors', async () => {
    const line = async (...flags: string[]) =>
      jsonLines((await embed([...flags, 'text'])).stdout)[0]
    const [expected] = await reference.embed(['text'], { dimensions: 16 })
    const cut = await line('--dimensions', '16')
    expect(Float32Array.from(cut.dense)).toEqual(expected?.dense)
    const raw = await line('--no-normalize')
    expect(Math.hypot(...raw.dense)).not.toBeCloseTo(1, 1)
    const int8 = await line('--precision', 'int8')
    expect(Math.max(...int8.dense.map(Math.abs))).toBe(127)
    expect((await line('--precision', 'binary')).dense).toHaveLength(8)
    const half = await line('--precision', 'float16')
    const [full] = await reference.embed(['text'])
    expect(half.dense[5]).toBeCloseTo(full?.dense?.[5] as number, 3)
  })

  it('gives the outputs that are named', async () => {
    const outputs = { dense: false, sparse: true, colbert: true }
    const [expected] = await reference.embed(['two words'], { outputs })
    const { code, stdout } = await embed(['--sparse', '--colbert', 'two words'])
    expect(code).toBe(0)
    const [line] = jsonLines(stdout)
    expect(Object.keys(line)).toEqual(['id', 'sparse', 'colbert', 'tokenCount'])
    expect(Uint32Array.from(line.sparse.indices)).toEqual(expected?.sparse?.indices)
    expect(Float32Array.from(line.sparse.values)).toEqual(expected?.sparse?.values)
    expect(line.colbert).toHaveLength(line.tokenCount - 1)
    expect(Float32Array.from(line.colbert.flat())).toEqual(expected?.colbert?.data)
    const env = { BGE_M3_OUTPUTS: 'dense,sparse' }
    const fromEnvironment = jsonLines((await embed(['two words'], { env })).stdout)[0]
    expect(Object.keys(fromEnvironment)).toEqual(['id', 'dense', 'sparse', 'tokenCount'])
  })

  it('refuses outputs that the model has no heads for', async () => {
    await writeHeadless(model, at('headless.gguf'))
    const { code, stderr } = await cli(['embed', '--model', at('headless.gguf'), '--sparse', 'a'])
    expect(stderr).toMatch(/^bge-m3: .*(head|sparse)/m)
    expect(code).toBe(2)
  })

  it('writes to a file', async () => {
    const { code, stdout } = await embed(['-o', at('out.anything'), 'a', 'b'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(jsonLines(await readFile(at('out.anything'), 'utf8'))).toHaveLength(2)
  })

  it('writes a record of the run', async () => {
    await embed(['--stats', at('run.json'), '--max-tokens', '8', 'a', 'b '.repeat(50)])
    const record = JSON.parse(await readFile(at('run.json'), 'utf8')) as RunRecord
    expect(record).toMatchObject({ texts: 2, tokens: 3, failures: 1, interrupted: false })
    expect(record.model).toMatchObject({ path: model, dimensions: 64, standin: true })
    expect(record.options).toMatchObject({ maxTokens: 8, outputs: { dense: true } })
    expect(record.timeline.at(-1)?.tokens).toBe(3)
  })
})

describe('embed --chunk', () => {
  const long = Array.from({ length: 300 }, (_, i) => `Sentence number ${i}.`).join(' ')
  const records = [
    { id: 'a', text: long, page: 3, dense: 'mine' },
    { id: 9007199254740993n, text: 'short', page: null },
    { id: 'bad', title: 7 },
  ]
  const json = (record: object) =>
    JSON.stringify(record, (_, value) =>
      typeof value === 'bigint' ? `!${value}!` : value,
    ).replace(/"!(\d+)!"/, '$1')
  const stdin = records.map(json).join('\n')

  it('gives a vector a chunk, with its place in the text', async () => {
    const { stdout, code } = await embed(['--chunk=60', '--overlap', '0'], { stdin })
    expect(code).toBe(1)
    const lines = jsonLines(stdout)
    const chunks = lines.slice(0, -2)
    expect(chunks.length).toBeGreaterThan(20)
    const parts = chunks.map(({ start, end }) => long.slice(start, end))
    expect(parts.join('')).toBe(long)
    expect(chunks[3]).toMatchObject({ id: 'a#3', document: 'a', part: 3 })
    const again = jsonLines((await embed([parts[3] as string])).stdout)
    expect(chunks[3].dense).toEqual(again[0].dense)
    expect(stdout).toContain('{"id":"9007199254740993#0","document":9007199254740993,"part":0')
    expect(lines.at(-1)).toMatchObject({ id: 'bad', error: { code: 'INVALID_INPUT' } })
  })

  it('repeats the other members of a record, and goes on after a crash', async () => {
    const output = at('chunks.jsonl')
    const args = ['--chunk=60', '--fields', '-o', output]
    await embed(args, { stdin })
    const whole = await readFile(output, 'utf8')
    const [line] = jsonLines(whole)
    expect(line).toMatchObject({ id: 'a#0', page: 3, document: 'a', start: 0 })
    expect(line.dense).toBeInstanceOf(Array)
    await writeFile(output, whole.slice(0, whole.length / 2))
    await embed([...args, '--resume'], { stdin })
    expect(await readFile(output, 'utf8')).toBe(whole)
  })

  it('refuses what it cannot do, without a word of a text', async () => {
    for (const args of [
      ['--overlap', '5', 'a'],
      ['--chunk', 'my secret'],
      ['--chunk=1', 'a'],
    ]) {
      const { code, stderr } = await embed(args)
      expect(code).not.toBe(0)
      expect(stderr).toMatch(/chunk|maxTokens/)
      expect(stderr).not.toContain('secret')
    }
    const npy = ['--chunk', '--format', 'npy', '-o', at('x.npy'), '-i', at('lines.txt')]
    expect((await embed(npy)).stderr).toContain('--format npy has no place')
  })
})

describe('embed --format npy', () => {
  const npy = async (name: string) => {
    const bytes = await readFile(at(name))
    const start = 10 + bytes.readUInt16LE(8)
    const data = new Float32Array(bytes.buffer.slice(bytes.byteOffset + start))
    return { header: bytes.toString('latin1', 10, start), data }
  }

  it('writes a matrix with a row of NaN for a text that failed', async () => {
    const input = '{"text":"a"}\nbroken\n{"text":"b"}\n'
    const { code } = await embed(['-f', 'npy', '-o', at('m.npy')], { stdin: input })
    expect(code).toBe(1)
    const { header, data } = await npy('m.npy')
    expect(header).toContain("'shape': (3, 64)")
    expect(data).toHaveLength(3 * 64)
    const [a, b] = await reference.embed(['a', 'b'])
    expect(data.subarray(0, 64)).toEqual(a?.dense)
    expect(data.subarray(64, 128).every(Number.isNaN)).toBe(true)
    expect(data.subarray(128)).toEqual(b?.dense)
  })

  it('is as wide as asked', async () => {
    await embed(['-f', 'npy', '-o', at('w.npy'), '--dimensions', '16', 'a'])
    expect((await npy('w.npy')).header).toContain("'shape': (1, 16)")
  })

  it('refuses what it cannot hold', async () => {
    const refusals = [
      [[], 'needs --output FILE'],
      [['-o', '-'], 'needs --output FILE'],
      [['-o', at('x.npy'), '--sparse'], 'dense vectors only'],
      [['-o', at('x.npy'), '--precision', 'int8'], 'not int8'],
    ] as const
    for (const [flags, message] of refusals) {
      const { code, stderr } = await embed(['-f', 'npy', ...flags, 'a'])
      expect(stderr).toContain(message)
      expect(code).toBe(2)
    }
    expect(existsSync(at('x.npy'))).toBe(false)
  })
})

describe('embed refuses', () => {
  it('to overwrite its input', async () => {
    await writeFile(at('same.txt'), 'precious\n')
    const { code, stderr } = await embed(['-i', at('same.txt'), '-o', `${directory}/./same.txt`])
    expect(stderr).toContain('--output is the --input file')
    expect(code).toBe(2)
    expect(await readFile(at('same.txt'), 'utf8')).toBe('precious\n')
  })

  it('nothing to read, and two things to read', async () => {
    const nothing = await embed([])
    expect(nothing).toMatchObject({ code: 2 })
    expect(nothing.stderr).toContain('There is nothing to read')
    const both = await embed(['-i', at('same.txt'), 'text'])
    expect(both).toMatchObject({ code: 2 })
    expect(both.stderr).toContain('not both')
  })

  it('files that are not there', async () => {
    expect(await embed(['-i', at('missing.txt')])).toMatchObject({ code: 2 })
    for (const flag of ['-o', '--stats']) {
      const { code, stderr, stdout } = await embed([flag, at('no/such/place'), 'a'])
      expect(stderr).toContain('Cannot write')
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    }
  })

  it.runIf(existsSync('/dev/full'))('a disk that is full', async () => {
    const { code, stderr } = await embed(['-o', '/dev/full', 'a'])
    expect(stderr).toContain('bge-m3: ENOSPC')
    expect(code).toBe(1)
  })

  it('wrong options and variables, with a line that names them', async () => {
    const wrong = async (args: string[], env = {}) => {
      const { code, stderr, stdout } = await embed(args, { env })
      expect(stdout).toBe('')
      expect(code).toBe(2)
      return stderr.trim()
    }
    expect(await wrong(['--threads', 'x', 'a'])).toBe(
      'bge-m3: --threads must be an integer from 1 to 1024, not "x".',
    )
    expect(await wrong(['a'], { BGE_M3_THREADS: '0' })).toMatch(/^bge-m3: BGE_M3_THREADS must be/)
    expect(await wrong(['--format', 'xml', 'a'])).toContain("'xml' is invalid")
    expect(await wrong(['--fromat', 'npy'])).toContain('(Did you mean --format?)')
  })

  it('more dimensions than there are, before it empties the output', async () => {
    await writeFile(at('kept.jsonl'), 'kept')
    const { code, stderr } = await embed(['--dimensions', '65', '-o', at('kept.jsonl'), 'a'])
    expect(stderr).toContain('--dimensions is 65')
    expect(code).toBe(2)
    expect(await readFile(at('kept.jsonl'), 'utf8')).toBe('kept')
  })

  it('a model that is not there, before it empties the output', async () => {
    await writeFile(at('kept.jsonl'), 'kept')
    const args = ['embed', '--model', at('none.gguf'), '-o', at('kept.jsonl'), 'a']
    const { code, stderr, stdout } = await cli(args)
    expect(code).toBe(3)
    expect(stderr).toMatch(/^bge-m3: No model at .*none\.gguf/)
    expect(stdout).toBe('')
    expect(await readFile(at('kept.jsonl'), 'utf8')).toBe('kept')
  })

  it('a file that is no model', async () => {
    await writeFile(at('bad.gguf'), 'GGUF and then nothing')
    const { code, stderr } = await cli(['embed', '--model', at('bad.gguf'), 'a'])
    expect(code).toBe(3)
    expect(stderr).toMatch(/^bge-m3: /)
    expect(stderr).not.toMatch(/\n {4}at /)
    const debug = await cli(['embed', '--model', at('bad.gguf'), 'a'], {
      env: { BGE_M3_DEBUG: '1' },
    })
    expect(debug.stderr).toMatch(/\n {4}at /)
  })
})

describe('embed in a pipe', () => {
  it('answers a line before the next one is asked', async () => {
    const stdin = new PassThrough()
    let answered = 0
    stdin.write('first\n')
    const { code, stdout } = await embed([], {
      stdin,
      onStdout: (text) => {
        const count = text.split('\n').length - 1
        if (count === answered) return
        answered = count
        if (count < 3) stdin.write(`question ${count}\n`)
        else stdin.end()
      },
    })
    expect(code).toBe(0)
    expect(jsonLines(stdout)).toHaveLength(3)
  })

  it('reads no more while nobody takes what it writes, and ends when interrupted', async () => {
    let read = 0
    async function* endless() {
      for (;;) {
        yield Buffer.from('some words\n'.repeat(100))
        read += 100
        await sleep(1)
      }
    }
    const { signal, interrupt } = interruptible()
    const stdout = new PassThrough({ highWaterMark: 1024 })
    const stdin = Readable.from(endless(), { highWaterMark: 1, objectMode: true })
    const io = { stdin, stdout, stderr: new PassThrough().resume(), env: {}, signal }
    const running = runCli(['embed', '--model', model], io)
    await until(() => stdout.readableLength > 0)
    await settled(() => read)
    interrupt()
    expect(await running).toBe(130)
  })

  it('keeps what is done when it is interrupted', async () => {
    const { signal, interrupt } = interruptible()
    const texts = Array.from({ length: 5000 }, (_, i) => `${i} ${'word '.repeat(60)}`)
    await writeFile(at('long.txt'), texts.join('\n'))
    const args = ['-i', at('long.txt'), '-o', at('part.jsonl'), '--stats', at('part.json')]
    const running = embed(args, { signal })
    const lines = async () =>
      jsonLines((await readFile(at('part.jsonl'), 'utf8').catch(() => '')).replace(/[^\n]*$/, ''))
    while ((await lines()).length === 0) await sleep(20)
    interrupt()
    const { code, stderr } = await running
    expect(code).toBe(130)
    expect(stderr).toContain('bge-m3: interrupted')
    const file = await readFile(at('part.jsonl'), 'utf8')
    expect(file.endsWith('\n')).toBe(true)
    const kept = jsonLines(file)
    expect(kept.map((line) => line.id)).toEqual([...kept.keys()])
    expect(kept.length).toBeLessThan(5000)
    const record = JSON.parse(await readFile(at('part.json'), 'utf8')) as RunRecord
    expect(record).toMatchObject({ texts: kept.length, interrupted: true })
  })

  it('is interrupted while stdin is silent', async () => {
    const { signal, interrupt } = interruptible()
    const running = embed([], { stdin: new PassThrough(), signal })
    setTimeout(interrupt, 300)
    expect((await running).code).toBe(130)
  })

  it('ends quietly when its reader leaves', async () => {
    const stdout = new PassThrough()
    const error = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
    stdout.once('data', () => stdout.destroy(error))
    const stderr = new PassThrough({ encoding: 'utf8' })
    const stdin = Readable.from([Buffer.from('text\n'.repeat(1000))])
    const { signal } = interruptible()
    const io = { stdin, stdout, stderr, env: {}, signal }
    expect(await runCli(['embed', '--model', model], io)).toBe(0)
    expect(stderr.read() ?? '').not.toContain('EPIPE')
  })
})

describe('the progress bar', () => {
  const input = async () => {
    await writeFile(at('bar.txt'), 'some words\n'.repeat(200))
    return at('bar.txt')
  }

  it('is on a terminal only', async () => {
    const shown = await embed(['-i', await input(), '-o', at('bar.out')], { tty: { stderr: true } })
    expect(shown.stderr).toMatch(/embed \[=+ *\] \d+% \| \d+ texts, \d+ tokens\/s/)
    expect(shown.stderr).toContain('100% | 200 texts')
    const hidden = await embed(['-i', await input(), '-o', at('bar.out')])
    expect(hidden.stderr).not.toContain('embed [')
  })

  it('counts what comes from a pipe', async () => {
    const stdin = await readFile(await input())
    const { stderr } = await embed(['-o', at('bar.out')], { stdin, tty: { stderr: true } })
    expect(stderr).toMatch(/embed 200 texts, \d+ tokens\/s/)
  })

  it('stays away from lines on the same terminal, and from a few arguments', async () => {
    const both = { stdout: true, stderr: true }
    expect((await embed(['-i', await input()], { tty: both })).stderr).not.toContain('embed [')
    expect((await embed(['a'], { tty: { stderr: true } })).stderr).not.toContain('embed [')
  })
})
