/**
 * Trained weights: multilingual-e5-small, as rounded to 4 bits by the package that carries it, converted by us,
 * against what sentence-transformers 6.2 gives for the same checkpoint (float32, torch 2.15;
 * test/fixtures/golden/real-e5.json says how it was made).
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../lib/embedder/embedder.js'
import { cosine } from '../../lib/exports/scoring.js'
import { root } from '../helpers/child.js'
import { has } from '../helpers/needs.mjs'
import { convertReal, removeConverted } from './convert-real.js'

interface Golden {
  /** The prompt is part of `text`. */
  texts: { text: string; ids: number[]; dense: number[] }[]
}

describe.skipIf(!has('e5'))('multilingual-e5-small', () => {
  let golden: Golden['texts']
  beforeAll(async () => {
    const file = join(root, 'test/fixtures/golden/real-e5.json')
    golden = (JSON.parse(await readFile(file, 'utf8')) as Golden).texts
  })
  afterAll(removeConverted)

  it('has token ids and vectors of sentence-transformers, cuts where it does, and takes the prompts', async () => {
    const model = await Embedder.load({
      model: await convertReal('multilingual-e5-small', 'f32'),
      cache: false,
    })
    expect(model.info.maxTokens).toBe(512)
    for (const { text, ids, dense: expected } of golden) {
      const found = await model.tokenize(text, { truncate: 'end' })
      expect(Array.from(found.ids)).toEqual(ids)
      const [, prompt = '', rest = ''] = /^(query|passage)(?:: )(.*)$/s.exec(text) ?? []
      const { dense } = await model.embed(rest, {
        prompt: { text: `${prompt}: ` },
        truncate: 'end',
      })
      expect(1 - cosine(dense, expected)).toBeLessThan(1e-5)
    }
    await model.dispose()
  })
})
