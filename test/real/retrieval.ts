/** Questions against paragraphs on trained weights: what Q8_0 finds beside float32. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../lib/embedder/embedder.js'
import { dot, topK } from '../../lib/exports/scoring.js'
import { has } from '../helpers/needs.mjs'
import { paragraphs } from '../helpers/texts.js'
import { convertReal, removeConverted } from './convert-real.js'

/** @param count paragraphs of XQuAD's 240, with two or three questions each */
export function retrieval(count: number): void {
  describe.skipIf(!has('minilm'))('all-MiniLM-L6-v2 in retrieval', () => {
    const texts = paragraphs('en').slice(0, count)
    const questions = texts.flatMap(({ questions }, at) => questions.map((text) => ({ text, at })))
    let exact: Embedder
    let rounded: Embedder
    beforeAll(async () => {
      exact = await Embedder.load({
        model: await convertReal('all-MiniLM-L6-v2', 'f32'),
        cache: false,
      })
      rounded = await Embedder.load({
        model: await convertReal('all-MiniLM-L6-v2', 'q8_0'),
        cache: false,
      })
    })
    afterAll(async () => {
      await exact?.dispose()
      await rounded?.dispose()
      await removeConverted()
    })

    const embed = async (model: Embedder, list: readonly { text: string }[]) =>
      (
        await model.embed(
          list.map(({ text }) => text),
          { truncate: 'end' },
        )
      ).map(({ dense }) => dense)

    const measure = async (model: Embedder) => {
      const vectors = await embed(model, texts)
      const asked = await embed(model, questions)
      const ranks = asked.map((query, i) => {
        const hits = topK(query, vectors, 10)
        return hits.findIndex(({ index }) => index === questions[i]?.at) + 1
      })
      const first = ranks.filter((rank) => rank === 1).length / ranks.length
      const mrr = ranks.reduce((sum, rank) => sum + (rank > 0 ? 1 / rank : 0), 0) / ranks.length
      return { all: [...vectors, ...asked], first, mrr }
    }

    it('finds the paragraph of a question, in Q8_0 as in float32', async () => {
      const one = await measure(exact)
      const other = await measure(rounded)
      console.info(
        `${questions.length} questions, ${texts.length} paragraphs; first and MRR@10 in F32`,
        [one.first, one.mrr],
        'in Q8_0',
        [other.first, other.mrr],
      )
      expect(one.first).toBeGreaterThan(0.85)
      expect(Math.abs(one.mrr - other.mrr)).toBeLessThan(0.003)
      const distances = one.all.map((vector, i) => 1 - dot(vector, other.all[i] as Float32Array))
      // 3.3e-4 on 2,656 English texts, of weights and activations rounded to 8 bits
      expect(distances.reduce((sum, d) => sum + d, 0) / distances.length).toBeLessThan(4e-4)
    })
  })
}
