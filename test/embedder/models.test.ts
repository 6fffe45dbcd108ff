import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cosine, Embedder, ModelNotFoundError, similarityMatrix } from '../../lib/index.js'
import { useSimd } from '../../lib/scoring/simd.js'
import { standinPath } from '../helpers/standins.js'
import { mixedTexts } from '../helpers/texts.js'

let tiny: string
let minilm: string
beforeAll(async () => {
  tiny = await standinPath({ size: 'tiny' })
  minilm = await standinPath({ size: 'tiny', arch: 'minilm' })
})

describe('several models', () => {
  it('at once give each the vectors of its model alone', async () => {
    const a = await Embedder.load({ model: tiny, cache: false })
    const b = await Embedder.load({ model: minilm, cache: false })
    const [ofA, ofB] = await Promise.all([a.embed(['one', 'two']), b.embed(['one', 'two'])])
    expect(ofA[1]?.dense).toEqual((await a.embed('two')).dense)
    expect(ofB[1]?.dense).toEqual((await b.embed('two')).dense)
    expect(ofA[1]?.dense).not.toEqual(ofB[1]?.dense)
    await Promise.all([a.dispose(), b.dispose()])
  })

  it('a model without heads gives dense only, and says so when asked for more', async () => {
    const m = await Embedder.load({ model: minilm, cache: false })
    expect(m.info.outputs).toEqual({ dense: true, sparse: false, colbert: false })
    await expect(m.embed('x', { outputs: { sparse: true } })).rejects.toThrow(/no sparse head/)
    await m.dispose()
  })

  it('swapModel loses no queued work, and later calls run on the new model', async () => {
    const m = await Embedder.load({ model: tiny, cache: false })
    const texts = mixedTexts(120)
    const before = m.info
    const queued = [m.embed(texts), m.embed(texts.slice(0, 40)), m.embed('alone')]
    await m.swapModel({ model: minilm })
    expect(m.info.fingerprint).not.toBe(before.fingerprint)
    expect((await m.embed('x')).dense).toHaveLength(m.info.dimensions)
    const [many, some] = (await Promise.all(queued)) as [unknown[], unknown[], unknown]
    expect(many).toHaveLength(120)
    expect(some).toHaveLength(40)
    await m.dispose()
  })

  it('keeps the old model when the new one cannot be loaded', async () => {
    const m = await Embedder.load({ model: tiny, cache: false })
    const dense = (await m.embed('same')).dense
    await expect(m.swapModel({ model: '/nowhere/at/all.gguf' })).rejects.toThrow(ModelNotFoundError)
    expect((await m.embed('same')).dense).toEqual(dense)
    await m.dispose()
  })

  it('finds no model by itself where there is none, and says what to do', async () => {
    const empty = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-empty-'))
    const saved = process.env.BGE_M3_MODEL
    delete process.env.BGE_M3_MODEL
    const error = await Embedder.load({ cacheDir: empty }).catch((e) => e)
    if (saved !== undefined) process.env.BGE_M3_MODEL = saved
    expect(error).toBeInstanceOf(ModelNotFoundError)
    expect(error.message).toContain('bge-m3 model pull')
    fs.rmSync(empty, { recursive: true })
  })
})

describe('outputs from one pass', () => {
  let m3: Embedder
  beforeAll(async () => {
    m3 = await Embedder.load({ model: tiny, cache: false })
  })
  afterAll(() => m3.dispose())

  it('dense, sparse and ColBERT of a text are those of each asked for alone', async () => {
    const texts = mixedTexts(6)
    const all = await m3.embed(texts, { outputs: { dense: true, sparse: true, colbert: true } })
    for (const [i, text] of texts.entries()) {
      const sparse = await m3.embed(text, { outputs: { sparse: true } })
      const colbert = await m3.embed(text, { outputs: { colbert: true } })
      expect(sparse).not.toHaveProperty('dense')
      expect(all[i]?.sparse).toEqual(sparse.sparse)
      expect(all[i]?.colbert).toEqual(colbert.colbert)
      expect(all[i]?.dense).toEqual((await m3.embed(text)).dense)
      expect(colbert.colbert?.rows).toBe(colbert.tokenCount - 1)
    }
  })

  it('refuses a call that asks for nothing', async () => {
    await expect(m3.embed('x', { outputs: { dense: false } })).rejects.toThrow(/outputs/)
  })

  it('scores on the kernels equal the plain ones', async () => {
    const vectors = (await m3.embed(mixedTexts(70))).map((e) => e.dense as Float32Array)
    const fast = similarityMatrix(vectors)
    useSimd(undefined)
    const plain = similarityMatrix(vectors)
    expect(fast.data).toHaveLength(70 * 70)
    fast.data.forEach((score, i) => {
      expect(Math.abs(score - (plain.data[i] as number))).toBeLessThan(1e-6)
    })
    const [first, second] = vectors as [Float32Array, Float32Array]
    expect(fast.data[1]).toBeCloseTo(cosine(first, second), 6)
    const again = await Embedder.load({ model: tiny, cache: false })
    await again.dispose()
  })
})
