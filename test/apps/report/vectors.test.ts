import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readVectors } from '../../../lib/apps/report/vectors/read.js'
import { scalars, textStart } from '../../../lib/apps/report/vectors/table.js'
import { tableOf } from '../../../lib/apps/report/vectors/table-of.js'
import { joinTexts } from '../../../lib/apps/report/vectors/texts.js'
import { toFloat16 } from '../../../lib/common/float16.js'
import { NpyWriter } from '../../../lib/integrations/files/npy-output.js'
import { file, write, writeRows } from './data.js'

describe('JSON Lines of embeddings', () => {
  it('are read with ids, texts, metadata and failures', async () => {
    const table = await readVectors(
      write(
        'a.jsonl',
        [
          '{"id":"a","dense":[1,2.5],"tokenCount":7,"text":"First  text","metadata":{"lang":"de","n":3,"deep":{"x":1}}}',
          '',
          '{"id":7,"dense":[0,null]}',
          '{"id":"x","error":{"code":"INPUT_TOO_LONG","message":"..."}}',
          '{"_id":"b","dense":[3,4,5]}',
          '{"dense":[-1,1e-3],"sparse":{"indices":[1],"values":[2]}}',
          '{"id":"y","error":"broken"}',
        ].join('\n'),
      ),
    )
    expect(table.ids).toEqual(['a', '7', 'b', '3'])
    expect(table).toMatchObject({ rows: 4, cols: 2 })
    expect([...table.data.subarray(0, 2)]).toEqual([1, 2.5])
    expect(table.data[3]).toBeNaN()
    // a vector of another length is kept beside the others
    expect([...(table.odd.get(2) ?? [])]).toEqual([3, 4, 5])
    expect(table.data[4]).toBeNaN()
    expect(table.data[7]).toBe(Math.fround(1e-3))
    expect(table.texts).toEqual(['First text', undefined, undefined, undefined])
    expect(table.metadata[0]).toEqual({ tokens: 7, lang: 'de', n: 3 })
    expect(Object.fromEntries(table.failures)).toEqual({ INPUT_TOO_LONG: 1, UNKNOWN: 1 })
  })

  it('grow beyond what was guessed from the first lines', async () => {
    const rows = Array.from({ length: 3000 }, (_, i) => ({
      id: i,
      // later lines are far shorter than the first ones
      dense: [i < 64 ? 0.123456789012345 : 1, i],
    }))
    const table = await readVectors(writeRows('growing.jsonl', rows))
    expect(table.rows).toBe(3000)
    expect(table.data[2 * 2999 + 1]).toBe(2999)
  })

  it.each([
    ['{"id":"secret", "dense":[1,', 'Line 2 of bad.jsonl is no JSON object.'],
    ['["secret"]', 'is no JSON object'],
    ['{"id":"secret","sparse":{}}', 'has no "dense" vector: embed with --dense'],
    ['{"id":"secret","dense":"1"}', 'has a "dense" that is no list of numbers'],
    ['{"id":"secret","dense":[1,"2"]}', 'has a "dense" that is no list of numbers'],
  ])('%s is refused by its line, whose content stays out of the message', async (line, message) => {
    const path = write('bad.jsonl', `{"dense":[1]}\n${line}\n`)
    const error = await readVectors(path).catch((error: Error) => error)
    expect(error).toMatchObject({ code: 'INVALID_INPUT' })
    expect((error as Error).message).toContain(message)
    expect((error as Error).message).not.toContain('secret')
  })

  it('say when there is nothing in them', async () => {
    await expect(readVectors(write('empty.jsonl', '\n'))).rejects.toThrow(
      'empty.jsonl holds no vectors.',
    )
    const failed = writeRows('failed.jsonl', [{ id: 1, error: { code: 'TIMEOUT' } }])
    await expect(readVectors(failed)).rejects.toThrow('all of its texts failed')
    await expect(readVectors(file('missing.jsonl'))).rejects.toThrow('There is no file')
    await expect(readVectors(file('.'))).rejects.toThrow('is a directory')
  })

  it('stop at a signal', async () => {
    const path = writeRows('stopped.jsonl', [{ dense: [1] }])
    await expect(readVectors(path, AbortSignal.abort())).rejects.toThrow()
  })
})

