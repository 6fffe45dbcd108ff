/**
 * Issue 8: int8, float16 and Q8_0 against float32 keep at least 95 % of the order of similarities and
 * 90 % of the coherence of clusters, for each output.
 */
import { beforeAll, describe, expect, it } from 'vitest'
import { type ComparisonReport, compareOutputs } from '../../lib/exports/quality.js'
import { Embedder, type Embedding, type Precision } from '../../lib/index.js'
import { standinPath } from '../helpers/standins.js'
import { paragraphs } from '../helpers/texts.js'

const OUTPUTS = { dense: true, sparse: true, colbert: true }

async function embeddings(
  size: 'tiny' | 'small',
  texts: readonly string[],
  type: 'f32' | 'q8_0',
  precision: Precision = 'float32',
): Promise<Embedding<Precision>[]> {
  const m3 = await Embedder.load({ model: await standinPath({ size, type }) })
  const results = await m3.embed(texts, { outputs: OUTPUTS, precision })
  await m3.dispose()
  return results
}

const figures = ({ outputs }: ComparisonReport) =>
  Object.entries(outputs).map(([output, { preservation, overlap, clusters, drift }]) => ({
    output,
    spearman: preservation.spearman as number,
    retained: clusters?.retained as number,
    agreement: clusters?.agreement as number,
    overlap: overlap.mean,
    drift: drift?.mean,
  }))

export function roundingKeepsOrder(size: 'tiny' | 'small', paragraphsEach: number): void {
  describe(`${size} against float32`, () => {
    /** In four languages: of many kinds, so that there are clusters. */
    const texts = (['en', 'de', 'zh', 'ar'] as const).flatMap((language) =>
      paragraphs(language)
        .slice(0, paragraphsEach)
        .flatMap(({ text, questions }) => [
          size === 'tiny' ? text : (questions[1] ?? ''),
          questions[0] ?? '',
        ]),
    )
    let reference: Embedding<Precision>[]
    beforeAll(async () => {
      reference = await embeddings(size, texts, 'f32')
    })

    const check = (name: string, other: Embedding<Precision>[]) => {
      const found = figures(compareOutputs(reference, other, { maxItems: 100 }))
      console.info(name, JSON.stringify(found))
      expect(found.map(({ output }) => output)).toEqual(['dense', 'sparse', 'colbert'])
      for (const { output, spearman, retained, agreement } of found) {
        expect(spearman, `${name} ${output}: similarities`).toBeGreaterThanOrEqual(0.95)
        expect(retained, `${name} ${output}: coherence`).toBeGreaterThanOrEqual(0.9)
        expect(agreement, `${name} ${output}: clusters`).toBeGreaterThanOrEqual(0.9)
      }
      return found
    }

    it('float16 vectors', async () => {
      check('float16', await embeddings(size, texts, 'f32', 'float16'))
    })

    it('int8 vectors', async () => {
      check('int8', await embeddings(size, texts, 'f32', 'int8'))
    })

    it('a Q8_0 model', async () => {
      const found = check('Q8_0', await embeddings(size, texts, 'q8_0'))
      // not the same by accident: the weights differ
      for (const { drift } of found) expect(drift).toBeGreaterThan(0)
    })

    it('tells another model from a rounded one', async () => {
      const m3 = await Embedder.load({ model: await standinPath({ size, seed: 2 }) })
      const other = await m3.embed(texts, { outputs: OUTPUTS })
      await m3.dispose()
      const [dense] = figures(compareOutputs(reference, other, { maxItems: 100 }))
      expect(dense?.spearman).toBeLessThan(0.9)
      expect(dense?.overlap).toBeLessThan(0.7)
    })
  })
}
