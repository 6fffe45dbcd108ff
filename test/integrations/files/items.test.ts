import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatOfName,
  type InputItem,
  isText,
  itemsOf,
  type ReadOptions,
  readItems,
} from '../../../lib/integrations/files/items.js'

async function collect(groups: AsyncIterable<InputItem[]>): Promise<InputItem[]> {
  const items: InputItem[] = []
  for await (const group of groups) items.push(...group)
  return items
}

async function* once(input: string | Buffer): AsyncGenerator<Buffer> {
  yield Buffer.from(input)
}

const read = (input: string | Buffer, options?: ReadOptions) =>
  collect(readItems(once(input), options))

const simple = async (input: string, options?: ReadOptions) =>
  (await read(input, options)).map((item) => [item.id, isText(item) ? item.text : item.error.code])

describe('the format', () => {
  it('is JSONL if the first character that is not blank is {', async () => {
    expect(await simple('{"text":"a"}')).toEqual([[0, 'a']])
    expect(await simple('\n \t\r\n  {"text":"a"}\n')).toEqual([[0, 'a']])
    expect(await simple('\ufeff{"text":"a"}')).toEqual([[0, 'a']])
  })

  it('is a text a line otherwise, with the blank lines that came before', async () => {
    expect(await simple('\n  \nx {"text":"a"}\n{"text":"b"}')).toEqual([
      [0, ''],
      [1, '  '],
      [2, 'x {"text":"a"}'],
      [3, '{"text":"b"}'],
    ])
    expect(await simple('\n\n')).toEqual([
      [0, ''],
      [1, ''],
    ])
  })

  it('is decided for text when there are only blank lines for long', async () => {
    async function* blanks() {
      for (let i = 0; i < 30; i++) yield Buffer.from('\n'.repeat(1000))
      yield Buffer.from('{"text":"a"}\n')
    }
    const items = await collect(readItems(blanks()))
    expect(items).toHaveLength(30_001)
    expect(items.at(-1)).toMatchObject({ id: 30_000, text: '{"text":"a"}' })
  })

  it('can be told', async () => {
    expect(await simple('{"text":"a"}', { format: 'txt' })).toEqual([[0, '{"text":"a"}']])
    expect(await simple('x', { format: 'jsonl' })).toEqual([[0, 'INVALID_INPUT']])
  })

  it('is told by a name', () => {
    expect(formatOfName('a/b.TXT')).toBe('txt')
    expect(formatOfName('b.jsonl')).toBe('jsonl')
    expect(formatOfName('b.ndjson')).toBe('jsonl')
    expect(formatOfName('corpus')).toBe('auto')
  })
})

describe('ids', () => {
  it('are echoed as they are given: id before _id, numbers as numbers', async () => {
    const input = [
      '{"id":"a","text":""}',
      '{"_id":"b","text":""}',
      '{"_id":"c","id":"d","text":""}',
      '{"id":7,"text":""}',
      '{"id":-1.5,"text":""}',
      '{"id":"","text":""}',
    ].join('\n')
    expect((await read(input)).map((item) => item.id)).toEqual(['a', 'b', 'd', 7, -1.5, ''])
  })

  it('are the index where there is none, or none that is a string or a number', async () => {
    const input = ['{"text":""}', '', '{"id":null,"text":""}', '{"id":{"a":1},"text":""}'].join(
      '\n',
    )
    expect((await read(input)).map((item) => item.id)).toEqual([0, 1, 2])
  })

  it('keep every digit of integers that a double cannot hold', async () => {
    const input = [
      '{"text":"\\"id\\": 1 {[","nested":{"id":5},"id" : 12345678901234567890 }',
      '{"_id":-9007199254740993,"text":"b"}',
      '{"id":1e300,"text":"c"}',
      '{"id":1e999,"text":"d"}',
    ].join('\n')
    expect((await read(input)).map((item) => item.id)).toEqual([
      12345678901234567890n,
      -9007199254740993n,
      1e300,
      3,
    ])
  })

  it('of any size survive', async () => {
    await fc.assert(
      fc.asyncProperty(fc.bigInt(-(2n ** 100n), 2n ** 100n), fc.string(), async (id, text) => {
        const line = `{"text":${JSON.stringify(text)},"id":${id},"x":[${id},{"id":1}]}`
        const [item] = await read(`${line}\n`)
        expect(BigInt(item?.id as number | bigint)).toBe(id)
        expect(item).toMatchObject({ text })
      }),
    )
  })
})

describe('JSONL', () => {
  it('joins title and text, as BEIR has them', async () => {
    const input = [
      '{"title":"T","text":"t"}',
      '{"title":"","text":"t"}',
      '{"title":"T","text":""}',
      '{"title":5,"text":"t"}',
    ].join('\n')
    expect((await simple(input)).map(([, text]) => text)).toEqual(['T t', 't', 'T', 't'])
  })

  it('goes on after a line that is broken, and says what is wrong but not what it holds', async () => {
    const input = [
      '{"text":"a"}',
      'secret',
      '{"id":"x"}',
      '["secret"]',
      '{"id":"y","text":["secret"]}',
      '{"text":"b"}',
    ].join('\n')
    const items = await read(input)
    expect(items.map((item) => item.id)).toEqual([0, 1, 'x', 3, 'y', 5])
    expect(items.map((item) => (isText(item) ? item.text : item.error.message))).toEqual([
      'a',
      'Line 2 of the input is not valid JSON.',
      'Line 3 of the input has no "text".',
      'Line 4 of the input is not a JSON object.',
      'Line 5 of the input has a "text" that is no string.',
      'b',
    ])
  })

  it('makes an error of a line that is too long', async () => {
    const input = `{"text":"${'x'.repeat(200)}"}\n{"text":"b"}\n`
    const [first, second] = await read(input, { maxLineBytes: 100 })
    expect(first).toMatchObject({
      id: 0,
      error: { code: 'INVALID_INPUT', message: 'Line 1 of the input is longer than 100 bytes.' },
    })
    expect(second).toMatchObject({ id: 1, text: 'b' })
  })
})

describe('texts given one by one', () => {
  it('have their index as id', async () => {
    expect(await collect(itemsOf(['a', '']))).toEqual([
      { id: 0, index: 0, end: 0, text: 'a' },
      { id: 1, index: 1, end: 0, text: '' },
    ])
    expect(await collect(itemsOf([]))).toEqual([])
  })
})