describe('.npy', () => {
  it('is read as it was written, a row of NaN being a failure', async () => {
    const path = file('a.npy')
    const writer = await NpyWriter.create(path, 3, '<f4')
    await writer.append(Float32Array.of(1, -2, 3.5))
    await writer.append()
    await writer.append(Float32Array.of(0, Number.NaN, 1))
    await writer.close()
    const table = await readVectors(path)
    expect(table.ids).toEqual(['0', '2'])
    expect([...table.data]).toEqual([1, -2, 3.5, 0, Number.NaN, 1])
    expect([...table.failures.values()]).toEqual([1])
  })

  it('may hold halves or doubles, and a header of version 2', async () => {
    const halves = file('half.npy')
    const writer = await NpyWriter.create(halves, 2, '<f2')
    await writer.append(toFloat16([0.5, -4]))
    await writer.close()
    expect([...(await readVectors(halves)).data]).toEqual([0.5, -4])
    const doubles = npy(
      "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }",
      Buffer.from(Float64Array.of(0.25, 8).buffer),
      2,
    )
    expect([...(await readVectors(write('double.npy', doubles))).data]).toEqual([0.25, 8])
  })

  it.each([
    ['text', Buffer.from('no numpy at all')],
    ['nothing', Buffer.alloc(0)],
    [
      'integers',
      npy("{'descr': '<i4', 'fortran_order': False, 'shape': (1, 1), }", Buffer.alloc(4)),
    ],
    ['columns', npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }", Buffer.alloc(4))],
    [
      'a cube',
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1), }", Buffer.alloc(4)),
    ],
    [
      'no columns',
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 0), }", Buffer.alloc(4)),
    ],
    [
      'too many rows',
      npy(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999, 1024), }",
        Buffer.alloc(4),
      ),
    ],
    [
      'too much',
      npy(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999999, 9999999), }",
        Buffer.alloc(4),
      ),
    ],
    ['half a header', npy("{'descr': '<f4'", Buffer.alloc(0)).subarray(0, 20)],
  ])('of %s is refused', async (_, bytes) => {
    await expect(readVectors(write('bad.npy', bytes))).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })

  it('of random bytes never does worse than an error', async () => {
    const header = npy(
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }",
      Buffer.alloc(16),
    )
    await fc.assert(
      fc.asyncProperty(fc.nat(header.length - 1), fc.nat(255), async (at, value) => {
        const bytes = Buffer.from(header)
        bytes[at] = value
        const result = await readVectors(write('fuzz.npy', bytes)).catch((error) => error.code)
        expect(typeof result === 'object' || result === 'INVALID_INPUT').toBe(true)
      }),
      { numRuns: 200 },
    )
  })
})

function npy(header: string, data: Buffer, version: 1 | 2 = 1): Buffer {
  const head = Buffer.alloc(version === 1 ? 10 : 12)
  head.write('\x93NUMPY', 'latin1')
  head[6] = version
  if (version === 1) head.writeUInt16LE(header.length, 8)
  else head.writeUInt32LE(header.length, 8)
  return Buffer.concat([head, Buffer.from(header, 'latin1'), data])
}

describe('the file that was embedded', () => {
  const vectors = () =>
    readVectors(
      writeRows('joined.jsonl', [
        { id: 'a', dense: [1], metadata: { kept: 1 } },
        { id: 'b', dense: [2] },
        { id: 'a', dense: [3] },
        { id: 'none', dense: [4] },
      ]),
    )

  it('gives texts and metadata by id', async () => {
    const table = await vectors()
    const corpus = writeRows('corpus.jsonl', [
      { _id: 'b', title: 'Title', text: 'and text', lang: 'en', nested: { no: 1 } },
      { id: 'unknown', text: 'nobody asked' },
      { id: 'a', text: 'x', metadata: { source: 'web' }, year: 1999 },
    ])
    expect(await joinTexts(table, corpus)).toBe(3)
    expect(table.texts).toEqual(['x', 'Title and text', 'x', undefined])
    expect(table.metadata).toEqual([
      { kept: 1, source: 'web', year: 1999 },
      { lang: 'en' },
      { source: 'web', year: 1999 },
      undefined,
    ])
  })

  it('is a text a line where it is no JSON, numbered from 0', async () => {
    const table = await readVectors(
      writeRows('n.jsonl', [
        { id: 0, dense: [1] },
        { id: 2, dense: [1] },
      ]),
    )
    for (const name of ['lines.txt', 'lines']) {
      expect(await joinTexts(table, write(name, 'zero\n\ntwo\n'))).toBe(2)
      expect(table.texts).toEqual(['zero', 'two'])
    }
    await expect(joinTexts(table, write('broken.jsonl', '{"id":0}\n{oh\n'))).rejects.toThrow(
      'Line 2 of broken.jsonl is not valid JSON.',
    )
  })
})

describe('tables', () => {
  it('are made of what embedChunks gave', () => {
    const items = [
      { id: 'a', embedding: { dense: Int8Array.of(1, -2), tokenCount: 3 }, metadata: { tag: 't' } },
      { id: 'b', embedding: { dense: Int8Array.of(4, 5) } },
    ]
    const table = tableOf(items, new Map([['b', 'text of b']]))
    expect([...table.data]).toEqual([1, -2, 4, 5])
    expect(table.metadata).toEqual([{ tokens: 3, tag: 't' }, undefined])
    expect(table.texts).toEqual([undefined, 'text of b'])
    expect(() => tableOf([{ id: 'c', embedding: {} }])).toThrow('no dense vector')
    expect(() => tableOf([])).toThrow('holds no vectors')
  })

  it('keep scalars and the starts of texts', () => {
    expect(scalars({ a: 'x', b: 1, c: true, d: null, e: [1], f: Number.NaN })).toEqual({
      a: 'x',
      b: 1,
      c: true,
    })
    expect(scalars({ a: null })).toBeUndefined()
    expect(scalars(['a'])).toBeUndefined()
    expect(textStart('a\n b')).toBe('a b')
    expect(textStart('x'.repeat(500))).toHaveLength(281)
    // a surrogate pair is not cut in two
    expect(textStart(`${'x'.repeat(279)}${'😀'.repeat(9)}`)).toBe(`${'x'.repeat(279)}…`)
  })
})
