import { describe, expect, it } from 'vitest'
import { Embedder, type Embedding } from '../../../lib/index.js'
import type { StandinSize } from '../../../lib/model/standin/shapes.js'
import { standinPath } from '../../helpers/standins.js'
import { mixedTexts, paragraphs } from '../../helpers/texts.js'

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number)
  return sum
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Cosines of all pairs of normalised vectors. */
function pairs(vectors: readonly Float32Array[]): number[] {
  return vectors.flatMap((a, i) => vectors.slice(i + 1).map((b) => dot(a, b)))
}

const dense = (embeddings: readonly Embedding[]) =>
  embeddings.map((embedding) => embedding.dense as Float32Array)

export function outputsSpread(size: StandinSize): void {
  describe(`the outputs of ${size}`, () => {
    it('spread: dense, sparse and ColBERT', async () => {
      const m3 = await Embedder.load({ model: await standinPath({ size }) })
      try {
        const one = dense(
          await m3.embed(
            paragraphs('en')
              .slice(0, 40)
              .map(({ text }) => text),
          ),
        )
        const outputs = { dense: true, sparse: true, colbert: true }
        const mixed = await m3.embed(mixedTexts(40), { outputs })
        for (const vectors of [one, dense(mixed)]) {
          const cosines = pairs(vectors)
          expect(mean(cosines)).toBeLessThan(0.5)
          expect(Math.max(...cosines)).toBeLessThan(0.95)
        }

        // A lexical weight for some of the tokens, not for all.
        const distinct = mixed.map(
          ({ tokenCount, sparse }) => (sparse?.values.length ?? 0) / tokenCount,
        )
        expect(mean(distinct)).toBeGreaterThan(0.1)
        expect(mean(distinct)).toBeLessThan(0.7)

        // Tokens of a text stay apart from each other.
        const rows = mixed.map(({ colbert }) => {
          const { data, cols } = colbert as { data: Float32Array; cols: number }
          return Array.from({ length: 8 }, (_, i) => data.subarray(i * cols, (i + 1) * cols))
        })
        expect(mean(rows.flatMap(pairs))).toBeLessThan(0.95)
      } finally {
        await m3.dispose()
      }
    })

    it('change with one word', async () => {
      const m3 = await Embedder.load({ model: await standinPath({ size }) })
      try {
        const cosines = pairs(
          dense(
            await m3.embed([
              'The committee approved the new budget for schools on Monday.',
              'The committee approved the new budget for hospitals on Monday.',
              'The committee rejected the new budget for schools on Monday.',
            ]),
          ),
        )
        for (const cosine of cosines) expect(cosine).toBeLessThan(0.97)
      } finally {
        await m3.dispose()
      }
    })
  })
}
