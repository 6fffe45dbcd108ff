/**
 * Trained weights: all-MiniLM-L6-v2, converted by us, against what sentence-transformers 6.2 gives for the
 * same checkpoint (float32, torch 2.15; test/fixtures/golden/real-minilm.json says how it was made).
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../lib/embedder/embedder.js'
import { cosine } from '../../lib/exports/scoring.js'
import type { ConvertType } from '../../lib/model/convert/convert.js'
import { root } from '../helpers/child.js'
import { has } from '../helpers/needs.mjs'
import { convertReal, removeConverted } from './convert-real.js'

interface Golden {
  /** `dense` is at 512 tokens, `dense256` at the model's own limit, where that is less than the text. */
  texts: { text: string; ids: number[]; dense: number[]; dense256?: number[] }[]
}

describe.skipIf(!has('minilm'))('all-MiniLM-L6-v2', () => {
  const models = new Map<ConvertType, Embedder>()
  let golden: Golden['texts']
  const load = (type: ConvertType) => models.get(type) as Embedder

  beforeAll(async () => {
    const file = join(root, 'test/fixtures/golden/real-minilm.json')
    golden = (JSON.parse(await readFile(file, 'utf8')) as Golden).texts
    for (const type of ['f32', 'f16', 'q8_0'] as const) {
      const model = await convertReal('all-MiniLM-L6-v2', type)
      models.set(type, await Embedder.load({ model, maxTokens: 512, cache: false }))
    }
  })
  afterAll(async () => {
    for (const model of models.values()) await model.dispose()
    await removeConverted()
  })

  it('has the token ids of Hugging Face', async () => {
    for (const { text, ids } of golden) {
      const found = await load('f32').tokenize(text, { maxTokens: 512, truncate: 'end' })
      expect(Array.from(found.ids)).toEqual(ids)
    }
  })

  const distances = async (type: ConvertType) => {
    const texts = golden.map(({ text }) => text)
    const found = await load(type).embed(texts, { truncate: 'end' })
    return found.map(({ dense }, i) => 1 - cosine(dense, golden[i]?.dense as number[]))
  }

  it.each(['f32', 'f16'] as const)('is what sentence-transformers gives, in %s', async (type) => {
    expect(Math.max(...(await distances(type)))).toBeLessThan(1e-5)
  })

  it('has token states whose mean is what sentence-transformers pools', async () => {
    const texts = golden.map(({ text }) => text)
    const found = await load('f32').tokenStates(texts, { truncate: 'end' })
    found.forEach(({ states: { data, rows, cols } }, i) => {
      const sums = Array.from({ length: cols }, (_, c) => {
        let sum = 0
        for (let row = 0; row < rows; row++) sum += data[row * cols + c] as number
        return sum
      })
      expect(1 - cosine(sums, golden[i]?.dense as number[])).toBeLessThan(1e-5)
    })
  })

  it('cuts by itself at the 256 tokens that it was made for', async () => {
    const model = await Embedder.load({
      model: await convertReal('all-MiniLM-L6-v2', 'f32'),
      cache: false,
    })
    expect(model.info.maxTokens).toBe(256)
    const long = golden.filter(({ dense256 }) => dense256 !== undefined)
    expect(long.length).toBeGreaterThan(0)
    for (const { text, dense256 } of long) {
      const { dense } = await model.embed(text, { truncate: 'end' })
      expect(1 - cosine(dense, dense256 as number[])).toBeLessThan(1e-5)
    }
    await model.dispose()
  })

  it('is near to it in Q8_0, also in languages that it was not made for', async () => {
    const all = await distances('q8_0')
    // 5.6e-4 was measured; a model that is wrong is a hundred times as far
    expect(all.reduce((sum, one) => sum + one, 0) / all.length).toBeLessThan(8e-4)
    expect(Math.max(...all)).toBeLessThan(4e-3)
  })
})
