import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { IntegrityError, ModelLoadError, ModelNotFoundError } from '../../lib/common/errors.js'
import { fromFloat16 } from '../../lib/common/float16.js'
import { HEAD_KEYS } from '../../lib/model/formats/gguf/own-keys.js'
import { entry, type GgufEntry } from '../../lib/model/formats/gguf/values.js'
import { writeGguf } from '../../lib/model/formats/gguf/writer.js'
import { type Heads, loadHeads, readHeads } from '../../lib/model/heads.js'
import { bytesOf, type WritableTensor } from './writers/tensors.js'
import { writeTorch } from './writers/torch.js'

const official = join(import.meta.dirname, '../fixtures/heads')

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heads-'))
})
afterAll(() => rm(directory, { recursive: true }))

/** A GGUF that is all header. */
async function model(name: string, ...entries: GgufEntry[]): Promise<string> {
  const path = join(directory, name)
  await writeGguf(path, [entry.string('general.architecture', 'bert'), ...entries], [])
  return path
}

const xlmR = [entry.string('tokenizer.ggml.model', 't5'), entry.uint32('bert.pooling_type', 2)]

function tensor(name: string, shape: number[], values: number[]): WritableTensor {
  return { name, dtype: 'F32', shape, chunks: () => [bytesOf(Float32Array.from(values))] }
}

/** Keys of heads two wide; `null` leaves one out. */
function headKeys(changes: Partial<Record<keyof typeof HEAD_KEYS, Float32Array | null>> = {}) {
  const values = {
    sparseWeight: Float32Array.of(1, 2),
    sparseBias: Float32Array.of(-0.5),
    colbertWeight: Float32Array.of(1, 2, 3, 4),
    colbertBias: Float32Array.of(5, 6),
    ...changes,
  }
  return Object.entries(values).flatMap(([name, array]) =>
    array === null ? [] : [entry.numbers(HEAD_KEYS[name as keyof typeof HEAD_KEYS], array)],
  )
}

describe('official heads', () => {
  it('load from their directory', async () => {
    const { sparse, colbert, paths, sha256 } = await readHeads(official, 1024)
    expect(sparse?.weight).toHaveLength(1024)
    expect(colbert?.weight).toBeInstanceOf(Uint16Array)
    expect(colbert?.weight).toHaveLength(1024 * 1024)
    expect(colbert?.bias).toHaveLength(1024)
    expect(paths.map((path) => path.slice(official.length + 1))).toEqual([
      'sparse_linear.pt',
      'colbert_linear.pt',
    ])
    expect(sha256).toMatch(/^[0-9a-f]{64}$/)
    // Read apart: two halves of the file in the order of the zip's data/0 and data/1.
    expect(sparse?.weight[0]).toBe(fromFloat16(Uint16Array.of(0x0d6c))[0])
    const weights = fromFloat16(colbert?.weight as Uint16Array)
    expect(Math.max(...weights.subarray(0, 100_000).map(Math.abs))).toBeLessThan(1)
  })

  it('load one by one', async () => {
    const one = await readHeads(join(official, 'sparse_linear.pt'), 1024)
    expect([one.sparse === undefined, one.colbert === undefined]).toEqual([false, true])
    const other = await readHeads(join(official, 'colbert_linear.pt'), 1024)
    expect([other.sparse === undefined, other.colbert === undefined]).toEqual([true, false])
    expect(new Set([one.sha256, other.sha256]).size).toBe(2)
  })

  it('have the same hash from a GGUF as from their files', async () => {
    const files = await readHeads(official, 1024)
    const { sparse, colbert } = files
    if (sparse === undefined || colbert === undefined) return expect.unreachable()
    const path = await model(
      'carrier.gguf',
      entry.numbers(HEAD_KEYS.sparseWeight, sparse.weight),
      entry.numbers(HEAD_KEYS.sparseBias, Float32Array.of(sparse.bias)),
      entry.numbers(HEAD_KEYS.colbertWeight, fromFloat16(colbert.weight as Uint16Array)),
      entry.numbers(HEAD_KEYS.colbertBias, colbert.bias),
    )
    expect((await readHeads(path, 1024)).sha256).toBe(files.sha256)
  })
})

