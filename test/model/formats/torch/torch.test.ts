import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { IntegrityError, ModelLoadError } from '../../../../lib/common/errors.js'
import { fromBytes } from '../../../../lib/model/formats/random-access.js'
import {
  readFloats,
  type StoredTensor,
  type TensorFile,
} from '../../../../lib/model/formats/tensor-file.js'
import { openTorch, readTorch } from '../../../../lib/model/formats/torch/torch.js'
import { bytes, bytesOf, type WritableTensor } from '../../writers/tensors.js'
import { pickleStateDict, writeTorch, ZipWriter } from '../../writers/torch.js'

const fixture = (name: string) => join(import.meta.dirname, '../../../fixtures', name)

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'torch-'))
})
afterAll(() => rm(directory, { recursive: true }))

const tensorOf = (file: TensorFile, name: string) => file.tensors.get(name) as StoredTensor

describe("a state dict of CPython's pickler", () => {
  let file: TensorFile
  beforeAll(async () => {
    file = await openTorch(fixture('torch/state-dict.bin'))
  })
  afterAll(() => file.close())

  it('has every tensor with its shape', () => {
    expect(file.tensors.size).toBe(1107)
    const shapes = [...file.tensors.values()]
      .slice(0, 7)
      .map(({ name, dtype, shape }) => [name, dtype, shape])
    expect(shapes).toEqual([
      ['encoder.weight', 'F32', [2, 3]],
      ['encoder.tied', 'F32', [1, 6]],
      ['half', 'F16', [4]],
      ['bfloat', 'BF16', [3, 1]],
      ['double', 'F64', [2]],
      ['scalar', 'F32', []],
      ['position_ids', 'I64', [1, 3]],
    ])
  })

  it('reads values of every floating type, whole and in part', async () => {
    const read = async (name: string, first?: number, count?: number) => [
      ...(await readFloats(tensorOf(file, name), first, count)),
    ]
    expect(await read('encoder.weight')).toEqual([0, 0.25, 0.5, 0.75, 1, 1.25])
    expect(await read('encoder.tied', 1, 2)).toEqual([1.75, 2])
    expect(await read('half')).toEqual([1, -0.5, 65504, 2 ** -24])
    expect(await read('bfloat')).toEqual([1.5, -3, 0.0078125])
    expect(await read('double')).toEqual([Math.fround(0.1), -2])
    expect(await read('scalar')).toEqual([2.75])
    expect(await read('more.1099')).toEqual([(1099 % 12) / 4])
    await expect(read('position_ids')).rejects.toThrow(/I64/)
    await expect(read('half', 3, 2)).rejects.toThrow(RangeError)
    await tensorOf(file, 'encoder.tied').verify?.()
  })
})

describe('official heads', () => {
  it('are two linear layers', async () => {
    const sparse = await openTorch(fixture('heads/sparse_linear.pt'))
    expect(tensorOf(sparse, 'weight')).toMatchObject({ dtype: 'F16', shape: [1, 1024] })
    expect([...(await readFloats(tensorOf(sparse, 'weight'), 0, 3))]).toEqual(
      // The first bytes of data/0 in the file: 6c0d 3113 f39a.
      [0x0d6c, 0x1331, 0x9af3].map(halfOf),
    )
    await sparse.close()
    const colbert = await openTorch(fixture('heads/colbert_linear.pt'))
    expect(tensorOf(colbert, 'weight')).toMatchObject({ dtype: 'F16', shape: [1024, 1024] })
    await tensorOf(colbert, 'weight').verify?.()
    await colbert.close()
  })
})

function halfOf(bits: number): number {
  const value = (1024 + (bits & 0x3ff)) * 2 ** (((bits >> 10) & 31) - 25)
  return bits & 0x8000 ? -value : value
}

const sample: WritableTensor = {
  name: 'w',
  dtype: 'F32',
  shape: [2, 3],
  chunks: () => [bytesOf(Float32Array.of(1, 2, 3, 4, 5, 6))],
}

/** An archive whose pickle is given, with one storage of six floats under data/0. */
async function withPickle(pickle: Uint8Array, files: Record<string, Uint8Array> = {}) {
  const { open } = await import('node:fs/promises')
  const path = join(directory, 'crafted.bin')
  const handle = await open(path, 'w')
  const zip = new ZipWriter(handle)
  await zip.add('data.pkl', [pickle])
  for (const [name, content] of Object.entries(files)) await zip.add(name, [content])
  await zip.add('data/0', sample.chunks())
  await zip.end()
  await handle.close()
  return fromBytes(new Uint8Array(await readFile(path)), 'crafted.bin')
}

