import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Line, lines } from '../../../lib/integrations/files/lines.js'

async function* chunks(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0
  for (const size of sizes) {
    yield bytes.subarray(at, at + size)
    at += size
  }
  yield bytes.subarray(at)
}

async function read(input: string | Buffer, sizes: number[] = [], maxBytes = 1e6): Promise<Line[]> {
  const found: Line[] = []
  for await (const group of lines(chunks(Buffer.from(input), sizes), maxBytes)) found.push(...group)
  return found
}

const texts = async (input: string | Buffer, sizes?: number[], max?: number) =>
  (await read(input, sizes, max)).map((line) => line.text)

describe('lines', () => {
  it('end in LF or CRLF, and the last one need not end', async () => {
    expect(await texts('a\nb\r\nc')).toEqual(['a', 'b', 'c'])
    expect(await texts('a\n')).toEqual(['a'])
    expect(await texts('')).toEqual([])
    expect(await texts('\n')).toEqual([''])
    expect(await texts('\n\na')).toEqual(['', '', 'a'])
  })

  it('keep what is no line ending', async () => {
    expect(await texts('a\rb\u2028c\u0001\n d ')).toEqual(['a\rb\u2028c\u0001', ' d '])
    expect(await texts('a\r\r\n')).toEqual(['a\r'])
  })

  it('are the same wherever the chunks are cut', async () => {
    const line = fc.stringMatching(/^[\u{20}-\u{2fff}\u{1f600}-\u{1f64f}]{0,12}$/u)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(line, fc.constantFrom('\n', '\r\n'))),
        fc.array(fc.nat(9)),
        async (given, sizes) => {
          const input = given.map(([text, ending]) => text + ending).join('')
          expect(await texts(input, sizes)).toEqual(given.map(([text]) => text))
        },
      ),
    )
  })

  it('tell their numbers and where they end in the input', async () => {
    const found = await read('é\r\n\nlast', [1, 2])
    expect(found.map(({ number, end }) => [number, end])).toEqual([
      [1, 4],
      [2, 5],
      [3, 9],
    ])
  })

  it('come in a group per chunk, so that a slow writer is not waited for', async () => {
    const groups: number[] = []
    for await (const group of lines(chunks(Buffer.from('a\nb\ncd\n'), [5, 1]), 100)) {
      groups.push(group.length)
    }
    expect(groups).toEqual([2, 1])
  })

  it('lose a byte order mark, even one cut in two', async () => {
    expect(await texts('\ufeffa\n\ufeffb', [1, 1])).toEqual(['a', '\ufeffb'])
    expect(await texts('\ufeff')).toEqual([])
  })

  it('are refused in UTF-16', async () => {
    for (const mark of [
      [0xff, 0xfe],
      [0xfe, 0xff],
    ]) {
      await expect(texts(Buffer.from([...mark, 0x61, 0x00]))).rejects.toThrow('UTF-16')
    }
  })

  it('that are no UTF-8 or have NULs are wrong, alone, with their place', async () => {
    const input = Buffer.concat([
      Buffer.from('\ufeffgood\nna'),
      Buffer.from([0xef]),
      Buffer.from('ve\n\ufffd is a character\na\0b\n'),
      Buffer.from([0xc3]),
    ])
    for (const sizes of [[], [1, 2, 3, 4, 5, 6]]) {
      expect((await read(input, sizes)).map(({ text, wrong }) => wrong ?? text)).toEqual([
        'good',
        'is not valid UTF-8 (byte offset 10)',
        '\ufffd is a character',
        'has a NUL byte (byte offset 34)',
        'is not valid UTF-8 (byte offset 37)',
      ])
    }
  })

  it('are refused at once where no line would be right', async () => {
    await expect(texts(gzipSync('a\nb\n'))).rejects.toThrow(/compressed \(gzip\).*gzip -dc/)
    await expect(texts(Buffer.from('a\nb\n', 'utf16le'))).rejects.toThrow('binary data, or UTF-16')
    const executable = readFileSync(process.execPath).subarray(0, 4096)
    await expect(texts(executable)).rejects.toThrow('binary data')
  })

  it('that are too long are marked, and the next one is read', async () => {
    const input = `${'x'.repeat(50)}\n${'y'.repeat(10)}\r\n${'z'.repeat(11)}`
    for (const sizes of [[], [7, 7, 7, 7, 7, 7, 7, 7], [60]]) {
      const found = await read(input, sizes, 10)
      // the bytes of a line include what turns out to be half of a CRLF
      expect(found.map((line) => line.wrong)).toEqual(Array(3).fill('is longer than 10 bytes'))
      expect(found.map((line) => line.end)).toEqual([51, 63, 74])
    }
    const [first, second] = await read(`${'x'.repeat(11)}\n${'y'.repeat(10)}\n`, [3], 10)
    expect(first).toMatchObject({ wrong: 'is longer than 10 bytes', end: 12 })
    expect(second).toMatchObject({ wrong: undefined, text: 'y'.repeat(10) })
  })

  it('hold nothing of a line that is too long', async () => {
    const chunk = Buffer.alloc(1 << 20, 'x')
    async function* endless() {
      for (let i = 0; i < 300; i++) yield chunk
      yield '\nend'
    }
    const before = process.memoryUsage().arrayBuffers
    const found: Line[] = []
    let most = 0
    for await (const group of lines(endless(), 4 << 20)) {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
      found.push(...group)
    }
    expect(found.map(({ text, end }) => [text, end])).toEqual([
      ['', (300 << 20) + 1],
      ['end', (300 << 20) + 4],
    ])
    expect(most).toBeLessThan(64 << 20)
  })

  it('may come as strings, from a stream that has an encoding', async () => {
    const found: string[] = []
    async function* strings() {
      yield 'ü\nb'
    }
    for await (const group of lines(strings())) found.push(...group.map((line) => line.text))
    expect(found).toEqual(['ü', 'b'])
  })
})