describe('loadHeads', () => {
  it('takes heads in the model before files beside it', async () => {
    const inside = await model('inside.gguf', ...xlmR, ...headKeys())
    const heads = (await loadHeads({ model: inside, dim: 2 })) as Heads
    expect(heads.sparse).toEqual({ weight: Float32Array.of(1, 2), bias: -0.5 })
    expect(heads.colbert).toEqual({
      weight: Float32Array.of(1, 2, 3, 4),
      bias: Float32Array.of(5, 6),
    })
    expect(heads.paths).toEqual([inside])
  })

  it('takes files beside a model that can be a bge-m3, and only then', async () => {
    const home = join(directory, 'home')
    await mkdir(home)
    for (const name of ['sparse_linear.pt', 'colbert_linear.pt']) {
      await copyFile(join(official, name), join(home, name))
    }
    const m3 = await model('home/m3.gguf', ...xlmR)
    expect((await loadHeads({ model: m3, dim: 1024 }))?.sparse?.weight).toHaveLength(1024)
    // Too narrow for these heads; another vocabulary; another pooling.
    expect(await loadHeads({ model: m3, dim: 384 })).toBeUndefined()
    const bert = await model('home/bert.gguf', entry.string('tokenizer.ggml.model', 'bert'))
    expect(await loadHeads({ model: bert, dim: 1024 })).toBeUndefined()
    const mean = await model(
      'home/e5.gguf',
      entry.string('tokenizer.ggml.model', 't5'),
      entry.uint32('bert.pooling_type', 1),
    )
    expect(await loadHeads({ model: mean, dim: 1024 })).toBeUndefined()
    // Named, they are taken for any model they fit.
    expect((await loadHeads({ model: bert, dim: 1024, heads: home }))?.colbert).toBeDefined()
  })

  it('is undefined where there are none', async () => {
    const lone = join(directory, 'lone')
    await mkdir(lone)
    const path = await model('lone/m3.gguf', ...xlmR)
    expect(await loadHeads({ model: path, dim: 1024 })).toBeUndefined()
  })

  it('says what is wrong with heads that were named', async () => {
    const load = (heads: string, dim = 1024) => loadHeads({ model: 'unused.gguf', dim, heads })
    await expect(load(join(directory, 'none'))).rejects.toThrow(ModelNotFoundError)
    await expect(load(await mkdtemp(join(directory, 'empty-')))).rejects.toThrow(/neither/)
    await expect(load(official, 384)).rejects.toThrow(/from 1024 to 1 numbers.*384/)
    await expect(load(await model('headless.gguf'))).rejects.toThrow(/carries no heads/)
    const text = join(directory, 'text.pt')
    await writeFile(text, 'text')
    await expect(load(text)).rejects.toThrow(ModelLoadError)
  })

  it('refuses layers that are none', async () => {
    const path = join(directory, 'layer.pt')
    const cases: WritableTensor[][] = [
      [tensor('weight', [1, 2], [1, 2])],
      [tensor('weight', [2], [1, 2]), tensor('bias', [1], [1])],
      [tensor('weight', [1, 2], [1, 2]), tensor('bias', [2], [1, 2])],
      [tensor('weight', [1, 2], [1, 2]), tensor('bias', [1], [1]), tensor('more', [1], [1])],
    ]
    for (const tensors of cases) {
      await writeTorch(path, tensors)
      await expect(readHeads(path, 2)).rejects.toThrow(/one linear layer/)
    }
    await writeTorch(path, [
      tensor('weight', [3, 2], [1, 2, 3, 4, 5, 6]),
      tensor('bias', [3], [1, 2, 3]),
    ])
    await expect(readHeads(path, 2)).rejects.toThrow(/from 2 to 3 numbers/)
    await writeTorch(path, [tensor('weight', [1, 2], [1, Number.NaN]), tensor('bias', [1], [1])])
    await expect(readHeads(path, 2)).rejects.toThrow(IntegrityError)
    const halves: WritableTensor = {
      name: 'weight',
      dtype: 'F16',
      shape: [2, 2],
      chunks: () => [bytesOf(Uint16Array.of(0, 0x7c00, 0, 0))],
    }
    await writeTorch(path, [halves, tensor('bias', [2], [1, 1])])
    await expect(readHeads(path, 2)).rejects.toThrow(IntegrityError)
    await writeTorch(path, [tensor('weight', [2, 2], [1, 2, 3, 4]), tensor('bias', [2], [5, 6])])
    expect((await readHeads(path, 2)).colbert?.weight).toEqual(Float32Array.of(1, 2, 3, 4))
  })

  it('refuses keys that do not fit', async () => {
    const refuse = async (keys: GgufEntry[], message: RegExp) => {
      const path = await model('misfit.gguf', ...xlmR, ...keys)
      await expect(loadHeads({ model: path, dim: 2 })).rejects.toThrow(message)
    }
    await refuse(headKeys({ sparseWeight: new Float32Array(3) }), /3 values, not 2/)
    await refuse(headKeys({ sparseBias: null }), /missing/)
    await refuse(headKeys({ colbertWeight: new Float32Array(3) }), /3 values, not 4/)
    await refuse(headKeys({ colbertBias: Float32Array.of(1, Number.NaN) }), /not all finite/)
    await refuse([entry.strings(HEAD_KEYS.sparseWeight, ['a', 'b'])], /missing|neither/)
    await refuse([entry.numbers(HEAD_KEYS.sparseWeight, Uint16Array.of(0, 0x7e00))], /missing/)
    const halves = headKeys({ sparseWeight: null })
    const nan = entry.numbers(HEAD_KEYS.sparseWeight, Uint16Array.of(0, 0x7e00))
    await refuse([...halves, nan], /not finite/)
  })

  it('takes one head alone', async () => {
    const path = await model('half.gguf', ...headKeys({ colbertWeight: null, colbertBias: null }))
    const heads = await readHeads(path, 2)
    expect([heads.sparse?.bias, heads.colbert]).toEqual([-0.5, undefined])
  })
})
