import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ModelLoadError, ModelNotFoundError } from '../../../lib/common/errors.js'
import { fromBytes } from '../../../lib/model/formats/random-access.js'
import { openSafetensors, readSafetensors } from '../../../lib/model/formats/safetensors.js'
import { readFloats, type StoredTensor } from '../../../lib/model/formats/tensor-file.js'
import { writeSafetensors } from '../writers/safetensors.js'
import { bytes, bytesOf } from '../writers/tensors.js'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'safetensors-'))
})
afterAll(() => rm(directory, { recursive: true }))

function file(header: unknown, data: Uint8Array = new Uint8Array(0)) {
  const json = typeof header === 'string' ? header : JSON.stringify(header)
  return fromBytes(bytes([8, json.length], json, data), 'x.safetensors')
}

const tensor = (dtype: string, shape: unknown, data_offsets: unknown) => ({
  dtype,
  shape,
  data_offsets,
})

describe('readSafetensors', () => {
  it('reads tensors of every floating type', async () => {
    const header = {
      __metadata__: { format: 'pt' },
      a: tensor('F32', [2, 1], [0, 8]),
      b: tensor('F16', [2], [8, 12]),
      c: tensor('BF16', [], [12, 14]),
      d: tensor('F64', [1], [16, 24]),
      none: tensor('F32', [0, 7], [14, 14]),
      e: tensor('I8', [2], [14, 16]),
    }
    const data = bytes(
      bytesOf(Float32Array.of(1, -2)),
      bytesOf(Uint16Array.of(0x3c00, 0xc000)),
      bytesOf(Uint16Array.of(0x3fc0)),
      bytes([2, 0]),
      bytesOf(Float64Array.of(0.5)),
    )
    const { tensors } = await readSafetensors(file(header, data))
    const read = async (name: string) => [...(await readFloats(tensors.get(name) as StoredTensor))]
    expect([...tensors.keys()]).toEqual(['a', 'b', 'c', 'd', 'none', 'e'])
    expect(await read('a')).toEqual([1, -2])
    expect(await read('b')).toEqual([1, -2])
    expect(await read('c')).toEqual([1.5])
    expect(await read('d')).toEqual([0.5])
    expect(await read('none')).toEqual([])
    await expect(read('e')).rejects.toThrow(/I8/)
    await expect(readFloats(tensors.get('a') as StoredTensor, 1, 2)).rejects.toThrow(RangeError)
  })

  it('opens files by name', async () => {
    const path = join(directory, 'model.safetensors')
    const values = Float32Array.of(1, 2, 3)
    await writeSafetensors(path, [
      { name: 'w', dtype: 'F32', shape: [3], chunks: () => [bytesOf(values)] },
    ])
    const opened = await openSafetensors(path)
    expect(await readFloats(opened.tensors.get('w') as StoredTensor)).toEqual(values)
    await opened.close()
    await expect(openSafetensors(`${path}.none`)).rejects.toThrow(ModelNotFoundError)
  })

  it.each<[string, unknown, number, RegExp]>([
    ['no JSON', '{"a', 0, /not a JSON object/],
    ['a list', [], 0, /not a JSON object/],
    ['null', null, 0, /not a JSON object/],
    ['an info that is null', { a: null }, 0, /type/],
    ['an unknown type', { a: tensor('F8_E4M3', [1], [0, 1]) }, 1, /type/],
    ['a type of prototypes', { a: tensor('toString', [1], [0, 1]) }, 1, /type/],
    ['a shape that is none', { a: tensor('F32', 'x', [0, 4]) }, 4, /shape/],
    ['a negative dimension', { a: tensor('F32', [-1], [0, 4]) }, 4, /shape/],
    ['half a dimension', { a: tensor('F32', [0.5], [0, 2]) }, 2, /shape/],
    ['nine dimensions', { a: tensor('U8', Array(9).fill(1), [0, 1]) }, 1, /shape/],
    ['three offsets', { a: tensor('F32', [1], [0, 4, 8]) }, 8, /offsets/],
    ['a size of another shape', { a: tensor('F32', [2], [0, 4]) }, 4, /needs 8/],
    ['huge dimensions', { a: tensor('F32', [2 ** 50, 2 ** 50], [0, 0]) }, 0, /needs 5\.07/],
    ['a gap', { a: tensor('U8', [1], [1, 2]) }, 2, /gap/],
    ['an overlap', { a: tensor('U8', [2], [0, 2]), b: tensor('U8', [2], [1, 3]) }, 3, /overlaps/],
    ['too few bytes', { a: tensor('U8', [4], [0, 4]) }, 3, /cut short/],
    ['too many bytes', { a: tensor('U8', [4], [0, 4]) }, 5, /4/],
  ])('refuses %s', async (_, header, dataBytes, message) => {
    const source = file(header, new Uint8Array(dataBytes))
    await expect(readSafetensors(source)).rejects.toThrow(ModelLoadError)
    await expect(readSafetensors(source)).rejects.toThrow(message)
  })

  it('refuses header lengths that lie', async () => {
    for (const length of [3, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
      const source = fromBytes(bytes([8, length], '{}'))
      await expect(readSafetensors(source)).rejects.toThrow(/cut short/)
    }
    await expect(readSafetensors(fromBytes(new Uint8Array(7)))).rejects.toThrow(ModelLoadError)
  })

  it('keeps a tensor named __proto__ what it is', async () => {
    const source = file(
      '{"__proto__": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}',
      new Uint8Array(1),
    )
    expect((await readSafetensors(source)).tensors.has('__proto__')).toBe(true)
  })
})