const latin1 = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0))
const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`
const storage = (type: string, key: string, count: number) =>
  `(${text('storage')}ctorch\n${type}\n${text(key)}${text('cpu')}K${String.fromCharCode(count)}tQ`
const tensor = (args: string) => `}${text('w')}ctorch._utils\n_rebuild_tensor_v2\n(${args}tRs.`
const floats = storage('FloatStorage', '0', 6)

describe('readTorch', () => {
  it('reads what torch.save would write, with zip64 records too', async () => {
    for (const zip64 of [false, true]) {
      const path = join(directory, `${zip64}.bin`)
      await writeTorch(path, [sample], { zip64, root: 'pytorch_model' })
      const file = await openTorch(path)
      expect([...(await readFloats(tensorOf(file, 'w'), 2, 3))]).toEqual([3, 4, 5])
      await file.close()
    }
  })

  it.each<[string, string, RegExp]>([
    ['a call of posix.system', 'cposix\nsystem\nX\x02\0\0\0ls\x85R.', /posix\.system/],
    ['no dict', 'N.', /state dict/],
    ['a value that is no tensor', `}${text('w')}K\x01s.`, /"w" is not a tensor/],
    ['a key that is no name', '}K\x01Ns.', /"1" is not a tensor/],
    [
      'an unknown storage',
      tensor(`${storage('FloatStorage', '7', 6)}K\0K\x06\x85K\x01\x85`),
      /"7" is missing/,
    ],
    [
      'a storage of another size',
      tensor(`${storage('FloatStorage', '0', 7)}K\0K\x06\x85K\x01\x85`),
      /24 bytes/,
    ],
    [
      'a storage type unknown',
      tensor(`${storage('QInt8Storage', '0', 6)}K\0K\x06\x85K\x01\x85`),
      /QInt8Storage/,
    ],
    ['a persistent id of another kind', tensor('K\x01QK\0K\x06\x85K\x01\x85'), /storage/],
    ['a tensor beyond its storage', tensor(`${floats}K\x01K\x06\x85K\x01\x85`), /outside/],
    ['a negative offset', tensor(`${floats}J\xff\xff\xff\xffK\x06\x85K\x01\x85`), /none/],
    [
      'huge dimensions',
      tensor(`${floats}K\0J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x87K\0K\0K\0\x87`),
      /outside/,
    ],
    ['stride 0', tensor(`${floats}K\0K\x06\x85K\0\x85`), /gaps/],
    ['a transposed tensor', tensor(`${floats}K\0K\x02K\x03\x86K\x01K\x02\x86`), /contiguous/],
    ['strides of another length', tensor(`${floats}K\0K\x06\x85)`), /shape/],
    ['a shape of strings', tensor(`${floats}K\0${text('a')}\x85K\x01\x85`), /shape/],
    [
      'nine dimensions',
      tensor(`${floats}K\0(${'K\x01'.repeat(9)}t(${'K\x01'.repeat(9)}t`),
      /shape/,
    ],
    ['a tensor of a dict', tensor('}K\0K\x06\x85K\x01\x85'), /none/],
    ['a dict filled by a call', 'ccollections\nOrderedDict\n]\x85R.', /fills a dict/],
  ])('refuses %s', async (_, pickle, message) => {
    const source = await withPickle(latin1(`\x80\x02${pickle}`))
    await expect(readTorch(source)).rejects.toThrow(ModelLoadError)
    await expect(readTorch(source)).rejects.toThrow(message)
  })

  it('reads parameters as their tensors', async () => {
    const inner = `ctorch._utils\n_rebuild_tensor_v2\n(${floats}K\0K\x06\x85K\x01\x85tR`
    const pickle = `\x80\x02}${text('w')}ctorch._utils\n_rebuild_parameter\n(${inner}\x88NtRs.`
    const file = await readTorch(await withPickle(latin1(pickle)))
    expect(tensorOf(file, 'w').shape).toEqual([6])
  })

  it('names formats that are no such checkpoint', async () => {
    const refuse = (content: Uint8Array, message: RegExp) =>
      expect(readTorch(fromBytes(content, 'x.bin'))).rejects.toThrow(message)
    await refuse(latin1('\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.'), /before 1\.6/)
    const tar = new Uint8Array(1024)
    tar.set(latin1('ustar'), 257)
    await refuse(tar, /tar archive/)
    await refuse(bytes('GGUF', [4, 3]), /GGUF/)
    await refuse(new Uint8Array(0), /not a zip/)
    const noPickle = bytes('PK\x05\x06', new Uint8Array(18))
    await refuse(noPickle, /not one that PyTorch wrote/)
  })

  it('refuses big-endian files, and damage in what it reads', async () => {
    const pickle = pickleStateDict([sample])
    await expect(readTorch(await withPickle(pickle, { byteorder: bytes('big') }))).rejects.toThrow(
      /big-endian/,
    )
    const path = join(directory, 'damaged.bin')
    await writeTorch(path, [sample])
    const content = await readFile(path)
    const at = content.indexOf('data.pkl') + 100
    content[at] = (content[at] as number) ^ 1
    await writeFile(path, content)
    await expect(openTorch(path)).rejects.toThrow(/checksum|cut short|pickle/)
  })

  it('finds values that are not finite', async () => {
    const path = join(directory, 'nan.bin')
    const bad = { ...sample, chunks: () => [bytesOf(Float32Array.of(1, 2, 3, 4, Number.NaN, 6))] }
    await writeTorch(path, [bad])
    const file = await openTorch(path)
    await expect(readFloats(tensorOf(file, 'w'), 3, 2)).rejects.toThrow(IntegrityError)
    await expect(readFloats(tensorOf(file, 'w'), 3, 2)).rejects.toThrow(/Element 4 of "w"/)
    await file.close()
  })
})
