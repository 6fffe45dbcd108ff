import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type InputItem,
  type ItemOptions,
  isText,
  itemsOf,
  readItems,
} from '../../../lib/integrations/files/items.js'
import { formatOfName, records } from '../../../lib/integrations/files/records.js'

async function collect(groups: AsyncIterable<InputItem[]>): Promise<InputItem[]> {
  const items: InputItem[] = []
  for await (const group of groups) items.push(...group)
  return items
}

async function* once(input: string | Buffer): AsyncGenerator<Buffer> {
  yield Buffer.from(input)
}

const read = (input: string | Buffer, options?: ItemOptions) =>
  collect(readItems(once(input), options))

const simple = async (input: string, options?: ItemOptions) =>
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
    expect(formatOfName('b.json')).toBe('json')
    expect(formatOfName('b.csv')).toBe('csv')
    expect(formatOfName('b.TSV')).toBe('tsv')
    expect(formatOfName('corpus')).toBe('auto')
    expect(formatOfName('a.constructor')).toBe('auto')
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

describe('a JSON array', () => {
  const messages = async (input: string, options?: ItemOptions) =>
    (await read(input, options)).map((item) => (isText(item) ? item.text : item.error.message))

  it('is what begins with [ and goes on as JSON, and holds strings or objects', async () => {
    const input = '[ "a",\n {"id": 12345678901234567890, "title": "T", "text": "t"} ,"\\"]\\\\"]\n'
    for (const begin of ['', '\ufeff', '\n\t ']) {
      expect(await simple(begin + input)).toEqual([
        [0, 'a'],
        [12345678901234567890n, 'T t'],
        [2, '"]\\'],
      ])
    }
    expect(await simple('[]')).toEqual([])
    expect(await simple('[ \n]\n')).toEqual([])
    expect(await simple('{"text":"lines"}\n', { format: 'json' })).toEqual([[0, 'lines']])
  })

  it('is none where a line of text begins with a bracket', async () => {
    expect(await simple('[1] a citation\n[INST] b')).toEqual([
      [0, '[1] a citation'],
      [1, '[INST] b'],
    ])
    expect(await simple('[')).toEqual([[0, '[']])
  })

  it('is what JSON.parse makes of it, wherever it is cut and however it is laid out', async () => {
    const element = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.dictionary(fc.string(), fc.jsonValue()),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(element),
        fc.array(fc.nat(9)),
        fc.nat(3),
        async (values, sizes, indent) => {
          const bytes = Buffer.from(JSON.stringify(values, null, indent))
          async function* chunks() {
            let at = 0
            for (const size of sizes) {
              yield bytes.subarray(at, at + size)
              at += size
            }
            yield bytes.subarray(at)
          }
          const found: unknown[] = []
          for await (const group of records(chunks(), { format: 'json' })) {
            for (const { value, wrong } of group) found.push(wrong ?? value)
          }
          expect(found).toEqual(JSON.parse(bytes.toString()))
        },
      ),
    )
  })

  it('loses only the elements that are wrong', async () => {
    const input = '["a", 5, {"id":"x"}, nonsense, null, ["secret"], , {}}, "b",]'
    expect(await messages(input)).toEqual([
      'a',
      'Element 2 of the input is neither a string nor a JSON object.',
      'Element 3 of the input has no "text".',
      'Element 4 of the input is not valid JSON.',
      'Element 5 of the input is neither a string nor a JSON object.',
      'Element 6 of the input is neither a string nor a JSON object.',
      'Element 7 of the input is not valid JSON.',
      'Element 8 of the input is not valid JSON.',
      'b',
      'Element 10 of the input is not valid JSON.',
    ])
    expect(await messages(`["${'x'.repeat(200)}", "b"]`, { maxLineBytes: 100 })).toEqual([
      'Element 1 of the input is longer than 100 bytes.',
      'b',
    ])
  })

  it('must end, and nothing may come behind it', async () => {
    await expect(read('["a", "b"')).rejects.toThrow('does not end')
    await expect(read('["a", "b')).rejects.toThrow('does not end')
    await expect(read('["a"]\n["b"]\n')).rejects.toThrow('goes on behind')
    await expect(read('"a"', { format: 'json' })).rejects.toThrow('no JSON array')
    await expect(read('', { format: 'json' })).rejects.toThrow('no JSON array')
  })
})

describe('a table', () => {
  const table = 'id,title,body\r\n7,T,"a, ""b""\nc"\r\n\r\n8,,é\r\n'

  it('has a text in the column that is told, and nothing in front of it', async () => {
    const expected = [
      ['7', 'a, "b"\nc'],
      ['8', 'é'],
    ]
    expect(await simple(table, { format: 'csv', textField: 'body' })).toEqual(expected)
    const tabs = 'id\tbody\n7\ta "b" c\n'
    expect(await simple(tabs, { format: 'tsv', textField: 'body' })).toEqual([['7', 'a "b" c']])
  })

  it('is refused with the advice to name a column that it has', async () => {
    await expect(read(table, { format: 'csv' })).rejects.toThrow(/--text-field \(id, title, body\)/)
    await expect(read(table, { format: 'csv', textField: 'text' })).rejects.toThrow(
      'The table has no column "text": it has id, title, body.',
    )
  })

  it('that is torn is refused with its line, and not quoted', async () => {
    const wrong = 'a,b\n1,2\nsecret,2,3\n'
    const torn = read(wrong, { format: 'csv', textField: 'a' })
    await expect(torn).rejects.toThrow(/^The input is no table .* line 3 \(CSV_\w+\)\.$/)
    const open = read('a,b\n1,"secret\n', { format: 'csv', textField: 'a' })
    await expect(open).rejects.toThrow(/\(CSV_QUOTE_NOT_CLOSED\)/)
    const latin = read(Buffer.from('a,b\n1,\xe9\n', 'latin1'), { format: 'csv', textField: 'a' })
    await expect(latin).rejects.toThrow('Line 2 of the input is not valid UTF-8 (byte offset 6).')
  })
})

it('takes the text from the member that is told, with nothing in front of it', async () => {
  const input = '{"id":"a","title":"T","text":"t","contents":"c"}\n{"id":"b","text":"t"}\n'
  expect(await simple(input, { textField: 'contents' })).toEqual([
    ['a', 'c'],
    ['b', 'INVALID_INPUT'],
  ])
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
