import { describe, expect, it } from 'vitest'
import { ModelLoadError } from '../../../../lib/common/errors.js'
import {
  PickleDict,
  PickleList,
  PickleTuple,
  type PickleValue,
  readPickle,
} from '../../../../lib/model/formats/torch/pickle.js'
import { bytes } from '../../writers/tensors.js'

const called: unknown[] = []
const options = {
  globals: new Map<string, ((args: readonly PickleValue[]) => PickleValue) | undefined>([
    [
      'known thing',
      (args) => {
        called.push(args)
        return args.length
      },
    ],
    ['known name', undefined],
  ]),
  persistentLoad: (id: PickleValue): PickleValue => `<${String(id)}>`,
}

/** A pickle of protocol 2 around opcodes written in latin1. */
function load(text: string): PickleValue {
  return readPickle(
    Uint8Array.from(`\x80\x02${text}`, (c) => c.charCodeAt(0)),
    options,
  )
}

describe('readPickle', () => {
  it.each<[string, string, unknown]>([
    ['None', 'N.', null],
    ['True', '\x88.', true],
    ['False', '\x89.', false],
    ['BININT1', 'K\xff.', 255],
    ['BININT2', 'M\x01\x02.', 513],
    ['BININT', 'J\xfe\xff\xff\xff.', -2],
    ['LONG1', '\x8a\x05\x00\x00\x00\x00\x01.', 2 ** 32],
    ['negative LONG1', '\x8a\x01\xff.', -1],
    ['empty LONG1', '\x8a\x00.', 0],
    ['BINFLOAT', 'G\x3f\xf8\x00\x00\x00\x00\x00\x00.', 1.5],
    ['BINUNICODE', 'X\x03\x00\x00\x00\xe2\x96\x81.', '▁'],
    ['BINPERSID', 'K\x07Q.', '<7>'],
    ['memo', 'K\x01q\x05.', 1],
    ['REDUCE', 'cknown\nthing\nK\x01K\x02\x86R.', 2],
  ])('reads %s', (_, text, value) => {
    expect(load(text)).toBe(value)
  })

  it('builds containers', () => {
    expect(load('(K\x01K\x02t.')).toEqual(new PickleTuple([1, 2]))
    expect(load(').')).toEqual(new PickleTuple([]))
    expect(load('K\x01\x85K\x02K\x03\x87.'.replace('\x87', '\x87'))).toEqual(
      new PickleTuple([new PickleTuple([1]), 2, 3]),
    )
    const list = load(']K\x01a(K\x02K\x03e.') as PickleList
    expect(list).toBeInstanceOf(PickleList)
    expect(list.items).toEqual([1, 2, 3])
    const dict = load('}X\x01\x00\x00\x00aK\x01s(K\x05Nu.') as PickleDict
    expect([...dict.entries]).toEqual([
      ['a', 1],
      [5, null],
    ])
    // BUILD of a dict: its state is dropped.
    expect(load('}}b.')).toEqual(new PickleDict())
    // LONG_BINPUT and LONG_BINGET; the memo keeps identity.
    const twice = load('(]r\x00\x01\x00\x00j\x00\x01\x00\x00t.') as PickleTuple
    expect(twice.items[0]).toBe(twice.items[1])
  })

  it('survives a list that holds itself', () => {
    const list = load(']q\x00h\x00a.') as PickleList
    expect(list.items[0]).toBe(list)
  })

  it.each<[string, string, RegExp]>([
    ['a system call', 'cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.', /"posix\.system"/],
    ['eval', 'c__builtin__\neval\nX\x01\x00\x00\x001\x85R.', /__builtin__\.eval/],
    ['a name that is only mentioned', 'cknown\nname\n)R.', /not to be called/],
    ['a call of a string', 'X\x01\x00\x00\x00f)R.', /not to be called/],
    ['a call without a tuple', 'cknown\nthing\n]R.', /not to be called/],
    ['STACK_GLOBAL', '\x93.', /0x93/],
    ['INST', '(iposix\nsystem\n.', /0x69/],
    ['OBJ', 'o.', /0x6f/],
    ['NEWOBJ', '\x81.', /0x81/],
    ['EXT1', '\x82\x01.', /0x82/],
    ['state of something else', 'K\x01}b.', /state/],
    ['an end', '', /cut short/],
    ['a cut string', 'X\xff\xff\xff\xffabc', /cut short/],
    ['a cut number', 'J\x01', /cut short/],
    ['a cut name', 'cposix', /cut short/],
    ['an endless name', `c${'a'.repeat(1000)}\nb\n.`, /cut short/],
    ['an empty stack', '.', /one value/],
    ['two values', 'NN.', /one value/],
    ['an open mark', 'N(.', /one value/],
    ['an unknown memo', 'h\x07.', /never kept/],
    ['a memo of nothing', 'q\x00.', /not there/],
    ['a tuple of too few', 'N\x86.', /not there/],
    ['a tuple without a mark', 'Nt.', /not there/],
    ['a pop below the mark', 'N(\x85.', /not there/],
    ['a top below the mark', '](a.', /not there/],
    ['an append to a dict', '}Na.', /no list/],
    ['an item of a list', ']NNs.', /no dict/],
    ['an odd number of items', '}(Nu.', /no dict/],
    ['a tuple as a key', '})Ns.', /neither string nor number/],
    ['a large number', '\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f.', /2\^53/],
  ])('refuses %s', (_, text, message) => {
    expect(() => load(text)).toThrow(ModelLoadError)
    expect(() => load(text)).toThrow(message)
    expect(called.filter((args) => (args as unknown[]).length !== 2)).toEqual([])
  })

  it('refuses other protocols', () => {
    expect(() => readPickle(bytes([1, 0x80], [1, 4], 'N.'), options)).toThrow(/protocol 4/)
  })

  it('shows no control characters of a hostile name', () => {
    expect(() => load('c\x1b[31mos\nsystem\x07\n.')).toThrow(/"\?\[31mos\.system\?"/)
  })

  it('bounds what a file can ask for', () => {
    expect(() => load('N'.repeat(70_000))).toThrow(/larger than/)
    expect(() => load('('.repeat(70_000))).toThrow(/larger than/)
    // Containers that do not stay on the stack are counted too.
    expect(() => load(`]${'}a'.repeat(300_000)}.`)).toThrow(/larger than/)
  })
})
