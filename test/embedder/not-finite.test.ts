/** Damaged weights: a text whose vector is not finite is that text's failure alone, whatever the call. */
import { copyFile, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder, EmbedderError } from '../../lib/index.js'
import { GgufFile } from '../../lib/model/formats/gguf/reader.js'
import { cli } from '../apps/cli/run.js'
import { standinPath } from '../helpers/standins.js'

const Q8_0_BLOCK = { values: 32, bytes: 34 }
const NAN_F16 = 0x7e00
const GOOD = 'something else'

let folder: string
let model: string
let m3: Embedder

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bge-m3-nan-'))
  const whole = await standinPath({ size: 'tiny' })
  const sound = await Embedder.load({ model: whole, cache: false })
  const [, id] = (await sound.tokenize('a')).ids
  await sound.dispose()
  model = join(folder, 'nan.gguf')
  await copyFile(whole, model)
  await spoilRow(model, 'token_embd.weight', id as number)
  m3 = await Embedder.load({ model })
})
afterAll(async () => {
  await m3.dispose()
  await rm(folder, { recursive: true })
})

/** Sets the scales of a row's blocks to NaN. */
async function spoilRow(path: string, name: string, row: number): Promise<void> {
  const file = await GgufFile.open(path)
  const { dims, offset } = file.tensors.get(name) as { dims: readonly number[]; offset: number }
  await file.close()
  const blocks = (dims[0] as number) / Q8_0_BLOCK.values
  const handle = await open(path, 'r+')
  const scale = Buffer.alloc(2)
  scale.writeUInt16LE(NAN_F16)
  for (let block = 0; block < blocks; block++) {
    await handle.write(scale, 0, 2, offset + (row * blocks + block) * Q8_0_BLOCK.bytes)
  }
  await handle.close()
}

const codes = (results: readonly unknown[]) =>
  results.map((result) => (result instanceof EmbedderError ? result.code : 'ok'))

describe('a text whose vector is not finite', () => {
  it('is an InferenceError alone, tried once more', async () => {
    const before = m3.stats()
    await expect(m3.embed('a')).rejects.toMatchObject({ code: 'INFERENCE' })
    const { retries, failures } = m3.stats()
    expect(retries - before.retries).toBe(1)
    expect(failures - before.failures).toBe(1)
    expect((await m3.embed(GOOD)).dense?.every(Number.isFinite)).toBe(true)
  })

  it('costs the others of an array nothing', async () => {
    const texts = ['one', 'a', 'two', 'a', 'three']
    const results = await m3.embed(texts, { onError: 'collect' })
    expect(codes(results)).toEqual(['ok', 'INFERENCE', 'ok', 'INFERENCE', 'ok'])
    const error = await m3.embed(texts).catch((e) => e)
    expect(error).toMatchObject({ code: 'BATCH' })
    expect(error.failures.map((f: { index: number }) => f.index)).toEqual([1, 3])
    expect(error.results.filter(Boolean)).toHaveLength(3)
  })

  it('costs a stream, chunks and tokens itself alone', async () => {
    const items = []
    for await (const item of m3.embedStream(['one', 'a', 'two'], { onError: 'collect' })) {
      items.push('error' in item ? item.error.code : item.id)
    }
    expect(items).toEqual(['0', 'INFERENCE', '2'])
    const chunks = await m3.embedChunks(['one', 'a', 'two'])
    expect(chunks.items.map(({ id }) => id)).toEqual(['0', '2'])
    expect(chunks.failures).toMatchObject([{ index: 1, error: { code: 'INFERENCE' } }])
    const { ids } = await m3.tokenize('a')
    const tokens = await m3.embedTokens([[...ids], [...(await m3.tokenize(GOOD)).ids]], {
      onError: 'collect',
    })
    expect(codes(tokens)).toEqual(['INFERENCE', 'ok'])
  })

  it('is the fallback’s', async () => {
    const fallback = await standinPath({ size: 'tiny' })
    const logger = { warn: () => {} }
    const safe = await Embedder.load({ model, fallback, logger, cache: false })
    const [bad, good] = await safe.embed(['a', GOOD])
    expect(bad?.fallback).toBeDefined()
    expect(bad?.dense?.every(Number.isFinite)).toBe(true)
    expect(good?.fallback).toBeUndefined()
    await safe.dispose()
  })

  it('costs a command one line', async () => {
    const { code, stdout } = await cli(['embed', '--model', model], { stdin: 'one\na\ntwo\n' })
    expect(code).toBe(1)
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.map(({ error }) => error?.code)).toEqual([undefined, 'INFERENCE', undefined])
  })
})
